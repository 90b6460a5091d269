"""What stands at axes and in legends: words for options, units for figures, sizes and files as people write them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from recnmp.report.cache_rows import size_text

_OPTIONS = {
    "result": "result",
    "ranks": "ranks of a channel",
    "vector_bytes": "vector",
    "memory.channels": "channels",
    "memory.dimms_per_channel": "DIMMs of a channel",
    "memory.ranks_per_dimm": "ranks of a DIMM",
    "memory.standard": "DRAM",
    "memory.host_traffic.gb_per_s": "host traffic (GB/s)",
    "cache.rank": "RankCache",
    "cache.rank.size_bytes": "RankCache",
    "cache.rank.ways": "ways of a RankCache",
    "cache.llc.size_bytes": "last-level cache",
    "nmp.options.scheduling": "order of poolings",
    "nmp.options.locality": "entries cached",
    "nmp.options.reorder_window": "reorder window",
    "nmp.options.packets_in_flight": "packets in flight",
    "nmp.options.poolings_per_packet": "poolings of a packet",
    "arrival.threads": "threads",
    "placement.pages": "pages",
    "trace.file": "trace",
    "trace.table_dtype": "table type",
}
_FIGURES = {
    "sls.speedup_over_host": "SLS speed-up over DRAM-bound host",
    "end_to_end.speedup_over_host": "end-to-end speed-up over host",
    "sls.host_ns": "SLS of a batch on the host (ns)",
    "sls.nmp_ns": "SLS of a batch near memory (ns)",
    "sls.nmp_ns_per_lookup": "time of a lookup near memory (ns)",
    "end_to_end.nmp_ns": "latency of a batch near memory (ns)",
    "nmp.cache_hit_rate": "RankCache hits, share of bursts",
    "nmp.rank_load_imbalance": "busiest rank over mean rank, whole run",
    "nmp.packet_load_imbalance": "busiest rank over mean rank, within packets",
    "nmp.batch_load_imbalance": "busiest rank over mean rank, within batches",
    "energy.idd.nmp.total_nj_per_lookup": "energy of a lookup near memory (nJ)",
    "energy.recnmp_isca20.nmp.total_nj_per_lookup": "energy of a lookup near memory (nJ)",
    "energy.units.area_scaled_mm2_all_units": "scaled area of all units (mm²)",
    "energy.units.area_mm2_all_units": "area of all units (mm²)",
}
_UNITS = (
    ("_ns_per_lookup", "ns per lookup"),
    ("_nj_per_lookup", "nJ per lookup"),
    ("_uj_per_run", "µJ per run"),
    ("_uj_per_sample", "µJ per sample"),
    ("_gb_per_s", "GB/s"),
    ("gb_per_s", "GB/s"),
    ("_cycles", "DRAM cycles"),
    ("_mm2_all_units", "mm²"),
    ("_mm2_per_unit", "mm²"),
    ("_percent_against_host", "%"),
    ("_bytes", "bytes"),
    ("_bits", "bits"),
    ("_ns", "ns"),
    ("_ms", "ms"),
    ("_mw", "mW"),
)
_VALUES: Mapping[tuple[str, object], str] = {
    ("nmp.options.scheduling", "arrival"): "arrival",
    ("nmp.options.scheduling", "table_aware"): "table-aware",
    ("nmp.options.locality", "all"): "all",
}


def option_label(option: str) -> str:
    """Return what an option is called at an axis; its dotted name where it has no other."""
    return _OPTIONS.get(option, option)


def figure_label(column: str) -> str:
    """Return what a figure is called at an axis, its unit in brackets; its column's name where it has no other."""
    if column in _FIGURES:
        return _FIGURES[column]
    unit = next((unit for end, unit in _UNITS if column.endswith(end)), "")
    return f"{column} ({unit})" if unit else column


def is_ratio(column: str) -> bool:
    """Return whether a figure says how many times better than a host: 1 is no gain."""
    return "speedup" in column.rpartition(".")[2] or ".speedup_over_host." in column


def less_is_better(column: str) -> bool:
    """Return whether a figure is one of time, energy, area or imbalance, rather than a gain, a rate or hits."""
    last = column.rpartition(".")[2]
    more = ("speedup", "_per_s", "gb_per_s", "hit", "saving", "reached", "bound", "utilization")
    return not (is_ratio(column) or any(word in last for word in more) or "_per_s." in column)


def value_text(option: str, value: Any) -> str:
    """Return an option's value as a person writes it."""
    if value is None:
        return "unknown" if option in ("ranks", "vector_bytes") else "none"
    if (option, value) in _VALUES:
        return _VALUES[option, value]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if option.endswith("_bytes") and value >= 0 and float(value).is_integer():
            return size_text(int(value))
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    if str(value).startswith("{"):  # a section
        return ", ".join(f"{key} {value_text(key, inner)}" for key, inner in json.loads(value).items())
    return PurePath(value).stem if option.endswith("file") else str(value)


def counted(n: int, noun: str) -> str:
    """Return ``1 point``, ``2 points``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def listed(words: Iterable[str]) -> str:
    """Return ``a, b and c``."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
