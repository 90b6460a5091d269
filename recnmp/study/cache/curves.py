"""LRU miss-ratio curves: of one cache over all tables, of each table's share in it, and of a cache of its own.

Sizes are entries; bytes are those of as many entries of mean size. A table misses more in the shared cache than in
its own of the same size: that difference is what the other tables cost it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.study.cache.request import Request
from recnmp.trace.reuse.distance import StackDistances
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.reuse.sampled import Sample
from recnmp.trace.storage import Lookups
from recnmp.trace.trace import Table

Row = dict[str, Any]
Progress = Callable[[str], None] | None
ALL = "all"
_PER_OCTAVE = 4


def exact_rows(
    tables: tuple[Table, ...],
    pieces: Callable[[], Iterable[Lookups]],
    request: Request,
    judged_from: int,
    progress: Progress,
) -> Iterator[Row]:
    """Yield the rows of exact curves (Mattson), from two passes over the lookups.

    Rows of ``start`` cold are of all lookups from an empty cache; those of warm are of the lookups from number
    ``judged_from`` on, after the others.
    """
    numbering = Numbering(tables)
    for piece in _shown(pieces(), "numbering", progress):
        numbering.see(piece.table, piece.entry)
    numbering.freeze()
    widths = np.array([table.entry_bytes for table in tables])
    unique = np.diff(numbering.first)
    mean_bytes = float(unique @ widths) / max(numbering.count, 1)
    asked = [int(size / mean_bytes) for size in request.sizes] if mean_bytes else []
    sizes = _sizes(numbering.count, asked)
    shared, own = StackDistances(numbering.count), [StackDistances(int(n)) for n in unique]
    hits = np.zeros((2, len(tables), len(sizes) + 1), np.int64)  # by the first size that hits; whole, judged
    first, done = numbering.first, 0
    for piece in _shown(pieces(), "stack distances", progress):
        item = numbering.items(piece.table, piece.entry)
        place = _first_size(shared.feed(item), sizes)
        key = piece.table.astype(np.int64) * (len(sizes) + 1) + place
        judged = slice(max(judged_from - done, 0), None)
        hits[0] += np.bincount(key, minlength=hits[0].size).reshape(hits[0].shape)
        hits[1] += np.bincount(key[judged], minlength=hits[1].size).reshape(hits[1].shape)
        for t in np.unique(piece.table).tolist():
            own[t].feed((item[piece.table == t] - first[t]).astype(np.int32))
        done += len(item)
    names = [ALL, *(table.name for table in tables)]
    for k, start in enumerate(("cold", "warm")[: 2 if judged_from else 1]):
        lookups = hits[k].sum(1)
        found = np.cumsum(hits[k], 1)[:, :-1]
        for name, of, n in zip(names, [found.sum(0), *found], [lookups.sum(), *lookups], strict=True):
            yield from _curve(("shared", start, name), sizes, mean_bytes, int(n), of)
    for t, one in enumerate(own):
        mine = sizes[: int(np.searchsorted(sizes, max(unique[t], 1))) + 1]
        points = np.array([one.curve().hits(int(size)) for size in mine])
        yield from _curve(
            ("own", "cold", tables[t].name), mine, float(widths[t]), one.curve().accesses, points
        )


def sampled_rows(
    tables: tuple[Table, ...], pieces: Callable[[], Iterable[Lookups]], request: Request, progress: Progress
) -> Iterator[Row]:
    """Yield the rows of sampled curves (SHARDS), from one pass; caches are cold."""
    assert request.sampled is not None  # asked for
    sample = Sample(len(tables), request.sampled, request.seed)
    sample.feed(_shown(pieces(), "sampling", progress))
    shared, own = sample.curves(range(len(tables)))
    widths = [table.entry_bytes for table in tables]
    entries = np.array([own[t].entries for t in range(len(tables))])
    mean_bytes = float(entries @ widths) / max(int(entries.sum()), 1)
    curves = [("shared", ALL, shared, mean_bytes)]
    curves += [("own", tables[t].name, own[t], float(widths[t])) for t in range(len(tables))]
    for cache, name, curve, unit in curves:
        asked = [int(size / unit) for size in request.sizes]
        for size in _sizes(curve.entries, asked).tolist():
            if size < curve.fewest_entries:
                continue
            ratio, error = curve.miss_ratio(size)
            yield _row(cache, "cold", name, size, unit, curve.lookups) | {
                "misses": round(ratio * curve.lookups),
                "miss_ratio": ratio,
                "standard_error": error,
                "method": "sampled",
            }


def _sizes(items: int, asked: list[int]) -> NDArray[np.int64]:
    """Return sizes in entries from 1 to the one that holds everything, those asked for among them."""
    steps = np.arange(_PER_OCTAVE * max(items, 1).bit_length() + 1) / _PER_OCTAVE
    sizes = np.unique([*np.rint(2.0**steps).astype(np.int64), *(max(size, 1) for size in asked)])
    return np.append(sizes[sizes < items], max(items, 1))


def _first_size(distance: NDArray[np.int32], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the smallest size at which each access hits, ``len(sizes)`` if none."""
    place = np.searchsorted(sizes, distance, "right")
    return np.where(distance < 0, len(sizes), place)


def _curve(
    of: tuple[str, str, str], sizes: NDArray[np.int64], unit: float, lookups: int, hits: NDArray[np.int64]
) -> Iterator[Row]:
    """Yield the points of the exact curve ``of`` cache, start and table."""
    for size, found in zip(sizes.tolist(), hits.tolist(), strict=True):
        yield _row(*of, size, unit, lookups) | {
            "misses": lookups - found,
            "miss_ratio": (lookups - found) / lookups if lookups else 0.0,
            "standard_error": 0.0,
            "method": "exact",
        }


def _row(cache: str, start: str, name: str, size: int, unit: float, lookups: int) -> Row:
    return {
        "cache": cache,
        "start": start,
        "table": name,
        "entries": size,
        "bytes": round(size * unit),
        "lookups": lookups,
    }


def _shown(pieces: Iterable[Lookups], what: str, progress: Progress) -> Iterator[Lookups]:
    lookups = 0
    for piece in pieces:
        yield piece
        lookups += len(piece.entry)
        if progress:
            progress(f"{what}: {lookups:,} lookups")
