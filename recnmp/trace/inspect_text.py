"""An inspection for people: lines and a table."""

from collections.abc import Mapping
from typing import Any, TextIO

_SHOWN = 40  # tables that are printed


def print_inspection(info: Mapping[str, Any], file: TextIO) -> None:
    """Print what ``recnmp.trace.inspect.inspect_trace`` returned to ``file``."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    console = Console(file=file, highlight=False)
    for line in summary(info):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    grid = Grid("table", box=None, pad_edge=False)
    for heading in ("entries", "dim", "dtype", "lookups", "unique", "per bag", "Zipf", "LRU 8,192"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for table in info["tables"][:_SHOWN]:
        entries, dim, lookups = (f"{table[key]:,}" for key in ("entries", "dim", "lookups"))
        n = table["lookups"]
        unique = f"{table['unique'] / n:.1%}" if n else "-"
        hits = f"{table['lru_hits']['8192'] / n:.1%}" if n else "-"
        zipf = f"{table['zipf']['alpha']:.2f}" if table["zipf"] else "-"
        per_bag = f"{table['pooling_factor']['mean']:.1f}"
        name = escape(table["name"])
        grid.add_row(name, entries, dim, table["dtype"], lookups, unique, per_bag, zipf, hits)
    console.print(grid)
    if len(info["tables"]) > _SHOWN:
        console.print(f"... and {len(info['tables']) - _SHOWN} more tables")


def summary(info: Mapping[str, Any]) -> list[str]:
    """Return the lines above the table of tables."""
    pooling, lookups = info["pooling_factor"], max(info["lookups"], 1)
    reuse = "  ".join(f"{bin_} {share:.1%}" for bin_, share in info["reuse_histogram"].items() if share)
    hits = "  ".join(f"{int(size):,} entries {hits / lookups:.1%}" for size, hits in info["lru_hits"].items())
    counts = {"lookup": info["lookups"], "bag": info["bags"], "table": len(info["tables"])}
    counts |= {"sample": info["samples"], "batch": info["batches"]}
    many = {noun: _many(n, noun) for noun, n in counts.items()}
    skew = info["table_skew"]
    lines = {
        "trace": "{lookup} in {bag} of {table}; {sample} in {batch}".format(**many),
        "pooling factor": f"{pooling['min']} to {pooling['max']}, mean {pooling['mean']:.2f}, "
        f"median {pooling['p50']}, 99 % up to {pooling['p99']}",
        "unique entries": f"{info['unique_share']:.1%} of the lookups",
        "top 1 %": f"of the entries that are read take {info['top_1_percent_share']:.1%} of the lookups",
        "Zipf": _zipf(info),
        "LRU hits": hits,
        "order": _order(info["order"]),
        "cache": _cache(info["cache"]),
        "reuse": reuse,
        "tables": f"busiest {skew['busiest_over_mean']:.2f} times the mean, Gini {skew['gini']:.2f}; unique share "
        f"{skew['unique_share_min']:.1%} to {skew['unique_share_max']:.1%}",
    }
    shown = [f"{label:<16}{text}" for label, text in lines.items() if text]
    shown += [f"{'note' if not n else '':<16}{flag}" for n, flag in enumerate(info["flags"])]
    # what is empty says nothing; the source, which may be sentences, comes last
    told = sorted((item for item in info["meta"].items() if item[1] not in ("", [], {})), key=_is_source)
    made_from = ", ".join(f"{key} {_plain(value)}" for key, value in told)
    return [
        *shown,
        *([f"{'made from':<16}{made_from}"] if made_from else []),
        f"{'digest':<16}{info['digest']}",
    ]


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 'es' if noun.endswith('ch') else 's'}"


def _is_source(item: tuple[str, Any]) -> bool:
    return item[0] == "source"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _zipf(info: Mapping[str, Any]) -> str:
    plain, shifted = info["zipf"], info["zipf_shifted"]
    if not plain:
        return ""
    text = f"alpha {plain['alpha']:.2f} (KS distance {plain['ks']:.3f})"
    if shifted["q"] > 0:
        text += f"; alpha {shifted['alpha']:.2f}, q {shifted['q']:.3g} (KS distance {shifted['ks']:.3f})"
    return text


def _order(order: Mapping[str, Any]) -> str:
    pairs = [
        f"{int(size):,} entries {share:.1%} against {order['shuffled_hit_share'][size]:.1%}"
        for size, share in order["hit_share"].items()
    ]
    return f"hits in order against shuffled: {'  '.join(pairs)} (first {order['lookups']:,} lookups)"


def _cache(cache: Mapping[str, Any] | None) -> str:
    if cache is None:
        return ""
    filled = (
        "never full" if cache["filled_after"] is None else f"full after {cache['filled_after']:,} lookups"
    )
    return f"{cache['bytes']:,} bytes, {cache['entries']:,} entries: {cache['hit_share']:.1%} hits, {filled}"
