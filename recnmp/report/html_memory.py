"""What a result says about row buffers, caches and energy, as sections of an HTML page."""

from recnmp.report.cells import time
from recnmp.report.html_elements import (
    SIDES,
    Shown,
    Source,
    facts,
    paragraph,
    plain_number,
    plain_text,
    ratio,
    section,
    share,
    table,
)
from recnmp.report.html_svg import Bar, Segment, bars

Row = tuple[str, ...]

_MEMORY: tuple[tuple[str, str, Shown], ...] = (
    ("row hits", "row_hits", plain_number),
    ("row misses", "row_misses", plain_number),
    ("row conflicts", "row_conflicts", plain_number),
    ("requests", "requests", plain_number),
    ("merged reads", "merged", plain_number),
    ("DRAM cycles", "cycles", plain_number),
    ("bandwidth", "gb_per_s", lambda v: f"{v:.2f} GB/s"),
    ("bus utilisation", "bus_utilization", share),
    ("read latency, mean", "read_latency_avg_cycles", lambda v: f"{v:.1f} cycles"),
    ("last-level cache hits", "llc_hit_rate", share),
    ("host's other traffic", "host_traffic.gb_per_s", lambda v: f"{v:.2f} GB/s"),
    ("its reads wait", "host_traffic.read_latency_avg_ns", time),
    ("its reads alone", "host_traffic.read_latency_alone_avg_ns", time),
    ("it slows the SLS", "host_traffic.sls_slowdown", ratio),
)
"""Of both sides' memory: what readers call a value, its key, and how it is shown."""


def memory(doc: Source) -> str:
    """Row buffers, caches, bandwidth and commands of the whole run."""
    drawn = []
    for side, name in SIDES.items():
        lengths = [doc.number(f"memory.{side}.row_{what}") or 0 for what in ("hits", "misses", "conflicts")]
        if any(lengths):
            parts = zip(("row hits", "row misses", "row conflicts"), lengths, strict=True)
            drawn.append(Bar(name, "", tuple(Segment(*part) for part in parts)))
    rows = [
        (label, *(doc.shown(f"memory.{side}.{key}", form) for side in SIDES)) for label, key, form in _MEMORY
    ]
    rows += [
        ("RankCache hits", "", doc.shown("nmp.cache_hit_rate", share)),
        ("lookups that may use RankCaches", "", doc.shown("nmp.cacheable_share", share)),
        (
            "counting hot entries, whole run",
            "",
            doc.shown("nmp.profile_ns", time) if doc.number("nmp.profile_ns") else "",
        ),
    ]
    commands = dict.fromkeys(command for side in SIDES for command in doc.section(f"memory.{side}.commands"))
    rows += [
        (
            f"{plain_text(command)} commands",
            *(doc.shown(f"memory.{side}.commands.{command}", plain_number) for side in SIDES),
        )
        for command in commands
    ]
    return section(
        "memory",
        "Row buffers and caches",
        bars("Row state met by requests, shares of each side", drawn, whole=True),
        table("Memory, whole run", ("", "host", "near memory"), rows),
    )


_LEDGERS = {"recnmp_isca20": "RecNMP's constants", "idd": "IDD currents"}
_PART = "_uj_per_run"
_WORDS = {"dram": "DRAM", "io": "pins:", "act": "ACT", "dimm": "DIMM"}


def energy(doc: Source) -> str:
    """Both ledgers, part by part, and the units near memory."""
    known = [name for name in _LEDGERS if doc.section(f"energy.{name}")]
    units = [
        (label, doc.shown(f"energy.units.{key}", form))
        for key, label, form in (
            ("units", "units", plain_number),
            ("area_mm2_per_unit", "area of each", lambda v: f"{v:g} mm2"),
            ("power_mw_per_unit", "power of each", lambda v: f"{v:g} mW"),
            ("energy_uj_per_run", "energy at that power, whole run", _uj),
        )
    ]
    return section(
        "energy",
        "Energy",
        *(_ledger(doc, name) for name in known),
        table("Units near memory", ("", "value"), units),
        paragraph(doc.at("energy.idd_note") or ""),
        paragraph(doc.at("energy.units_note") or ""),
        paragraph(f"Counted: {doc.at('energy.covers')}." if known else ""),
        paragraph(f"Not counted: {doc.at('energy.not_counted')}." if known else ""),
    )


def _ledger(doc: Source, ledger: str) -> str:
    at, title = f"energy.{ledger}", _LEDGERS[ledger]
    sides = {side: name for side, name in SIDES.items() if doc.section(f"{at}.{side}")}
    names = [key for key in doc.section(f"{at}.host") if key.endswith(_PART) and key != f"total{_PART}"]
    names = [key for key in names if any(doc.number(f"{at}.{side}.{key}") for side in sides)]
    drawn = []
    for side, name in sides.items():
        total = doc.number(f"{at}.{side}.total{_PART}")
        parts = tuple(Segment(_part(key), doc.number(f"{at}.{side}.{key}") or 0.0) for key in names)
        drawn.append(
            Bar(name, "" if total is None else _uj(total), parts, doc.marks(f"{at}.{side}.total{_PART}"))
        )
    rows = [(_part(key), *(doc.shown(f"{at}.{side}.{key}", _uj) for side in SIDES)) for key in names]
    rows += [
        (label, *(doc.shown(f"{at}.{side}.{key}", form) for side in SIDES))
        for key, label, form in (
            (f"total{_PART}", "total", _uj),
            ("total_nj_per_lookup", "of a lookup", lambda v: f"{v:.2f} nJ"),
            ("total_uj_per_sample", "of a sample", _uj),
        )
    ]
    rows.append(("saving", "", doc.shown(f"{at}.saving_percent_against_host", lambda v: f"{v:.1f}%")))
    sure = facts(
        [
            (
                f"{what} constants",
                f"{doc.text(f'{at}.{key}_constants')} ({doc.text(f'{at}.{key}_certainty')})",
            )
            for key, what in (("dram", "DRAM"), ("io_and_logic", "pins and logic"))
            if doc.at(f"{at}.{key}_constants")
        ]
    )
    return (
        bars(f"Energy of the gather-reduce, whole run: {title}", drawn)
        + table(f"Energy by {title}, whole run", ("", "host", "near memory"), rows)
        + sure
        + paragraph(doc.at(f"{at}.note") or "")
    )


def _part(key: str) -> str:
    """Return what a part of a ledger is called: its key without the unit, acronyms as they are written."""
    words = [_WORDS.get(word, word) for word in key.removesuffix(_PART).split("_")]
    return " ".join(words).replace("rank cache", "RankCache").replace("ACT pre", "ACT and PRE")


def _uj(value: float) -> str:
    return f"{value:,.1f} µJ" if value >= 100 else f"{value:.4g} µJ"
