"""Lookups packed into executions: what one trace in a rank's instruction buffer does.

The host fills an execution table by table and batch row by batch row (a row of a table is a bag here) until the
next row would overflow the instruction buffer or the psum buffer, so a table may be split. Within a table the
instructions are issued column-wise: lookup 0 of every row, then lookup 1, and so on, so that consecutive ones add
into different slots. An execution holds lookups of one batch, one rank and one size of entry.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.nmp.axdimm.instruction import BEATS, FP32_SUM, VECTOR_BYTES, WORD_BYTES, encode, header
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import POOLINGS, Trace
from recnmp.units import BURST_BYTES


@dataclass(frozen=True)
class Executions:
    """E executions of L instructions in all, and the B bags that they pool.

    Attributes:
        lookup: lookup of each instruction, in the order of issue, shape (L,).
        start: execution e has instructions ``start[e] : start[e + 1]``, shape (E + 1,).
        slots: first psum slot that each instruction adds to, shape (L,).
        bag: bag of each psum, counted from the trace's first, in the order of its slots, shape (B,).
        first_bag: execution e has psums ``first_bag[e] : first_bag[e + 1]``, shape (E + 1,).
        bursts: bursts of an entry, and slots of a psum, shape (E,).
        batch: batch it belongs to, numbered from 0, shape (E,).
        home: rank, over all channels, whose memory it reads; 0 where all ranks hold the same, shape (E,).
    """

    lookup: NDArray[np.int64]
    start: NDArray[np.int64]
    slots: NDArray[np.int64]
    bag: NDArray[np.int64]
    first_bag: NDArray[np.int64]
    bursts: NDArray[np.int64]
    batch: NDArray[np.int64]
    home: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bursts)

    @property
    def instructions(self) -> NDArray[np.int64]:
        """Instructions of each, shape (E,)."""
        return np.diff(self.start)

    @property
    def trace_bursts(self) -> NDArray[np.int64]:
        """Bursts of each one's trace, header word included, shape (E,)."""
        return -(-(self.instructions + 1) * WORD_BYTES // BURST_BYTES)

    @property
    def psum_bursts(self) -> NDArray[np.int64]:
        """Bursts of each one's sums, shape (E,)."""
        return np.diff(self.first_bag) * self.bursts


def check_trace(trace: Trace) -> None:
    """Raise ConfigError for what the instruction cannot express: all but plain sums of FP32 entries of 64-256 B.

    Entries that are not pooled (``none``) are bags of one lookup, and their sums.
    """
    sums = [POOLINGS.index("sum"), POOLINGS.index("none")]
    others = np.unique(trace.calls.pooling[~np.isin(trace.calls.pooling, sums)])
    if len(others):
        raise ConfigError(f"nmp.kind axdimm pools by sum only; the trace pools by {POOLINGS[others[0]]}")
    if trace.weight is not None:
        raise ConfigError("nmp.kind axdimm: its instruction has no weight; the trace is weighted")
    for number in np.unique(trace.calls.table):
        table = trace.tables[number]
        if table.dtype != "fp32":
            raise ConfigError(f"nmp.kind axdimm sums FP32; table {table.name!r} holds {table.dtype}")
        if table.entry_bytes not in VECTOR_BYTES:
            sizes = ", ".join(map(str, VECTOR_BYTES))
            raise ConfigError(
                f"nmp.kind axdimm: an entry has {sizes} B, that of table {table.name!r} {table.entry_bytes} B"
            )


def pack(
    trace: Trace, home: NDArray[np.int64], *, words: int, psum_slots: int, column_wise: bool
) -> Executions:
    """Pack the lookups of ``trace`` into executions; empty bags need none.

    Args:
        trace: the lookups, L of them; every bag's must have one home.
        home: rank whose memory serves each lookup, over all channels, shape (L,).
        words: words of an instruction buffer, the header's included.
        psum_slots: 64 B slots of a psum buffer.
        column_wise: lookup 0 of every bag of a call first; otherwise bag after bag.

    Raises ConfigError for a bag that no buffer holds.
    """
    number = (trace.bag - np.uint32(trace.calls.first_bag[0])).astype(np.int64)
    bag, first, length = np.unique(number, return_index=True, return_counts=True)
    entry_bursts = np.array([table.entry_bytes // BURST_BYTES for table in trace.tables], np.int64)
    bursts = entry_bursts[trace.table[first]]
    _, batch = np.unique(trace.bag_batch[bag], return_inverse=True)
    if len(bag) and (length.max() >= words or bursts.max() > psum_slots):
        raise ConfigError(
            f"a bag of {length.max()} lookups and {bursts.max()} psum slots does not fit an execution of "
            f"{words - 1} instructions and {psum_slots} slots"
        )
    order = np.lexsort((bag, home[first], batch))
    bag, first, length, bursts, batch = (of[order] for of in (bag, first, length, bursts, batch))
    ranks = home[first]
    first_bag = _cut(np.stack([batch, ranks, bursts]), length, bursts, words - 1, psum_slots)
    begin = first_bag[:-1]
    execution = np.repeat(np.arange(len(begin)), np.diff(first_bag))
    call = np.repeat(np.arange(len(trace.calls)), trace.calls.bags)[bag]
    lookup, of_bag = _issue_order(execution, call, first, length, column_wise)
    slot = (np.arange(len(bag)) - begin[execution]) * bursts
    ends = np.concatenate([[0], np.cumsum(length)])
    return Executions(
        lookup, ends[first_bag], slot[of_bag], bag, first_bag, bursts[begin], batch[begin], ranks[begin]
    )


def _cut(
    alike: NDArray[np.int64],
    length: NDArray[np.int64],
    slots: NDArray[np.int64],
    most_instructions: int,
    most_slots: int,
) -> NDArray[np.int64]:
    """Return where executions begin among bags that must be ``alike`` in one, and the end, shape (E + 1,)."""
    bags = len(length)
    changes = np.flatnonzero(np.any(np.diff(alike, axis=1), axis=0)) + 1
    borders = np.append(changes, bags)
    instructions, slot = (np.concatenate([[0], np.cumsum(of)]) for of in (length, slots))
    starts = [0]
    while starts[-1] < bags:
        at = starts[-1]
        fit = np.searchsorted(instructions, instructions[at] + most_instructions, "right") - 1
        fit = min(fit, np.searchsorted(slot, slot[at] + most_slots, "right") - 1)
        starts.append(int(min(fit, borders[np.searchsorted(borders, at, "right")])))
    return np.array(starts, np.int64)


def _issue_order(
    execution: NDArray[np.int64],
    call: NDArray[np.int64],
    first: NDArray[np.int64],
    length: NDArray[np.int64],
    column_wise: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lookup of each instruction and its place among the bags, which come with their call and more."""
    of_bag = np.repeat(np.arange(len(length)), length)
    column = np.arange(len(of_bag)) - np.repeat(np.cumsum(length) - length, length)
    lookup = first[of_bag] + column
    if not column_wise:
        return lookup, of_bag
    order = np.lexsort((of_bag, column, call[of_bag], execution[of_bag]))
    return lookup[order], of_bag[order]


def encoded(
    each: Executions, placed: PlacedLookups, banks_per_group: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the header of each execution and the word of each instruction, shapes (E,) and (L,)."""
    last = np.zeros(len(each.lookup), np.int64)
    last[each.start[1:] - 1] = 1
    at = placed.first[:-1][each.lookup]
    words = encode(
        {
            "opcode": np.full(len(at), FP32_SUM),
            "output": each.slots,
            "trace_end": last,
            "row": placed.row[at].astype(np.int64),
            "bank_group": placed.flat_bank[at].astype(np.int64) // banks_per_group,
            "bank": placed.flat_bank[at].astype(np.int64) % banks_per_group,
            "column": placed.column[at].astype(np.int64) * BEATS,
        }
    )
    headers = np.array([header(int(b) * BURST_BYTES) for b in each.bursts], np.uint64)
    return headers, words
