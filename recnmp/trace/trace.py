"""Trace: every embedding lookup of a run, in the order in which the model made them.

A lookup reads one entry (embedding vector) of one table for one bag (the lookups pooled into one output
vector). An operator call pools many bags of one table at once; its place in the run is kept because packet
formation, batching and empty bags depend on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.units import TableDtype

Pooling = Literal["sum", "mean", "max", "none"]
POOLINGS: tuple[Pooling, ...] = ("sum", "mean", "max", "none")

DTYPES: tuple[TableDtype, ...] = get_args(TableDtype)

SCALE_AND_BIAS_BYTES = 8
"""What an entry of ``int8_rowwise`` ends with: two FP32 numbers."""

_FP32_BYTES = 4


@dataclass(frozen=True)
class Table:
    """One embedding table: ``entries`` vectors of ``dim`` elements, stored as ``dtype`` (``TableDtype``)."""

    name: str
    entries: int
    dim: int
    dtype: TableDtype = "fp32"

    def __post_init__(self) -> None:
        """Refuse sizes and types that no table has."""
        if self.entries < 1 or self.dim < 1:
            raise ConfigError(f"table {self.name!r}: entries and dim are at least 1")
        if self.dtype not in DTYPES:
            raise ConfigError(f"table {self.name!r}: dtype {self.dtype!r} is not one of {', '.join(DTYPES)}")

    @property
    def entry_bytes(self) -> int:
        """Bytes of one entry as it is stored."""
        return self.dim + SCALE_AND_BIAS_BYTES if self.dtype == "int8_rowwise" else self.pooled_bytes

    @property
    def pooled_bytes(self) -> int:
        """Bytes of a pooled vector: FP32, whatever the entries are."""
        return self.dim * _FP32_BYTES


@dataclass(frozen=True)
class Calls:
    """Operator calls in program order, N of them; bags are numbered through the whole run.

    Attributes:
        table: table each call reads, shape (N,).
        first_bag: its first bag, shape (N,); call n owns bags ``first_bag[n] : first_bag[n] + bags[n]``.
        bags: bags it pools, shape (N,); bag i of a call belongs to sample i of the batch.
        batch: batch (forward pass) it belongs to, shape (N,), not decreasing.
        pooling: index into ``POOLINGS``, shape (N,).
    """

    table: NDArray[np.uint16]
    first_bag: NDArray[np.int64]
    bags: NDArray[np.int64]
    batch: NDArray[np.int64]
    pooling: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, which: slice) -> "Calls":
        return Calls(
            self.table[which], self.first_bag[which], self.bags[which], self.batch[which], self.pooling[which]
        )

    def of_batches(self, first: int, batches: int | None = None) -> "Calls":
        """Return those of ``batches`` batches from the ``first`` on (all that follow when None).

        Raises ConfigError when there are no such batches.
        """
        present = np.unique(self.batch)
        wanted = present[first:] if batches is None else present[first : first + batches]
        if len(wanted) == 0 or (batches is not None and len(wanted) < batches):
            raise ConfigError(f"the trace has {len(present)} batches, not {first + (batches or 1)}")
        begin, end = np.searchsorted(self.batch, wanted[0]), np.searchsorted(self.batch, wanted[-1], "right")
        return self[int(begin) : int(end)]


@dataclass(frozen=True)
class Trace:
    """Lookups of a run, L of them in G bags.

    Attributes:
        table: table of each lookup, shape (L,).
        bag: bag of each lookup, shape (L,), not decreasing; a bag no lookup names is empty.
        entry: entry read, shape (L,).
        weight: weight of each lookup, shape (L,), or None where nothing is weighted.
        tables: the tables, T of them.
        calls: the operator calls that own the bags.
        meta: where the trace comes from: model, seed, generator, versions.
    """

    table: NDArray[np.uint16]
    bag: NDArray[np.uint32]
    entry: NDArray[np.uint32]
    weight: NDArray[np.float32] | None
    tables: tuple[Table, ...]
    calls: Calls
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes, order and ranges once, so that no later part has to."""
        shapes = {len(self.table), len(self.bag), len(self.entry)} | (
            {len(self.weight)} if self.weight is not None else set()
        )
        if len(shapes) != 1:
            raise ConfigError("trace columns differ in length")
        calls = self.calls
        ends = calls.first_bag + calls.bags
        if len(calls) == 0 or np.any(calls.first_bag[1:] != ends[:-1]) or np.any(np.diff(calls.batch) < 0):
            raise ConfigError("trace calls must cover consecutive bags, in batch order")
        if calls.table.max() >= len(self.tables):
            raise ConfigError("trace calls read tables that it does not have")
        if np.any(self.bag[1:] < self.bag[:-1]):
            raise ConfigError("trace lookups are not in bag order")
        if self.lookups:
            if self.bag[0] < calls.first_bag[0] or self.bag[-1] >= ends[-1]:
                raise ConfigError("trace has lookups in bags that no call owns")
            if np.any(self.table != self.bag_table[self.bag - np.uint32(calls.first_bag[0])]):
                raise ConfigError("trace has lookups of another table than their call's")
            sizes = np.array([t.entries for t in self.tables], np.int64)
            outside = np.flatnonzero(self.entry >= sizes[self.table])
            if len(outside):
                i = outside[0]
                table = self.tables[self.table[i]]
                raise ConfigError(
                    f"lookup {i} reads entry {self.entry[i]} of table {table.name!r}, "
                    f"which has {table.entries} entries"
                )

    @property
    def lookups(self) -> int:
        """Lookups, L."""
        return len(self.entry)

    @property
    def bags(self) -> int:
        """Bags, G, empty ones included."""
        return int(self.calls.bags.sum())

    @property
    def batches(self) -> int:
        """Batches: forward passes of the model."""
        return len(np.unique(self.calls.batch))

    @property
    def samples(self) -> int:
        """Samples over all batches: the largest call of each batch, summed."""
        _, start = np.unique(self.calls.batch, return_index=True)
        return int(np.maximum.reduceat(self.calls.bags, start).sum())

    @property
    def batch_size(self) -> int:
        """Samples of a batch, rounded where batches differ."""
        return round(self.samples / self.batches)

    @property
    def bag_table(self) -> NDArray[np.uint16]:
        """Table of each bag, shape (G,)."""
        return np.repeat(self.calls.table, self.calls.bags)

    @property
    def bag_batch(self) -> NDArray[np.int64]:
        """Batch of each bag, shape (G,)."""
        return np.repeat(self.calls.batch, self.calls.bags)

    def stored_as(self, dtype: TableDtype | None) -> "Trace":
        """Return the same lookups of tables that are all of ``dtype``; the trace itself for None."""
        if dtype is None:
            return self
        return replace(self, tables=tuple(replace(table, dtype=dtype) for table in self.tables))

    def select(self, first_batch: int, batches: int | None = None) -> "Trace":
        """Return the trace of ``batches`` batches from ``first_batch`` on (all that follow when None).

        Bags keep their numbers. Raises ConfigError when the trace has no such batches.
        """
        calls = self.calls.of_batches(first_batch, batches)
        span = slice(*np.searchsorted(self.bag, [calls.first_bag[0], calls.first_bag[-1] + calls.bags[-1]]))
        weight = None if self.weight is None else self.weight[span]
        return Trace(
            self.table[span], self.bag[span], self.entry[span], weight, self.tables, calls, self.meta
        )
