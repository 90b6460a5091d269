"""A description fitted to a trace: every table's popularity law and pooling factors, in the YAML of `trace synth`.

alpha, q and population are those whose independent draws are expected to read as many different entries and to
divide the lookups over the reuse bins, and over the most read entries, as the trace does. Not fitted: order in
time (recency, drift), anything between tables or within a bag.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.generate.expected import (
    Law,
    expected_histogram,
    expected_unique,
    mean_reads,
    population_for,
)
from recnmp.trace.generate.spec import (
    MOST_ENTRIES,
    Constant,
    Counted,
    Lengths,
    LogNormal,
    SynthSpec,
    SynthTables,
    Zipf,
)
from recnmp.trace.header import Header
from recnmp.trace.reuse import _kernels
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.reuse.statistics import reuse_histogram
from recnmp.trace.storage import iter_chunks, read_header
from recnmp.trace.trace import POOLINGS

_ENOUGH = 200  # lookups of a table below which its law is taken to be uniform
_OFTEN = 30  # reads from which an entry's rank is not left to chance
_MOST_LENGTHS = 256
_SHORT = 0.97  # of the different entries: what a law may miss before its population outgrows the table
_ROUNDS = 120


@dataclass(frozen=True)
class Fitted:
    """The description, and by table how far its expected reuse histogram is from the trace's in any bin."""

    spec: SynthSpec
    largest_difference: tuple[float, ...]


@dataclass(frozen=True)
class _Seen:
    reads: list[NDArray[np.uint32]]
    lengths: list[Counter[int]]
    weighted: bool


def fit_spec(path: Path, progress: Callable[[str], None] | None = None, seed: int = 1) -> Fitted:
    """Return the description that regenerates the like of the trace at ``path``.

    Reads the trace twice; memory as ``Numbering``. Raises ConfigError as ``iter_chunks`` does, and for a trace
    without lookups.
    """
    header = read_header(path)
    seen = _read(path, header)
    calls = header.calls
    batches = int(calls.batch[-1] - calls.batch[0]) + 1
    bags = np.bincount(calls.table, calls.bags, len(header.tables)).astype(np.int64)
    used = np.flatnonzero(bags)
    if not len(used) or not any(len(reads) for reads in seen.reads):
        raise ConfigError(f"{path}: the trace has no lookups to fit")
    batch_size = max(1, round(float(np.median(bags[used])) / batches))
    tables, differences = [], []
    for t in used.tolist():
        table = header.tables[t]
        if progress is not None:
            progress(f"table {table.name}")
        law, difference = fit_law(seen.reads[t], table.entries)
        per_batch = max(1, round(int(bags[t]) / batches))
        seen.lengths[t][0] += int(bags[t]) - sum(seen.lengths[t].values())
        tables.append(
            SynthTables(
                name=table.name,
                entries=max(table.entries, law.population or 0),
                dim=table.dim,
                dtype=table.dtype,
                popularity=law,
                pooling_factor=fit_lengths(seen.lengths[t]),
                bags=None if per_batch == batch_size else per_batch,
            )
        )
        differences.append(difference)
    spec = SynthSpec(
        source=f"fitted to {path.name}, digest {header.digest}",
        seed=seed,
        batches=batches,
        batch_size=batch_size,
        pooling=POOLINGS[int(np.bincount(calls.pooling).argmax())],
        weighted=seen.weighted,
        tables=tuple(tables),
    )
    return Fitted(spec, tuple(differences))


def fit_law(reads: NDArray[np.integer], entries: int) -> tuple[Zipf, float]:
    """Return the law of a table of ``entries`` whose read entries are read so often, and the fit's difference.

    Where too few entries would be read even so, because nearly all that there are were read (as in a data set
    that numbers only what occurs), the population may be up to four times the table.
    """
    law, difference = _fit_law(reads, entries)
    lookups, unique = int(reads.sum(dtype=np.int64)), len(reads)
    found = Law(law.alpha, law.q, law.population or entries)
    if lookups >= _ENOUGH and expected_unique(found, lookups) < _SHORT * unique:
        return _fit_law(reads, min(4 * entries, MOST_ENTRIES))
    return law, difference


def _fit_law(reads: NDArray[np.integer], entries: int) -> tuple[Zipf, float]:
    lookups, unique = int(reads.sum(dtype=np.int64)), len(reads)
    if lookups < _ENOUGH or unique < 2:
        return Zipf(kind="zipf", alpha=0.0, population=max(unique, 1)), 0.0
    descending = np.sort(reads)[::-1].astype(np.float64)
    wanted = np.array(list(reuse_histogram(reads).values()))
    often = max(1, int(np.searchsorted(-descending, -_OFTEN, "right")))
    tops = np.unique(np.minimum(2 ** np.arange(often.bit_length() + 1), often)) - 1
    top_share = np.cumsum(descending)[tops] / lookups

    def law_of(point: NDArray[np.float64]) -> Law:
        alpha, q = float(np.clip(point[0], 0, 8)), max(float(np.exp(point[1])) - 0.1, 0.0)
        return Law(alpha, q, population_for(alpha, q, lookups, unique, entries))

    def distance(point: NDArray[np.float64]) -> float:
        law = law_of(point)
        bins = np.cumsum(expected_histogram(law, lookups) - wanted)
        mean, width = mean_reads(law, lookups)
        share = np.interp(tops + 1, np.cumsum(width), np.cumsum(mean * width)) / lookups
        return float(np.mean(bins**2) + np.mean((share - top_share) ** 2) + 1e-3 * max(0.0, -float(point[0])))

    starts = [np.array([alpha, np.log(q + 0.1)]) for alpha in (0.3, 0.9, 1.3) for q in (0.0, 5.0, 100.0)]
    law = law_of(_least(distance, min(starts, key=distance)))
    difference = float(np.abs(expected_histogram(law, lookups) - wanted).max())
    alpha, q = round(law.alpha, 4), float(f"{law.q:.4g}")
    return Zipf(kind="zipf", alpha=alpha, q=q, population=law.population), difference


def fit_lengths(lengths: Counter[int]) -> Lengths:
    """Return the law of bags whose lengths are counted: constant, their table, or log-normal if they are many."""
    sizes = sorted(size for size in lengths if lengths[size])
    if len(sizes) == 1:
        return Constant(kind="constant", value=sizes[0])
    counts = [lengths[size] for size in sizes]
    if len(sizes) <= _MOST_LENGTHS:
        return Counted(kind="table", lengths=tuple(sizes), counts=tuple(counts))
    mean = float(np.average(sizes, weights=counts))
    variance = float(np.average((np.array(sizes) - mean) ** 2, weights=counts))
    return LogNormal(kind="lognormal", mean=mean, sd=variance**0.5, high=sizes[-1])


def _read(path: Path, header: Header) -> _Seen:
    numbering = Numbering(header.tables)
    lengths: list[Counter[int]] = [Counter() for _ in header.tables]
    weighted, owner, length = False, -1, 0
    last_bag = -1
    for chunk in iter_chunks(path):
        numbering.see(chunk.table, chunk.entry)
        weighted = chunk.weight is not None
        starts = np.flatnonzero(np.r_[True, chunk.bag[1:] != chunk.bag[:-1]])
        sizes = np.diff(np.r_[starts, len(chunk.bag)])
        if owner >= 0 and chunk.bag[0] == last_bag:  # the bag that the pieces cut
            sizes[0] += length
        elif owner >= 0:
            lengths[owner][length] += 1
        last_bag, owner, length = int(chunk.bag[-1]), int(chunk.table[-1]), int(sizes[-1])
        pairs, times = np.unique(
            chunk.table[starts[:-1]].astype(np.int64) << 32 | sizes[:-1], return_counts=True
        )
        for pair, count in zip(pairs.tolist(), times.tolist(), strict=True):
            lengths[pair >> 32][pair & 0xFFFFFFFF] += count
    if owner >= 0:
        lengths[owner][length] += 1
    numbering.freeze()
    reads = np.zeros(numbering.count, np.uint32)
    for chunk in iter_chunks(path, verify=False):
        _kernels.count(numbering.items(chunk.table, chunk.entry), reads)
    ends = numbering.first
    by_table = [reads[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    return _Seen(by_table, lengths, weighted)


def _least(
    function: Callable[[NDArray[np.float64]], float], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where ``function`` of two numbers is least near ``start``: the simplex of Nelder and Mead (1965)."""
    points = [start, start + np.array([0.1, 0]), start + np.array([0, 0.7])]
    corners = sorted((function(p), tuple(p)) for p in points)
    for _ in range(_ROUNDS):
        best, middle, worst = (np.array(point) for _, point in corners)
        if np.abs(worst - best).max() < 1e-4:
            break
        centre = (best + middle) / 2
        tried = [(function(p), tuple(p)) for p in (2 * centre - worst,)]
        if tried[0][0] < corners[0][0]:
            far = 3 * centre - 2 * worst
            tried.append((function(far), tuple(far)))
        elif tried[0][0] >= corners[1][0]:
            near = (centre + (worst if tried[0][0] >= corners[2][0] else 2 * centre - worst)) / 2
            tried.append((function(near), tuple(near)))
        found = min(tried)
        if found[0] < corners[2][0]:
            corners[2] = found
        else:
            shrunk = ((best + p) / 2 for p in (middle, worst))
            corners[1:] = [(function(p), tuple(p)) for p in shrunk]
        corners.sort()
    return np.array(corners[0][1])
