"""Replays of the DRAM engine alone as text: one run, a bandwidth-latency curve, a comparison with a peer."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

Json = Mapping[str, Any]

_LABEL, _WIDTH = 24, 100
_MOST_RANKS = 16
_PARTS = {
    "act_pre": "ACT, PRE",
    "read": "RD",
    "write": "WR",
    "refresh": "REF",
    "background_active": "rows open",
    "background_idle": "closed",
}
"""Parts of the energy and their columns; the last two are standby with banks open and with all closed."""


def replay_lines(document: Json) -> Iterator[str]:
    """Yield the table of one replay, a document of ``recnmp.memory.run.replay_trace``."""
    yield from _title(document)
    requests, total = document["requests"], max(document["requests"], 1)
    yield _row("requests", f"{requests:,}", f"{document['reads']:,} reads, {document['writes']:,} writes")
    yield _row("cycles", f"{document['cycles']:,}", _time(document["time_ns"]))
    yield _row(
        "bandwidth", f"{document['gb_per_s']:.2f} GB/s", f"{document['bus_utilization']:.1%} of the data bus"
    )
    latency = f"{document['read_latency_avg_cycles']:.1f} clocks"
    yield _row("read latency, mean", latency, _time(document["read_latency_avg_ns"]))
    rows = [document[name] / total for name in ("row_hits", "row_misses", "row_conflicts")]
    yield _row("row hit/miss/conflict", " / ".join(f"{100 * share:.0f}" for share in rows) + " %")
    if document["writes"]:
        text = f"{document['forwarded']:,} reads, {document['absorbed']:,} writes"
        yield _row("met by queued writes", text)
    if document["merge_reads"]:
        remark = f"{document['merged'] / total:.0%} of the requests, moved no data of their own"
        yield _row("merged reads", f"{document['merged']:,}", remark)
    yield _row("commands", _commands(document["commands"]))
    if document["audit_violations"] is not None:
        issued = sum(document["commands"].values())
        yield _row("audit", f"{document['audit_violations']:,} violations in {issued:,} commands")
    yield from _energy(document)


def _energy(document: Json) -> Iterator[str]:
    """Yield a line for every rank, up to ``_MOST_RANKS`` of them, and one for all."""
    energy = document["energy"]
    if energy is None:
        yield from _wrapped(f"energy: {document['energy_note']}")
        return
    totals = energy["total_pj_per_rank"]
    yield ""
    yield f"{'energy [pJ]':<{_LABEL}}" + "".join(
        f"{title:>10}" for title in (*_PARTS.values(), "all", "mean mW")
    )
    names = [*(f"{part}_pj" for part in (*_PARTS, "total")), "mean_power_mw"]
    ranks = [(c, r) for c in range(len(totals)) for r in range(len(totals[c]))]
    for c, r in ranks if len(ranks) <= _MOST_RANKS else []:
        figures = (energy[f"{name}_per_rank"][c][r] for name in names)
        yield f"{f'  channel {c} rank {r}':<{_LABEL}}" + "".join(f"{figure:>10.4g}" for figure in figures)
    every = "".join(f"{energy[f'{name}_all_ranks']:>10.4g}" for name in names)
    yield f"{f'  all {len(ranks)} ranks' if len(ranks) > 1 else '  all':<{_LABEL}}{every}"
    yield from _wrapped(f"of {energy['covers']}; {energy['currents']}")


def _wrapped(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _title(document: Json) -> Iterator[str]:
    shape = ", ".join(
        f"{document[name]} {name.removesuffix('s') if document[name] == 1 else name}"
        for name in ("channels", "ranks")
    )
    queues = f"queues of {document['read_queue']} reads and {document['write_queue']} writes"
    yield f"{PurePath(document['trace']).name} on {document['standard']}: {shape} a channel, {document['mapping']}"
    quirks = "".join(f", quirk {quirk}" for quirk in document["quirks"])
    yield f"  {document['policy']}{_switches(document)}, refresh {document['refresh']}, {queues}{quirks}"


def _switches(document: Json) -> str:
    """Name what a controller does besides its policy; nothing for open pages, no cap and writes forwarded."""
    cap = document["row_hit_cap"]
    named = {
        "closed pages": document["page_policy"] == "closed",
        f"row-hit cap {cap}": cap is not None,
        "writes not forwarded": not document["forward_writes"],
        "reads merged": document["merge_reads"],
    }
    return "".join(f", {name}" for name, is_so in named.items() if is_so)


def _commands(commands: Json) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in commands.items() if n) or "none"


def curve_lines(document: Json) -> Iterator[str]:
    """Yield the table of a bandwidth-latency curve, a document of ``recnmp.memory.curve.measure_curve``."""
    yield (
        f"{document['standard']}, {document['ranks']} rank{'s' * (document['ranks'] != 1)}, {document['policy']}"
        f"{_switches(document)}, refresh {document['refresh']}, {document['read_share']:.0%} reads"
    )
    forms = document["closed_forms"]
    yield _row(
        "unloaded read", f"{forms['closed_bank_ns']:.1f} ns", "closed bank, nRCD + nCL + nBL and one clock"
    )
    yield _row("", f"{forms['row_hit_ns']:.1f} ns", "open row, nCL + nBL and one clock")
    yield _row("", f"{forms['row_conflict_ns']:.1f} ns", "another row open, nRP more")
    yield _row("data bus peak", f"{forms['peak_gb_per_s']:.2f} GB/s", "a burst every nBL clocks")
    yield _row(
        "ACT limit", f"{forms['activate_limit_gb_per_s']:.2f} GB/s", "a row for every burst, nFAW a rank"
    )
    for traffic in dict.fromkeys(point["traffic"] for point in document["points"]):
        yield ""
        yield f"{traffic:<12}{'offered GB/s':>14}{'achieved GB/s':>15}{'mean ns':>10}{'p99 ns':>10}"
        for point in document["points"]:
            if point["traffic"] == traffic:
                rates = f"{point['offered_gb_per_s']:>26.2f}{point['gb_per_s']:>15.2f}"
                yield f"{rates}{point['read_latency_mean_ns']:>10.1f}{point['read_latency_p99_ns']:>10.1f}"


def comparison_lines(document: Json) -> Iterator[str]:
    """Yield ours beside a peer's, a document of ``recnmp.memory.peer.compare``."""
    yield from _title(document["setup"])
    yield f"{'until the last request is accepted':<36}{'recnmp':>14}{document['peer']['name']:>16}{'ratio':>9}"
    for figure in document["figures"]:
        ratio = "-" if figure["ratio"] is None else f"{figure['ratio']:.4g}"
        yield f"  {figure['name']:<34}{_number(figure['ours']):>14}{_number(figure['peer']):>16}{ratio:>9}"
    yield from _notes(document["notes"])


def _notes(notes: Sequence[str]) -> Iterator[str]:
    for note in notes:
        yield f"note: {note}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if value < 1 else f"{value:,.2f}"


def _time(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3f} {unit}"
    return f"{ns:.1f} ns"


def _row(label: str, value: str, remark: str = "") -> str:
    return f"  {label:<{_LABEL}}{value:<16}  {remark}".rstrip()
