"""Writing the trace that a description asks for, in bounded memory."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.generate.draws import HEAD, Draws, RequestDraws, fixed_bags, make_draws
from recnmp.trace.generate.lengths import draw_lengths
from recnmp.trace.generate.spec import SynthSpec, SynthTables, Zipf, spec_yaml
from recnmp.trace.trace import POOLINGS, Calls, Table
from recnmp.trace.writer import TraceWriter

GENERATOR = "recnmp.trace.generate 2"
"""Name and version of the generator: a new one draws other lookups from the same seed."""

_MOST_BAGS = 1 << 32
_MOST_TABLES = 1 << 16
_WORDS = {"lookups": 0, "lengths": 1, "weights": 2, "bags": 3}  # every table has a stream of its own for each
_MOST_RANKS = 1 << 25
"""Ranks of all Zipf laws that get a cell of their own, 8 bytes each, and of all tables whose entries are kept, 4."""
_LEAST_CELLS, _LEAST_KEPT = 1 << 14, 1 << 12


@dataclass(frozen=True)
class Synthesised:
    """What was written: how much, and how many calls of FBGEMM tables fell back to uniform entries."""

    lookups: int
    bags: int
    tables: int
    batches: int
    uniform_calls: int


@dataclass(frozen=True)
class Call:
    """One operator call: the lookups of each of its bags, shape (bags,), and the entries read, shape (sum,)."""

    batch: int
    table: int
    lengths: NDArray[np.int64]
    entry: NDArray[np.uint32]


class Synthesis:
    """The calls of a description, in order; iterating again goes on, it does not start over."""

    def __init__(self, spec: SynthSpec) -> None:
        tables = spec.each_table
        bags = spec.batches * sum(table.bags or spec.batch_size for table in tables)
        if bags > _MOST_BAGS or len(tables) > _MOST_TABLES:
            raise ConfigError(f"a trace has at most {_MOST_BAGS:,} bags and {_MOST_TABLES:,} tables")
        self._spec, self.bags = spec, bags
        laws = len({group.popularity for group in spec.tables if isinstance(group.popularity, Zipf)})
        cells = min(HEAD, max(_MOST_RANKS // max(laws, 1), _LEAST_CELLS))
        kept = min(HEAD, max(_MOST_RANKS // len(tables), _LEAST_KEPT))
        self.draws: list[Draws] = [
            make_draws(table.popularity, table.entries, self._rng(t, "lookups"), cells, kept)
            for t, table in enumerate(tables)
        ]
        self._fixed = [self._rng(t, "bags").integers(1 << 64, dtype=np.uint64) for t in range(len(tables))]
        self._lengths = [self._rng(t, "lengths") for t in range(len(tables))]
        self._weights = [self._rng(t, "weights") for t in range(len(tables))]

    def _rng(self, table: int, what: str) -> np.random.Generator:
        return np.random.default_rng([self._spec.seed, table, _WORDS[what]])

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of the trace; those of a group are numbered."""
        found: list[Table] = []
        for group in self._spec.tables:
            for _ in range(group.count):
                number = str(len(found)) if group.count > 1 or group.name == "table" else ""
                found.append(Table(group.name + number, group.entries, group.dim, group.dtype))
        return tuple(found)

    def calls(self) -> Iterator[Call]:
        """Yield the operator calls, batch by batch, table by table."""
        tables = self._spec.each_table
        for batch in range(self._spec.batches):
            for t, table in enumerate(tables):
                bags = table.bags or self._spec.batch_size
                lengths = draw_lengths(table.pooling_factor, bags, self._lengths[t])
                yield Call(batch, t, lengths, self._entries(t, table, lengths))

    def _entries(self, t: int, table: SynthTables, lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
        if not table.fixed_bags:
            return self.draws[t].batch(lengths)
        first = self.draws[t].batch(np.ones_like(lengths))
        return fixed_bags(first, int(lengths[0]), table.entries, self._fixed[t])

    def weights(self, call: Call) -> NDArray[np.float32]:
        """Return weights for the lookups of ``call``, uniform in [0, 1)."""
        return self._weights[call.table].random(len(call.entry), np.float32)

    @property
    def uniform_calls(self) -> int:
        """Calls of FBGEMM tables so far whose entries are uniform because a bag found too few."""
        return sum(draws.uniform_calls for draws in self.draws if isinstance(draws, RequestDraws))


def synthesise(spec: SynthSpec, path: Path, progress: Callable[[str], None] | None = None) -> Synthesised:
    """Write the trace of ``spec`` to ``path``, whole or not at all; the same description gives the same bytes.

    Memory holds one operator call, up to 400 MB of what Zipf laws draw by, however many tables there are, and 4 bytes
    for each entry of a stack's population. Raises ConfigError for a trace beyond the format's sizes, and
    as ``TraceWriter`` does.
    """
    source = Synthesis(spec)
    # the digest is of the description as ``spec_yaml`` writes it: it tells whether two traces share one
    digest = hashlib.sha256(spec_yaml(spec).encode()).hexdigest()
    meta = {"generator": GENERATOR, "seed": spec.seed, "source": spec.source, "description": digest}
    first_bag = lookups = 0
    with TraceWriter(path, source.tables, meta, weighted=spec.weighted) as writer:
        for call in source.calls():
            bags = len(call.lengths)
            bag = np.repeat(np.arange(first_bag, first_bag + bags, dtype=np.uint32), call.lengths)
            weight = source.weights(call) if spec.weighted else None
            writer.append(np.full(len(bag), call.table, np.uint16), bag, call.entry, weight)
            writer.add_calls(_one(call, first_bag, POOLINGS.index(spec.pooling)))
            first_bag, lookups = first_bag + bags, lookups + len(bag)
            if progress is not None and call.table == 0:
                progress(f"batch {call.batch + 1} of {spec.batches}")
    return Synthesised(lookups, first_bag, len(spec.each_table), spec.batches, source.uniform_calls)


def _one(call: Call, first_bag: int, pooling: int) -> Calls:
    return Calls(
        np.array([call.table], np.uint16),
        np.array([first_bag], np.int64),
        np.array([len(call.lengths)], np.int64),
        np.array([call.batch], np.int64),
        np.array([pooling], np.uint8),
    )
