"""A result as text that a person takes in at a glance, on a terminal or in a pipe."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, TextIO

from recnmp.report.cells import NMP, SHARE_LABELS, count, row, time
from recnmp.report.notes import footnotes, given
from recnmp.report.queries import served
from recnmp.report.result import Result

_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_ASCII = str.maketrans(
    {**dict.fromkeys("▏▎▍", "|"), **dict.fromkeys("▌▋▊▉█", "#"), "─": "-", "·": "-", "µ": "u"}
)
PART_LABELS = {
    "h2d_features": "features to the GPU",
    "bottom_mlp": "bottom MLP",
    "sls": "SLS",
    "h2d_pooled": "vectors to the GPU",
    "attention": "attention",
    "recurrent": "recurrent layers",
    "interaction": "interaction",
    "cross": "cross network",
    "top_mlp": "top MLP",
    "heads": "heads",
}
"""Of a model's inference, in the order they run; those that it has are shown."""
RUNG_LABELS = {
    "dram_bound": "bound by DRAM alone",
    "llc_filtered": "+ last-level cache",
    "misses_under_way": "+ cores' misses",
    "measured": "as measured",
}
"""Of the host's gather-reduce, from the bound of DRAM down to a real machine."""

Json = Mapping[str, Any]


def print_result(result: Result | Json, file: TextIO, width: int | None = None) -> None:
    """Write ``result`` (a `Result` or a document from `load_result`) to ``file`` as a table.

    ``width`` : columns to fill, by default the terminal's, between 80 and 100. Rows whose values a result
    lacks, such as those of near memory in a host-only run, are left out. Headings are bold on a terminal
    (unless NO_COLOR is set), plain elsewhere; a file that cannot hold the bar characters gets ASCII ones.
    """
    document = result.to_dict() if isinstance(result, Result) else result
    if width is None:
        width = min(max(shutil.get_terminal_size().columns, 80), 100)
    bold = file.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    for line in table_lines(document, width):
        text = _fit_encoding(line.rstrip(), file.encoding)
        heading = bool(text) and not text.startswith((" ", "─", "-"))
        file.write(f"\x1b[1m{text}\x1b[0m\n" if bold and heading else f"{text}\n")


def table_lines(document: Json, width: int) -> Iterator[str]:
    """Yield the lines of the table for a result document, without colour."""
    sections = (_latency, served, _ladder, _where_time_goes, _memory, _near_memory, _energy)
    yield from _title(document, width)
    for section in sections:
        lines = list(section(document))
        yield from [*lines, ""] if lines else []
    yield from footnotes(document, width)


def _title(document: Json, width: int) -> Iterator[str]:
    config, trace = document["config"], document.get("trace", {})
    memory = config.get("memory", {})
    kind = config.get("nmp", {}).get("kind", "host")
    shape = " x ".join(
        f"{memory[key]} {unit}{'s' * (memory[key] != 1)}"
        for key, unit in (("channels", "channel"), ("dimms_per_channel", "DIMM"), ("ranks_per_dimm", "rank"))
        if key in memory
    )
    who = "host alone" if kind == "host" else f"host against {kind}"
    yield f"{_model(document)} · {who} · {memory.get('standard', 'memory')}, {shape}"
    batches = given(trace, "batches", "{:,} batches") + given(trace, "batch_size", " of {:,}")
    facts = [
        batches,
        given(trace, "lookups", "{:,} lookups"),
        given(trace, "unique_share", "{:.1%} unique"),
        "" if trace.get("table_dtypes", ["fp32"]) == ["fp32"] else " and ".join(trace["table_dtypes"]),
    ]
    name = PurePath(str(trace.get("file") or config.get("trace", {}).get("file", "trace"))).name
    yield f"  {name}: {', '.join(filter(None, facts))}".rstrip(": ")
    yield "─" * width


def _model(document: Json) -> str:
    config = document["config"]
    model = config.get("model", "model")
    name = str(model.get("name") if isinstance(model, Mapping) else model)
    return (PurePath(name).stem if name.endswith((".yaml", ".yml")) else name).upper()


def _latency(document: Json) -> Iterator[str]:
    sls, whole = document.get("sls", {}), document.get("end_to_end", {})
    nmp = sls.get("nmp_ns") is not None
    bound = whole.get("amdahl_bound")
    ratio = "" if not nmp and bound is None else "speed-up"
    yield row("one batch, mean", "host", "NMP" if nmp else "", ratio)
    for label, part in (("SLS (gather-reduce)", sls), ("end to end", whole)):
        if part.get("host_ns") is not None:
            speedup = given(part, "speedup_over_host", "{:.2f} x")
            yield row(label, time(part["host_ns"]), time(part.get("nmp_ns")), speedup, indent=True)
    if bound is not None:
        reached = given(whole, "bound_reached", "{:.1%} reached")
        yield row("if SLS took no time", "", reached, f"{bound:.2f} x", indent=True)
    for unit in ("queries", "samples", "lookups"):
        rate = whole.get(f"{unit}_per_s", {})
        if rate.get("host") is not None:
            yield row(f"{unit}/s", count(rate["host"]), count(rate.get("nmp")), indent=True)


def _ladder(document: Json) -> Iterator[str]:
    rungs = document.get("sls", {}).get("host_ladder") or []
    if not rungs:
        return
    near = rungs[0]["speedup_over_host"] is not None
    yield row("the host's SLS", "host", "", "speed-up" if near else "")
    for rung in rungs:
        label = RUNG_LABELS.get(rung["name"], rung["name"])
        yield row(label, time(rung["host_ns"]), "", given(rung, "speedup_over_host", "{:.2f} x"), indent=True)


def _where_time_goes(document: Json) -> Iterator[str]:
    whole = document.get("end_to_end", {})
    breakdown = whole.get("breakdown", {})
    host, nmp = breakdown.get("host"), breakdown.get("nmp") or {}
    if not host:
        return
    longest = max(whole["host_ns"], whole.get("nmp_ns") or 0.0)
    yield row("where the time goes", "host", "NMP" if nmp else "")
    for key, label in PART_LABELS.items():
        if not host.get(f"{key}_ns"):
            continue
        line = row(label, time(host[f"{key}_ns"]), indent=True) + "  " + _bar(host[f"{key}_ns"] / longest)
        if nmp:
            line = f"{line:<{NMP - 10}}{time(nmp[f'{key}_ns']):>10}  {_bar(nmp[f'{key}_ns'] / longest)}"
        yield line
    if nmp.get("hidden_ns"):
        yield row("hidden: MLP beside SLS", "", "-" + time(nmp["hidden_ns"]), indent=True)


def _memory(document: Json) -> Iterator[str]:
    memory = document.get("memory", {})
    host, nmp = memory.get("host") or {}, memory.get("nmp") or {}
    if not host:
        return
    yield row("memory, all batches", "host", "NMP" if nmp else "")
    nmp = nmp and nmp | {"rank_load_imbalance": document.get("nmp", {}).get("rank_load_imbalance")}
    rows: tuple[tuple[str, Callable[[Json], str]], ...] = (
        ("DRAM cycles", lambda m: given(m, "cycles", "{:,}")),
        ("requests", lambda m: given(m, "requests", "{:,}")),
        ("bandwidth", lambda m: given(m, "gb_per_s", "{:.2f} GB/s")),
        ("bus utilisation", lambda m: given(m, "bus_utilization", "{:.1%}")),
        ("row hit/miss/conflict", _row_buffer),
        ("ACT commands", lambda m: given(m.get("commands", {}), "ACT", "{:,}")),
        ("RD commands", lambda m: given(m.get("commands", {}), "RD", "{:,}")),
        ("merged reads", lambda m: f"{m['merged']:,}" if m.get("merged") else ""),
        ("rank load imbalance", lambda m: given(m, "rank_load_imbalance", "{:.2f}")),
        ("host's other traffic", lambda m: given(m.get("host_traffic", {}), "gb_per_s", "{:.2f} GB/s")),
        ("  its reads wait", lambda m: given(m.get("host_traffic", {}), "read_latency_avg_ns", "{:.0f} ns")),
        ("  its reads alone", _alone),
        ("  slows the SLS", lambda m: given(m.get("host_traffic", {}), "sls_slowdown", "{:.2f} x")),
    )
    for label, show in rows:
        cells = show(host), show(nmp)
        if any(cells):
            yield row(label, *cells, indent=True)


def _alone(memory: Json) -> str:
    return given(memory.get("host_traffic", {}), "read_latency_alone_avg_ns", "{:.0f} ns")


def _row_buffer(memory: Json) -> str:
    counts = [memory.get(key, 0) for key in ("row_hits", "row_misses", "row_conflicts")]
    total = sum(counts)
    return " / ".join(f"{100 * count / total:.0f}" for count in counts) + " %" if total else ""


def _near_memory(document: Json) -> Iterator[str]:
    nmp = document.get("nmp") or {}
    sent = next((name for name in ("packets", "executions") if nmp.get(name) is not None), None)
    if sent is None:
        return
    yield f"near memory: {count(nmp[sent])} {sent}, {count(nmp.get('instructions'))} instructions"
    yield row("RankCache hits", given(nmp, "cache_hit_rate", "{:.1%}") or "no RankCache", indent=True)
    if nmp.get("profile"):
        share = row("cacheable lookups", f"{nmp['cacheable_share']:.1%}", indent=True)
        yield f"{share}  counted by the host in {nmp['profile_ns'] / 1e3:,.1f} µs, all batches"
    if nmp.get("packet_load_imbalance") is not None:
        imbalance = row("packet load imbalance", f"{nmp['packet_load_imbalance']:.2f}", indent=True)
        yield f"{imbalance}  busiest rank over the mean"
    if nmp.get("batch_load_imbalance") is not None:
        imbalance = row("batch load imbalance", f"{nmp['batch_load_imbalance']:.2f}", indent=True)
        yield f"{imbalance}  busiest rank over the mean"
    if nmp.get("extra_table_bytes"):
        size = row("memory for copies", f"{nmp['extra_table_bytes'] / 2**20:,.1f} MiB", indent=True)
        yield f"{size}  whole tables in {nmp['table_copies']} ranks"
    if nmp.get("replication"):
        yield from _replication(nmp["replication"])
    for key, share in (nmp.get("time_share") or {}).items():
        line = row(SHARE_LABELS.get(key, key), f"{share:.1%}", indent=True)
        yield f"{line}  {_bar(share):<{_BAR}}  of channel time"


def _replication(cost: Json) -> Iterator[str]:
    entries = row("entries with copies", count(cost["entries"]), indent=True)
    yield f"{entries}  one in each of {cost['copies']} ranks"
    size = row("memory for copies", f"{cost['bytes'] / 2**20:,.1f} MiB", indent=True)
    yield f"{size}  {cost['table_share']:.2%} of the tables"
    yield row("lookups of copies", f"{cost['lookup_share']:.1%}", indent=True)


def _energy(document: Json) -> Iterator[str]:
    ledgers = document.get("energy") or {}
    named = (("RecNMP's constants", ledgers.get("recnmp_isca20")), ("IDD currents", ledgers.get("idd")))
    key = "total_nj_per_lookup"
    known = [(label, ledger) for label, ledger in named if ledger and ledger["host"][key] is not None]
    nmp = any(ledger["nmp"] for _, ledger in known)
    if known:
        yield row("energy of a lookup", "host", "NMP" if nmp else "", "saving" if nmp else "")
    for label, ledger in known:
        host, near = (given(ledger[side] or {}, key, "{:.2f} nJ") for side in ("host", "nmp"))
        saving = given(ledger, "saving_percent_against_host", "{:.1f}%")
        yield row(label, host, near, saving, indent=True)


def _bar(share: float) -> str:
    """Draw a share of one as a bar of at most ``_BAR`` characters, to an eighth of a character."""
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _fit_encoding(text: str, encoding: str | None) -> str:
    try:
        text.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_ASCII).encode("ascii", "replace").decode()
    return text
