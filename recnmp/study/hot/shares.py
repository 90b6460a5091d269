"""How much is hot: lookups and whole samples, in the part that was profiled, in the rest, and as a profile ages."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from recnmp.study.hot.profile import Bits, Longs, Universe, counted, hot_items, whole_hot

Row = dict[str, Any]
ALL = "all"
BEFORE = "all before"


def share_rows(universe: Universe, hot: Bits, budget_bytes: int, judged_from: int) -> Iterator[Row]:
    """Yield shares over all tables, then of each: of samples below ``judged_from``, and of the others.

    Where all is judged, profile and judgement are of the same samples, part ``whole``.
    """
    hit = hot[universe.item]
    whole = whole_hot(universe, hit)
    parts = {"profiled": slice(0, judged_from), "judged": slice(judged_from, None)}
    if not judged_from:
        parts = {"whole": slice(None)}
    per_table = np.bincount(universe.table[hot], minlength=len(universe.trace.tables))
    table_bytes = np.bincount(universe.table, universe.width * hot, len(universe.trace.tables))
    for part, samples in parts.items():
        inside = np.zeros(universe.samples, np.bool_)
        inside[samples] = True
        lookups = inside[universe.sample]
        head = {
            "budget_bytes": budget_bytes,
            "budget_share": budget_bytes / universe.total_bytes,
            "part": part,
        }
        yield {
            **head,
            "table": ALL,
            **_hot(int(hot.sum()), int(table_bytes.sum())),
            **_shares(int(lookups.sum()), int((hit & lookups).sum())),
            "samples": int(inside.sum()),
            "hot_samples": int(whole[inside].sum()),
            "hot_sample_share": float(whole[inside].mean()),
        }
        table = universe.trace.table
        read = np.bincount(table[lookups], minlength=len(per_table)).tolist()
        found = np.bincount(table[lookups & hit], minlength=len(per_table)).tolist()
        for t, one in enumerate(universe.trace.tables):
            yield {
                **head,
                "table": one.name,
                **_hot(int(per_table[t]), int(table_bytes[t])),
                **_shares(read[t], found[t]),
                "samples": None,
                "hot_samples": None,
                "hot_sample_share": None,
            }


def _hot(entries: int, width: int) -> Row:
    return {"hot_entries": entries, "hot_bytes": width}


def _shares(lookups: int, hot: int) -> Row:
    return {"lookups": lookups, "hot_lookups": hot, "hot_lookup_share": hot / lookups if lookups else 0.0}


def ageing_rows(
    universe: Universe,
    budget_bytes: int,
    windows: int,
    profiler: str,
    progress: Callable[[str], None] | None,
) -> Iterator[Row]:
    """Yield what a profile of one window of the trace is worth in that window and in every later one.

    Windows are of equal numbers of samples. ``age`` counts windows; at 0 a profile is judged by what it saw. Rows
    profiled ``all before`` are of a profile that is renewed before every window from all that went before.
    """
    border = np.linspace(0, universe.samples, windows + 1).astype(np.int64)
    window = np.searchsorted(border, np.arange(universe.samples), "right") - 1
    reads = [counted(universe, (window == w).astype(np.int64)) for w in range(windows)]
    known = np.cumsum(reads, axis=0)
    of_lookup, sizes = window[universe.sample], np.diff(border)
    per_window = np.bincount(of_lookup, minlength=windows)
    for w in range(windows):
        if progress:
            progress(f"ageing: window {w + 1} of {windows}, {budget_bytes:,} B")
        for profiled, of in ((str(w), reads[w]), (BEFORE, known[w])):
            hit = hot_items(universe, of, budget_bytes, profiler)[universe.item]
            found = np.bincount(of_lookup, weights=hit, minlength=windows)
            whole = np.bincount(window, weights=whole_hot(universe, hit), minlength=windows)
            judged: Longs = np.arange(w, windows) if profiled != BEFORE else np.arange(w + 1, windows)[:1]
            for j in judged.tolist():
                yield {
                    "budget_bytes": budget_bytes,
                    "profiled": profiled,
                    "judged": j,
                    "age": j - w,
                    **_shares(int(per_window[j]), int(found[j])),
                    "samples": int(sizes[j]),
                    "hot_samples": int(whole[j]),
                    "hot_sample_share": float(whole[j] / sizes[j]),
                }
