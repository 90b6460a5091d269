"""What stands below a result's table: how its figures came about."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]


def footnotes(document: Json, width: int) -> Iterator[str]:
    """Yield a paragraph of up to ``width`` columns for each of ``notes``."""
    for label, text in notes(document):
        lead = f"{label:<16}"
        yield from textwrap.wrap(text, width, initial_indent=lead, subsequent_indent=" " * len(lead))


def notes(document: Json) -> list[tuple[str, str]]:
    """Return what is to be known of host, controllers, placement, energy and so on: label and text of each."""
    mlp, check = document.get("mlp", {}), document.get("functional_check", {})
    named = [
        ("host baseline", document.get("sls", {}).get("host_baseline", "")),
        ("other hosts", _ladder_note(document.get("sls", {}).get("host_ladder") or [])),
        ("controllers", _controllers_note(document["config"].get("memory", {}))),
        ("placement", _placement_note(document["config"].get("placement", {}))),
        ("arrival", _arrival_note(document["config"].get("arrival", {}))),
        ("near memory", _packets_note(document["config"].get("nmp", {}).get("options", {}))),
        ("energy", _energy_note(document.get("energy") or {})),
        ("dense part", _dense_note(mlp) if mlp else ""),
        ("pooled vectors", _check_note(check) if check else ""),
    ]
    return [(label, text) for label, text in named if text]


def _ladder_note(rungs: Sequence[Json]) -> str:
    """Tell what the rungs above the first take into account."""
    return "; ".join(str(rung["how"]) for rung in rungs[1:])


def _controllers_note(memory: Json) -> str:
    """Name all that decides the order of commands."""
    cap = memory.get("row_hit_cap")
    named = [
        memory.get("policy"),
        given(memory, "page_policy", "{} pages"),
        cap and f"row-hit cap {cap}",
        memory.get("merge_reads") and "reads merged",
        given(memory, "refresh", "refresh {}"),
    ]
    return ", ".join(filter(None, named))


def _placement_note(placement: Json) -> str:
    """Name pages, their ranks and what told which tables and entries are hot."""
    if not placement:
        return ""
    size = placement["page_bytes"]
    unit, name = next((u, n) for u, n in ((1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")) if size % u == 0)
    coloured, profile = placement["pages"] == "coloured", placement.get("profile")
    named = [
        f"{placement['pages']} pages of {size // unit} {name}",
        coloured and f"colours {placement.get('colours', 'in_turn')}",
        placement.get("replicate") and "hot entries copied",
    ]
    if profile:
        batches = "all batches" if profile["batches"] is None else f"{profile['batches']} batches"
        named.append(f"heat counted in {batches} of the trace file, from {profile['first_batch']} on")
    elif placement.get("replicate") or placement.get("colours") == "balanced":
        named.append("heat counted in the batches replayed")
    return ", ".join(filter(None, named))


def _arrival_note(arrival: Json) -> str:
    """Say what runs at the same time, if anything does."""
    if arrival.get("threads", 1) == 1:
        return ""
    models = "a model each" if arrival["tables"] == "separate" else "one model"
    order = {
        "batched": "batch after batch",
        "round_robin": "in turn",
        "random": f"in random turns (seed {arrival['seed']})",
    }
    return f"{arrival['threads']} threads with {models}, {order[arrival['order']]}"


def _packets_note(options: Json) -> str:
    """Name what is done with packets that plain ones do without."""
    locality, threshold = options.get("locality", "all"), options.get("locality_threshold")
    named = {
        "table-aware scheduling": options.get("scheduling") == "table_aware",
        "hot entries profiled": locality == "profiled",
        f"RankCache for entries read {threshold} times in a batch, or more": locality == "threshold",
        "delivered as DDR commands": options.get("delivery") == "ddr_commands",
    }
    return ", ".join(name for name, done in named.items() if done)


def _energy_note(energy: Json) -> str:
    """Say how sure the constants are, whatever a ledger is missing, and what the units near memory take."""
    ledgers = [energy.get(name) for name in ("recnmp_isca20", "idd")]
    sure = {
        ledger["io_and_logic_certainty"]: ledger["io_and_logic_constants"] for ledger in ledgers if ledger
    }
    named = [f"constants of {name}: {certainty}" for certainty, name in sure.items()]
    named += [ledger["note"] for ledger in ledgers[:1] if ledger and ledger.get("note")]
    named.append(energy.get("idd_note") or "")
    units = energy.get("units")
    if units:
        each = f"{units['area_mm2_per_unit']:g} mm2 and {units['power_mw_per_unit']:g} mW"
        named.append(f"{units['units']} unit{'s' * (units['units'] != 1)} of {each}, {units['certainty']}")
        named.append(units["note"] or "")
    return "; ".join(filter(None, named))


def _dense_note(mlp: Json) -> str:
    threads, kind = mlp.get("threads", 1), mlp.get("device_kind", "cpu")
    how = (
        f"measured on this {kind.upper()}"
        if mlp.get("method") == "measured"
        else f"profile {mlp.get('device')}"
    )
    spread = "stable" if mlp.get("stable") else f"unstable: {mlp.get('unstable_because')}"
    named = [
        how,
        str(mlp.get("backend")),
        "" if mlp.get("dtype", "fp32") == "fp32" else mlp["dtype"],
        "compiled" if mlp.get("compiled") else "",
        "CPU time" if mlp.get("clock") == "cpu" else "",
        f"{threads} thread{'s' * (threads != 1)}",
        spread,
    ]
    notes = [
        ", ".join(filter(None, named)),
        given(mlp, "age_days", "{} days old"),
        mlp.get("note", ""),
        f"on the host slower by co-located gathers: {mlp['interference']}" if mlp.get("interference") else "",
    ]
    return "; ".join(filter(None, notes))


def _check_note(check: Json) -> str:
    status = str(check.get("status", "unknown"))
    bags = given(check, "bags", "{:,} bags")
    words: Mapping[object, str] = {True: "bit-exact", False: "within rounding"}
    exact = words.get(check.get("bit_exact"), "") if bags else ""
    details = " ".join(filter(None, [bags, exact, check.get("reason")]))
    return f"{status}: {details}" if details else status


def given(values: Json, key: str, form: str) -> str:
    """Return the value of ``key`` in this form; nothing where it is absent or null."""
    value = values.get(key)
    return "" if value is None else form.format(value)
