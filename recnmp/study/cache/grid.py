"""Policies over sizes, ways, lines and scopes: hits of every point, cold and warm, by table and by cache."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from recnmp.cache.policy import find_policy, policy_hits
from recnmp.cache.stream import Bits, Longs, Stream
from recnmp.errors import ConfigError
from recnmp.study.cache.accesses import (
    Accesses,
    TraceAccesses,
    judged_from,
    sample_of_lookup,
    whole_samples,
)
from recnmp.study.cache.request import Request
from recnmp.trace.trace import Trace

Row = dict[str, Any]
ALL = "all"


@dataclass(frozen=True)
class _Part:
    """One scope and line of a trace, with what profiled policies are told; the first ``split`` are not judged."""

    accesses: Accesses
    table: Longs
    batch: Longs
    sample: Longs
    split: int

    def stream(self, sets: int) -> Stream:
        """Return the accesses to caches of ``sets`` sets each; sets of different caches do not meet."""
        of = self.accesses
        set_of = of.cache.astype(np.int64) * sets + of.index % sets
        profile = np.bincount(of.item[: self.split], minlength=len(set_of))
        return Stream(of.item, set_of.astype(np.int32), of.caches * sets, self.batch, self.sample, profile)


def grid_rows(
    trace: Trace, accesses: TraceAccesses, request: Request, progress: Callable[[str], None] | None
) -> Iterator[Row]:
    """Yield the rows of every point: one over all tables and caches, then by table, then by cache.

    Raises ConfigError for a cache that cannot hold a set, and a policy that a scope or its ways do not suit; such
    policies are left out where none was asked for.
    """
    batch, sample = sample_of_lookup(trace)
    first = judged_from(batch, request.train)
    for scope in request.scopes:
        for line in request.lines:
            of = accesses.of(scope, line)
            split = int(np.searchsorted(of.lookup, first))
            table = trace.table[of.lookup].astype(np.int64)
            part = _Part(of, table, batch[of.lookup], sample[of.lookup], split)
            names = [one.name for one in trace.tables]
            for point, judged in _points(part, request):
                if progress:
                    progress(f"{point['policy']}, {scope}, {point['size_bytes']:,} B, {point['ways']} ways")
                for start, hit in judged():
                    head = {"scope": scope, "line": line, **point, "start": start}
                    yield from _rows(head, part, hit, names)


def _points(part: _Part, request: Request) -> Iterator[tuple[Row, Callable[[], Iterator[tuple[str, Bits]]]]]:
    """Yield every point and what runs it."""
    for size in request.sizes:
        units = int(size / part.accesses.unit_bytes)
        for ways in request.ways:
            sets = 1 if ways is None else units // ways
            if min(units, sets) < 1:
                raise ConfigError(
                    f"a cache of {size:,} B holds {units} items of {part.accesses.unit_bytes:g} B, not a set of "
                    f"{ways or 1} ways"
                )
            stream = part.stream(sets)
            for name, options in request.chosen():
                if getattr(find_policy(name), "ONE_SET", False) and stream.sets > 1:
                    if request.policies:
                        raise ConfigError(f"policy {name} is fully associative and for one cache only")
                    continue
                chosen = _tuned(name, options, stream, ways or units, part.split)
                point = {
                    "size_bytes": size,
                    "ways": ways or units,
                    "sets": sets,
                    "caches": part.accesses.caches,
                    "policy": name,
                    "options": ",".join(f"{key}={value}" for key, value in chosen.items()),
                    "tuned": chosen != options,
                }
                yield point, partial(_starts, stream, name, chosen, ways or units, part.split)


def _tuned(name: str, options: dict[str, Any], stream: Stream, ways: int, split: int) -> dict[str, Any]:
    """Return the options, chosen on the part that is not judged where the policy does that and none were given."""
    tuned = getattr(find_policy(name), "tuned", None)
    if tuned is None or options or not split:
        return options
    seen = replace(
        stream, item=stream.item[:split], batch=None if stream.batch is None else stream.batch[:split]
    )
    return dict(vars(tuned(seen, ways)))


def _starts(
    stream: Stream, name: str, options: dict[str, Any], ways: int, split: int
) -> Iterator[tuple[str, Bits]]:
    """Yield hits of the accesses from ``split`` on: of caches that start empty there, and of those filled before."""
    yield "cold", _hits(name, _from(stream, split), ways, options)
    if split:
        yield "warm", _hits(name, stream, ways, options)[split:]


def _from(stream: Stream, split: int) -> Stream:
    assert stream.batch is not None  # a study tells every policy everything
    assert stream.sample is not None
    return replace(stream, item=stream.item[split:], batch=stream.batch[split:], sample=stream.sample[split:])


def _hits(name: str, stream: Stream, ways: int, options: dict[str, Any]) -> Bits:
    """Return the hits; a policy that knows samples sees each sample's accesses together, as queries come."""
    if "sample" not in getattr(find_policy(name), "NEEDS", ()):
        return policy_hits(name, stream, ways, options)
    assert stream.sample is not None
    order = np.argsort(stream.sample, kind="stable")
    hit = np.empty(stream.accesses, np.bool_)
    hit[order] = policy_hits(
        name, replace(stream, item=stream.item[order], sample=stream.sample[order]), ways, options
    )
    return hit


def _rows(head: Row, part: _Part, hit: Bits, names: list[str]) -> Iterator[Row]:
    item, table = part.accesses.item[part.split :], part.table[part.split :]
    samples, whole = whole_samples(hit, part.sample[part.split :])
    items_read = int(np.count_nonzero(np.bincount(item, minlength=1)))
    yield _row(head, ALL, ALL, len(hit), int(hit.sum()), items_read) | {
        "samples": samples,
        "whole_samples": whole,
    }
    first = np.zeros(len(item), np.bool_)
    first[np.unique(item, return_index=True)[1]] = True
    for column, key, labels in (
        ("table", table, names),
        ("cache", part.accesses.cache[item], [str(c) for c in range(part.accesses.caches)]),
    ):
        if len(labels) < 2:
            continue
        counts = [
            np.bincount(key, weights=of, minlength=len(labels)) for of in (np.ones(len(hit)), hit, first)
        ]
        for label, *found in zip(labels, *(of.astype(int).tolist() for of in counts), strict=True):
            where = (label, ALL) if column == "table" else (ALL, label)
            yield _row(head, *where, *found) | {"samples": None, "whole_samples": None}


def _row(head: Row, table: str, cache: str, accesses: int, hits: int, first_reads: int) -> Row:
    share = hits / accesses if accesses else 0.0
    return {
        **head,
        "table": table,
        "cache": cache,
        "accesses": accesses,
        "hits": hits,
        "hit_share": share,
        "first_reads": first_reads,
    }
