"""From a trace to what its caches are asked: entries or lines, each in the cache of its scope."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recnmp.cache.stream import Bits, Items, Longs
from recnmp.config import Config
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.placement.place import PlacedLookups, place
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.reuse.sampled import mixed
from recnmp.trace.trace import Trace
from recnmp.units import BURST_BYTES

_LEAST_SLOT = 16  # bytes; entries take the next power of two from there on, as they are laid out in memory


@dataclass(frozen=True)
class Accesses:
    """Accesses to all caches of a scope, N in the order of the trace.

    Attributes:
        item: entry or line that each access reads, 0 on without gaps, shape (N,); no item is in two caches.
        lookup: lookup it belongs to, shape (N,), not decreasing.
        cache: cache that each item may be in, shape (items,).
        index: number of each item whose low part selects its set, shape (items,).
        caches: how many caches there are.
        unit_bytes: bytes of an item; the mean of the entries read where tables differ.
    """

    item: Items
    lookup: Longs
    cache: Items
    index: Longs
    caches: int
    unit_bytes: float


class TraceAccesses:
    """Accesses of one trace by scope and line; ``config`` says where tables lie, for the scopes that need it."""

    def __init__(self, trace: Trace, config: Config | None) -> None:
        self._trace, self._config = trace, config

    def of(self, scope: str, line: str) -> Accesses:
        """Return the accesses; raises ConfigError where the scope needs a placement, or one size of entries."""
        sizes = {table.entry_bytes for table in self._trace.tables}
        if scope == "table" and line == "entry" and len(sizes) > 1:
            raise ConfigError(
                f"scope table: entries of {', '.join(map(str, sorted(sizes)))} B do not make caches of one size; "
                "choose line 64"
            )
        if scope in ("trace", "table"):
            return self._unplaced(scope == "table", line == "64")
        return self._placed_in(scope, line == "64")

    @cached_property
    def _entries(self) -> tuple[Items, NDArray[np.int64], NDArray[np.int64]]:
        """The item of each lookup, and table and entry of each item."""
        trace = self._trace
        numbering = Numbering(trace.tables)
        numbering.see(trace.table, trace.entry)
        numbering.freeze()
        item = numbering.items(trace.table, trace.entry)
        entry = np.empty(numbering.count, np.int64)
        entry[item] = trace.entry
        return item, np.repeat(np.arange(len(trace.tables)), np.diff(numbering.first)), entry

    def _unplaced(self, by_table: bool, lines: bool) -> Accesses:
        item, table, entry = self._entries
        widths = np.array([one.entry_bytes for one in self._trace.tables], np.int64)
        lookup = np.arange(self._trace.lookups)
        unit = float(widths[table].mean()) if len(table) else 1.0
        key = table << 32 | entry
        if lines:
            strides = np.array([max(_LEAST_SLOT, 1 << int(width - 1).bit_length()) for width in widths])
            count = -(-widths // BURST_BYTES)[table]  # lines of each item
            start = np.concatenate([[0], np.cumsum(count)])
            part = np.arange(start[-1]) - np.repeat(start[:-1], count)
            first = table << 40 | entry * strides[table] // BURST_BYTES
            key, of_part = np.unique(np.repeat(first, count) + part, return_inverse=True)
            table, unit = key >> 40, float(BURST_BYTES)
            item, lookup = _spread(item, start, of_part)
        cache = table.astype(np.int32) if by_table else np.zeros(len(key), np.int32)
        index = (mixed(key.astype(np.uint64)) >> np.uint64(1)).astype(
            np.int64
        )  # nothing is known of the place
        return Accesses(item, lookup, cache, index, len(widths) if by_table else 1, unit)

    @cached_property
    def _placed(self) -> PlacedLookups:
        if self._config is None:
            raise ConfigError("scopes llc, dimm and rank need a configuration that places the tables")
        memory = self._config.memory
        return place(self._trace, memory, load_standard(memory.standard), self._config.placement)

    def _placed_in(self, scope: str, lines: bool) -> Accesses:
        placed = self._placed
        assert self._config is not None  # or nothing was placed
        memory, org = self._config.memory, load_standard(self._config.memory.standard).organization
        if org.burst_bytes.value != BURST_BYTES:
            raise ConfigError(
                f"scope {scope}: {memory.standard} has bursts of {org.burst_bytes.value} B, not 64"
            )
        if scope == "llc":
            placed = placed.original or placed  # the host reads no copies
        burst = np.arange(placed.bursts) if lines else placed.first[:-1]
        per_dimm, ranks = memory.ranks_per_dimm, memory.dimms_per_channel * memory.ranks_per_dimm
        rank = placed.channel[burst].astype(np.int64) * ranks + placed.rank[burst]
        banks, row = org.bank_groups.value * org.banks_per_group.value, placed.row[burst].astype(np.int64)
        # numbers whose low bits select the set: as the simulated host and rank units take them
        if scope == "llc":
            caches, holder = 1, np.zeros(len(rank), np.int64)
            line = (rank * banks + placed.flat_bank[burst]) << 32 | row
        elif scope == "rank":
            caches, holder = memory.channels * ranks, rank
            line = row * banks + placed.flat_bank[burst]
        else:
            caches, holder = memory.channels * memory.dimms_per_channel, rank // per_dimm
            line = (row * banks + placed.flat_bank[burst]) * per_dimm + rank % per_dimm
        line = line * org.bursts_per_row.value + placed.column[burst]
        if lines:
            lookup, unit, key = placed.lookup, float(BURST_BYTES), holder << 50 | line
        else:
            item, table_of_item, _ = self._entries
            lookup, key = (
                np.arange(len(burst)),
                item * np.int64(caches) + holder,
            )  # a copy is an item of its own
            table = self._trace.table
            line = line // placed.entry_bursts[table] * placed.burst_slots[table] + placed.slot
            unit = float(np.mean([self._trace.tables[t].entry_bytes for t in table_of_item] or [1]))
        _, first, item = np.unique(key, return_index=True, return_inverse=True)
        return Accesses(
            item.astype(np.int32), lookup, holder[first].astype(np.int32), line[first], caches, unit
        )


def _spread(item: Items, start: Longs, of_part: Longs) -> tuple[Items, Longs]:
    """Return the lines of accesses to entries, and the access each belongs to."""
    count = (start[1:] - start[:-1])[item]
    begin = np.concatenate([[0], np.cumsum(count)])
    lookup = np.repeat(np.arange(len(item)), count)
    part = np.arange(begin[-1]) - begin[lookup] + start[item][lookup]
    return of_part[part].astype(np.int32), lookup


def sample_of_lookup(trace: Trace) -> tuple[Longs, Longs]:
    """Return batch and sample of each lookup, shapes (L,); both from 0 on, samples growing with batches."""
    calls = trace.calls
    bag = trace.bag - np.int64(calls.first_bag[0])
    within = np.arange(trace.bags) - np.repeat(calls.first_bag - calls.first_bag[0], calls.bags)
    _, batch_of_call = np.unique(calls.batch, return_inverse=True)
    batch = np.repeat(batch_of_call, calls.bags)[bag].astype(np.int64)
    most = int(calls.bags.max())
    return batch, batch * most + within[bag]


def judged_from(batch: Longs, train: float) -> int:
    """Return the first lookup that is judged: that of the batch where the share ``train`` of the batches ends.

    Raises ConfigError where there are not enough batches to part.
    """
    if not train:
        return 0
    batches = int(batch[-1]) + 1 if len(batch) else 0
    first = round(train * batches)
    if not 0 < first < batches:
        raise ConfigError(
            f"the trace has {batches} batches, train {train:g} leaves one part empty; --train 0 parts none"
        )
    return int(np.searchsorted(batch, first))


def whole_samples(hit: Bits, sample: Longs) -> tuple[int, int]:
    """Return how many samples there are, and of how many every access hit."""
    _, dense = np.unique(sample, return_inverse=True)
    count = int(dense.max(initial=-1)) + 1
    missed = np.bincount(dense, weights=~hit, minlength=count)
    return count, int((missed == 0).sum())
