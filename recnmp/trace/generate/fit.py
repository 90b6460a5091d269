"""A description fitted to a trace: every table's popularity law and pooling factors, in the YAML of `trace synth`.

alpha, q and population are those whose independent draws are expected to read as many different entries and to
divide the lookups over the reuse bins, and over the most read entries, as the trace does. Where popularity drifts,
they do so in stretches of the trace, and drift loses repeats between batches as soon as the trace. Not fitted: other
order in time (sessions, recency), anything between tables or within a bag.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.generate.drift import Stretches, fit_drift, seems_to_drift
from recnmp.trace.generate.expected import Law, drifted_reads, histogram_of
from recnmp.trace.generate.law import fit_law
from recnmp.trace.generate.spec import Constant, Counted, Lengths, LogNormal, SynthSpec, SynthTables, Zipf
from recnmp.trace.header import Header
from recnmp.trace.reuse import _kernels
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.reuse.statistics import reuse_histogram
from recnmp.trace.storage import iter_chunks, read_header
from recnmp.trace.trace import POOLINGS

_MOST_LENGTHS = 256
_WORSE = 0.05  # in any reuse bin: what a law that drifts may be further off than one that does not


@dataclass(frozen=True)
class Fitted:
    """The description, and by table how far its expected reuse histogram is from the trace's in any bin."""

    spec: SynthSpec
    largest_difference: tuple[float, ...]


@dataclass(frozen=True)
class _Seen:
    reads: list[NDArray[np.uint32]]
    lengths: list[Counter[int]]
    stretches: Stretches
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
        law, difference = _fit_table(t, table.entries, seen, batches)
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


def _fit_table(t: int, entries: int, seen: _Seen, batches: int) -> tuple[Zipf, float]:
    """Return the law of table ``t``, and how far its expected reuse histogram is off in any bin."""
    reads = seen.reads[t]
    still, difference = fit_law([reads], entries)
    repeats = seen.stretches.repeats(t)
    if repeats is None or not seems_to_drift(repeats):
        return still, difference
    pieces = [counts for _, counts in seen.stretches.reads(t).values()]
    moving, _ = fit_law(pieces, entries, least=len(reads))
    law = Law(moving.alpha, moving.q, moving.population or entries)
    drift = fit_drift(law, repeats)
    mean, stands_for = drifted_reads(law, drift, batches, int(reads.sum(dtype=np.int64)))
    wanted = np.array(list(reuse_histogram(reads).values()))
    off = float(np.abs(histogram_of(mean, stands_for) - wanted).max())
    if not drift or off > difference + _WORSE:
        return still, difference
    return moving.model_copy(update={"drift": drift}), off


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
    lookups = np.array([sum(size * count for size, count in of.items()) for of in lengths], np.int64)
    stretches = Stretches(header.calls, lookups)
    for chunk in iter_chunks(path, verify=False):
        item = numbering.items(chunk.table, chunk.entry)
        _kernels.count(item, reads)
        stretches.feed(chunk.table, chunk.bag, item)
    ends = numbering.first
    by_table = [reads[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    return _Seen(by_table, lengths, stretches, weighted)
