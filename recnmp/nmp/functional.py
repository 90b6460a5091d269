"""Functional truth: the same packets, tags and trees carry real vectors.

Memory is filled with every entry's values at the place it was given; the encoded instructions are decoded,
read memory by their own address, turn the bytes into numbers as their opcode says (8-bit codes by the entry's
own scale and bias), weight them and add into the partial sum of their own tag, rank by rank, DIMM by DIMM, then
on the host. A wrong address, tag, packet border or tree gives other vectors than the model's own pooling.

What a packet's configuration writes tell a rank unit is taken from the table: elements and slots of a burst.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.nmp.base import Program, SlsRun, System
from recnmp.nmp.packet import INT8, MEAN, Packets, decode
from recnmp.placement.layout import SMALLEST_SLOT_BYTES
from recnmp.placement.place import PlacedLookups
from recnmp.trace.pooling import Pooled, pooled_outputs, reference
from recnmp.trace.trace import SCALE_AND_BIAS_BYTES, Trace
from recnmp.trace.values import LARGEST, SCALES, entry_content

AUTO_LOOKUPS = 2_000_000
"""Longest trace that is checked unasked."""

FP32_BYTES = 4
ERASED = 0xFF
"""What bytes hold that no entry was written to; as FP32 it is no number."""


def check(
    mode: Literal["auto", "on", "off"],
    trace: Trace,
    placed: PlacedLookups,
    run: SlsRun | None,
    system: System,
) -> dict[str, Any]:
    """Compare what a run's packets pool with what the model pools; returns the result's ``functional_check``.

    Raises RecnmpError naming the first bag that differs.
    """
    if run is None or run.packets is None:
        return {"status": "skipped", "reason": "nothing was offloaded"}
    if mode == "off":
        return {"status": "skipped", "reason": "functional_check is off"}
    if mode == "auto" and trace.lookups > AUTO_LOOKUPS:
        return {"status": "skipped", "reason": f"auto checks up to {AUTO_LOOKUPS:,} lookups"}
    return compare(trace, placed, run.packets, system)


def compare(
    trace: Trace, placed: PlacedLookups, packets: Packets | Program, system: System
) -> dict[str, Any]:
    """Pool real vectors through ``packets``, or another program, and compare every bag with the model's own pooling.

    Sums and means without weights are exact (``recnmp.trace.values``). Weighted products round, and add up in
    another order than the model's: 1e-5 of the result, or one unit in the last place of a bag's largest possible
    sum, may differ.
    """
    tolerance = _rounding(trace)
    largest = 0.0
    if isinstance(packets, Packets):
        by_instructions = pooled_by_packets(trace, placed, packets, system)
    else:
        by_instructions = packets.pooled(trace, system)
    for (call, expected), (_, found) in zip(pooled_outputs(trace), by_instructions, strict=True):
        error = np.abs(found - expected)
        largest = max(largest, float(error.max(initial=0.0)))
        wrong = ~np.isclose(found, expected, rtol=1e-5, atol=tolerance).all(axis=1)
        if wrong.any():
            bag = int(trace.calls.first_bag[call] + wrong.argmax())
            raise RecnmpError(
                f"functional check: {int(wrong.sum())} bags of call {call} differ from {reference()}, first bag {bag}"
            )
    return {
        "status": "passed",
        "bags": trace.bags,
        "bit_exact": largest == 0.0,
        "largest_error": largest,
        "reference": reference(),
    }


def pooled_by_packets(
    trace: Trace, placed: PlacedLookups, packets: Packets, system: System
) -> Iterator[Pooled]:
    """Execute the instruction stream call by call on real vectors."""
    org = system.spec.organization
    rank_bursts = system.spec.banks_per_rank * org.rows.value * org.bursts_per_row.value
    memory = Memory(trace, placed, system)
    starts = np.searchsorted(trace.bag, trace.calls.first_bag)
    ends = np.searchsorted(trace.bag, trace.calls.first_bag + trace.calls.bags)
    for n in range(len(trace.calls)):
        span = slice(starts[n], ends[n])
        table, bags = trace.tables[trace.calls.table[n]], int(trace.calls.bags[n])
        fields = {name: value.astype(np.int64) for name, value in decode(packets.words[span]).items()}
        pooled = np.zeros((bags, table.dim), np.float32)
        if ends[n] > starts[n]:
            opcode = int(fields["opcode"][0])
            n_bytes = table.dim + SCALE_AND_BIAS_BYTES if opcode & INT8 else table.dim * FP32_BYTES
            _same(fields, "vsize", -(-n_bytes // org.burst_bytes.value) - 1, n)
            _same(fields, "opcode", opcode, n)
            channel = packets.channel[span].astype(np.int64)
            burst, slot = np.divmod(fields["daddr"], placed.burst_slots[trace.calls.table[n]])
            content = memory.read(channel, burst, slot * memory.span[trace.calls.table[n]], n_bytes)
            vectors = _dequantised(content) if opcode & INT8 else content.view("<f4")
            vectors = vectors * fields["weight"].astype(np.uint32).view(np.float32)[:, None]
            rank = channel * system.ranks_per_channel + burst // rank_bursts
            bag = packets.first_bag[packets.packet[span]] + fields["psum_tag"] - trace.calls.first_bag[n]
            if bag.min() < 0 or bag.max() >= bags:
                raise RecnmpError(f"functional check: call {n} adds into a bag that is not its own")
            ranks, owner = _sum_by(bag, rank, vectors)
            dimms, owner = _sum_by(owner[:, 0], owner[:, 1] // system.memory.ranks_per_dimm, ranks)
            whole, owner = _sum_by(owner[:, 0], np.zeros(len(dimms), np.int64), dimms)
            pooled[owner[:, 0]] = whole
            if opcode & MEAN:
                pooled /= np.maximum(np.bincount(bag, minlength=bags), 1).astype(np.float32)[:, None]
        yield n, pooled


class Memory:
    """What every address holds: pieces of entries, the whole of a small one or a burst of a larger one.

    Addresses count places of ``SMALLEST_SLOT_BYTES`` in a channel; ``span`` are the places that a piece of each
    table takes, shape (T,).
    """

    def __init__(self, trace: Trace, placed: PlacedLookups, system: System) -> None:
        org = system.spec.organization
        self.tables, self.burst_bytes = trace.tables, org.burst_bytes.value
        self.places = self.burst_bytes // SMALLEST_SLOT_BYTES
        self.span = self.places // placed.burst_slots
        bank = placed.rank.astype(np.int64) * system.spec.banks_per_rank + placed.flat_bank
        burst = (bank * org.rows.value + placed.row) * org.bursts_per_row.value + placed.column
        lookup = placed.lookup
        address = self._address(placed.channel, burst, (placed.slot * self.span[trace.table])[lookup])
        self.address, at, back = np.unique(address, return_index=True, return_inverse=True)
        self.table, self.entry = trace.table[lookup[at]], trace.entry[lookup[at]]
        self.part = at - placed.first[lookup[at]]
        same = (self.table[back] == trace.table[lookup]) & (self.entry[back] == trace.entry[lookup])
        if not same.all() or np.any(np.diff(self.address) < self.span[self.table[:-1]]):
            raise RecnmpError("functional check: two entries were placed at one address")

    def _address(
        self, channel: NDArray[np.integer], burst: NDArray[np.int64], place: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        return channel.astype(np.int64) << 40 | (burst * self.places + place)

    def read(
        self, channel: NDArray[np.int64], burst: NDArray[np.int64], place: NDArray[np.int64], n_bytes: int
    ) -> NDArray[np.uint8]:
        """Read ``n_bytes`` from a place of each burst and from the bursts after it, shape (n, n_bytes)."""
        content = np.full((len(burst), n_bytes), ERASED, np.uint8)
        for k, start in enumerate(range(0, n_bytes, self.burst_bytes)):
            address = self._address(channel, burst + k, place)
            at = np.minimum(np.searchsorted(self.address, address), len(self.address) - 1)
            if np.any(self.address[at] != address):
                raise RecnmpError("functional check: an instruction reads an address that holds no entry")
            stored, back = np.unique(at, return_inverse=True)
            pieces = np.empty((len(stored), self.burst_bytes), np.uint8)
            for table in np.unique(self.table[stored]):
                mine = self.table[stored] == table
                pieces[mine] = self._pieces(int(table), stored[mine])
            content[:, start : start + self.burst_bytes] = pieces[back, : n_bytes - start]
        return content

    def _pieces(self, table: int, stored: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return stored pieces of one table, shape (n, burst_bytes), what they do not fill erased."""
        bursts = -(-self.tables[table].entry_bytes // self.burst_bytes)
        whole = np.full((len(stored), bursts, self.burst_bytes), ERASED, np.uint8)
        entries = entry_content(table, self.tables[table], self.entry[stored])
        whole.reshape(len(stored), -1)[:, : entries.shape[1]] = entries
        pieces: NDArray[np.uint8] = whole[np.arange(len(stored)), self.part[stored]]
        return pieces


def _dequantised(content: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return code * scale + bias of entries in the fused layout: codes, then scale and bias as FP32."""
    codes, end = np.split(content, [content.shape[1] - SCALE_AND_BIAS_BYTES], axis=1)
    scale, bias = np.ascontiguousarray(end).view("<f4").T
    vectors: NDArray[np.float32] = codes * scale[:, None] + bias[:, None]
    return vectors


def _rounding(trace: Trace) -> float:
    """Return a unit in the last place of the largest sum that a bag of ``trace`` could have."""
    if trace.weight is None or not trace.lookups:
        return 0.0
    largest = 255 * float(SCALES.max()) + LARGEST
    lengths = np.bincount(trace.bag - trace.bag[0])
    return float(np.finfo(np.float32).eps * lengths.max() * np.abs(trace.weight).max() * largest)


def _same(fields: dict[str, NDArray[np.int64]], name: str, value: int, call: int) -> None:
    wrong = fields[name][fields[name] != value]
    if len(wrong):
        raise RecnmpError(
            f"functional check: call {call} has an instruction of {name} {wrong[0]}, not {value}"
        )


def _sum_by(
    bag: NDArray[np.int64], unit: NDArray[np.int64], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Add vectors of the same (bag, unit); returns the sums and their (bag, unit), in bag order."""
    order = np.lexsort((unit, bag))
    keys = np.stack([bag[order], unit[order]], axis=1)
    first = np.flatnonzero(np.any(np.diff(keys, axis=0, prepend=keys[:1] - 1), axis=1))
    return np.add.reduceat(vectors[order], first, axis=0), keys[first]
