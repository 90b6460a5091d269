"""A trace's lookups put into tables that fit in this machine's memory, with their reuse as it is.

The tables of a model may take more memory than there is; those that are allocated need only be larger than the
last-level cache. So each table gets a share of what may be allocated, never more than its own size, and every
entry that the trace reads gets one of its own there, in order and evenly spread. Reuse within the trace is then
exactly the trace's. Each further pass over the trace reads, in the same pattern, entries next in line, so that it
finds nothing of the last pass in a cache; only after all of a table has been used does it start over.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.trace import POOLINGS, SCALE_AND_BIAS_BYTES, Trace
from recnmp.units import TableDtype

PLACEMENT = (
    "every entry read has one of its own, in order and evenly spread over its table's share of the memory; each pass "
    "reads others in the same pattern"
)

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class PlannedTable:
    """A table as it is allocated: ``slots`` entries of ``dim``; passes move on by ``step`` modulo ``gap``."""

    slots: int
    dim: int
    gap: int
    step: int

    def bytes_as(self, dtype: TableDtype) -> int:
        """Bytes that the table takes."""
        return self.slots * entry_bytes(self.dim, dtype)

    def offset(self, number: int) -> int:
        """Return how far the entries of pass ``number`` lie from those of the first."""
        return number * self.step % self.gap


@dataclass(frozen=True)
class PlannedCall:
    """One pooled lookup: bag ``i`` reads ``slot[offsets[i] : offsets[i + 1]]`` of ``table``."""

    table: int
    slot: Indices
    offsets: Indices


SAMPLE_LOOKUPS = 16_384
"""Lookups of a sample, at least: half a millisecond or so, less than a core is given to other work at a time."""


@dataclass(frozen=True)
class GatherPlan:
    """What is allocated and what is looked up in it, in the trace's order."""

    tables: tuple[PlannedTable, ...]
    calls: tuple[PlannedCall, ...]
    dtype: TableDtype

    @property
    def groups(self) -> tuple[tuple[PlannedCall, ...], ...]:
        """The calls of a pass in pieces, each timed by itself; a short rest joins the last piece."""
        groups: list[list[PlannedCall]] = [[]]
        lookups = 0  # of the last group
        for call in self.calls:
            if lookups >= SAMPLE_LOOKUPS:
                groups.append([])
                lookups = 0
            groups[-1].append(call)
            lookups += len(call.slot)
        if len(groups) > 1 and lookups < SAMPLE_LOOKUPS:
            rest = groups.pop()
            groups[-1] += rest
        return tuple(tuple(group) for group in groups)

    @property
    def table_bytes(self) -> int:
        """Bytes of all tables as allocated."""
        return sum(table.bytes_as(self.dtype) for table in self.tables)

    @property
    def lookups(self) -> int:
        """Lookups of a pass over the trace."""
        return sum(len(call.slot) for call in self.calls)

    @property
    def read_bytes(self) -> int:
        """Bytes of the entries that a pass reads, an entry per lookup."""
        bytes_of = [entry_bytes(table.dim, self.dtype) for table in self.tables]
        return sum(len(call.slot) * bytes_of[call.table] for call in self.calls)


def entry_bytes(dim: int, dtype: TableDtype) -> int:
    """Return the bytes of an entry as PyTorch's operators store it, without padding."""
    return 4 * dim if dtype == "fp32" else dim + SCALE_AND_BIAS_BYTES


def plan_gather(trace: Trace, dtype: TableDtype, budget_bytes: int) -> GatherPlan:
    """Return tables of ``budget_bytes`` in all, or less where the model's are smaller, and the lookups in them.

    Raises ConfigError for calls that no sum can stand for, and where the entries read need more memory.
    """
    if any(POOLINGS[kind] not in ("sum", "mean") for kind in np.unique(trace.calls.pooling)):
        raise ConfigError("measure sls: the trace has calls that pool by neither sum nor mean")
    logical = sum(table.entries * entry_bytes(table.dim, dtype) for table in trace.tables)
    share = min(1.0, budget_bytes / logical)
    tables, rank = [], np.empty(len(trace.entry), np.int64)
    for number, table in enumerate(trace.tables):
        mine = trace.table == number
        read, rank_of_lookup = np.unique(trace.entry[mine], return_inverse=True)
        slots = min(table.entries, max(len(read), int(table.entries * share), 1))
        gap = max(1, slots // max(1, len(read)))
        tables.append(PlannedTable(slots, table.dim, gap, _step(gap)))
        rank[mine] = rank_of_lookup * gap
    plan = GatherPlan(tuple(tables), tuple(_calls(trace, rank)), dtype)
    if plan.table_bytes > 2 * budget_bytes:
        raise ConfigError(
            f"the entries that the trace reads take {plan.table_bytes >> 20:,} MiB, more than twice the "
            f"{budget_bytes >> 20:,} MiB for tables; replay fewer batches or allow more"
        )
    return plan


def _step(gap: int) -> int:
    """Return a step near the golden section of ``gap`` by which every offset comes up once before any again."""
    return next(step for step in range(max(1, round(0.618 * gap)), 2 * gap + 1) if gcd(step, gap) == 1)


def _calls(trace: Trace, slot: Indices) -> Iterator[PlannedCall]:
    calls = trace.calls
    first_bag = calls.first_bag[0]
    lengths = np.bincount(trace.bag - np.uint32(first_bag), minlength=int(calls.bags.sum()))
    start_of_bag = np.concatenate(([0], np.cumsum(lengths)))
    for table, first, bags in zip(calls.table, calls.first_bag - first_bag, calls.bags, strict=True):
        offsets = start_of_bag[int(first) : int(first + bags) + 1]
        yield PlannedCall(int(table), slot[offsets[0] : offsets[-1]], offsets - offsets[0])
