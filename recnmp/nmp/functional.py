"""Functional truth: the same packets, tags and trees carry real vectors.

Memory is filled with every entry's values at the place it was given; the encoded instructions are decoded,
read memory by their own address and add into the partial sum of their own tag, rank by rank, DIMM by DIMM,
then on the host. A wrong address, tag, packet border or tree gives other vectors than the model's own pooling.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.nmp.base import SlsRun, System
from recnmp.nmp.packet import OPCODES, Packets, decode
from recnmp.placement.place import PlacedLookups
from recnmp.trace.pooling import Pooled, pooled_outputs, reference
from recnmp.trace.trace import Trace
from recnmp.trace.values import entry_values

AUTO_LOOKUPS = 2_000_000
"""Longest trace that is checked unasked."""

FP32_BYTES = 4


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


def compare(trace: Trace, placed: PlacedLookups, packets: Packets, system: System) -> dict[str, Any]:
    """Pool real vectors through ``packets`` and compare every bag with the model's own pooling."""
    largest = 0.0
    for (call, expected), (_, found) in zip(
        pooled_outputs(trace), pooled_by_packets(trace, placed, packets, system), strict=True
    ):
        error = np.abs(found - expected)
        largest = max(largest, float(error.max(initial=0.0)))
        # integer-valued sums are exact; a mean's division or a weight's product may round in the last place
        wrong = ~np.isclose(found, expected, rtol=1e-5, atol=1e-4).all(axis=1)
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
    elements = org.burst_bytes.value // FP32_BYTES
    memory = _Memory(trace, placed, system)
    starts = np.searchsorted(trace.bag, trace.calls.first_bag)
    ends = np.searchsorted(trace.bag, trace.calls.first_bag + trace.calls.bags)
    for n in range(len(trace.calls)):
        span = slice(starts[n], ends[n])
        table, bags = trace.tables[trace.calls.table[n]], int(trace.calls.bags[n])
        fields = {name: value.astype(np.int64) for name, value in decode(packets.words[span]).items()}
        pooled = np.zeros((bags, table.dim), np.float32)
        if ends[n] > starts[n]:
            bursts = -(-table.dim // elements)
            _same(fields, "vsize", bursts - 1, n)
            _same(fields, "opcode", int(fields["opcode"][0]), n)
            channel = packets.channel[span].astype(np.int64)
            vectors = memory.read(channel, fields["daddr"], bursts, elements)[:, : table.dim]
            vectors = vectors * fields["weight"].astype(np.uint32).view(np.float32)[:, None]
            rank = channel * system.ranks_per_channel + fields["daddr"] // rank_bursts
            bag = packets.first_bag[packets.packet[span]] + fields["psum_tag"] - trace.calls.first_bag[n]
            if bag.min() < 0 or bag.max() >= bags:
                raise RecnmpError(f"functional check: call {n} adds into a bag that is not its own")
            ranks, owner = _sum_by(bag, rank, vectors)
            dimms, owner = _sum_by(owner[:, 0], owner[:, 1] // system.memory.ranks_per_dimm, ranks)
            whole, owner = _sum_by(owner[:, 0], np.zeros(len(dimms), np.int64), dimms)
            pooled[owner[:, 0]] = whole
            if int(fields["opcode"][0]) in (OPCODES["mean"], OPCODES["weighted_mean"]):
                pooled /= np.maximum(np.bincount(bag, minlength=bags), 1).astype(np.float32)[:, None]
        yield n, pooled


class _Memory:
    """What every burst address holds: an entry and which of its bursts; addresses are (channel, burst number)."""

    def __init__(self, trace: Trace, placed: PlacedLookups, system: System) -> None:
        org = system.spec.organization
        bank = placed.rank.astype(np.int64) * system.spec.banks_per_rank + placed.flat_bank
        burst = (bank * org.rows.value + placed.row) * org.bursts_per_row.value + placed.column
        lookup = placed.lookup
        address = placed.channel.astype(np.int64) << 40 | burst
        self.address, at = np.unique(address, return_index=True)
        self.table, self.entry = trace.table[lookup[at]], trace.entry[lookup[at]]
        self.part = at - placed.first[lookup[at]]
        back = np.searchsorted(self.address, address)
        same = (self.table[back] == trace.table[lookup]) & (self.entry[back] == trace.entry[lookup])
        if not same.all():
            raise RecnmpError("functional check: two entries were placed at one address")

    def read(
        self, channel: NDArray[np.int64], burst: NDArray[np.int64], bursts: int, elements: int
    ) -> NDArray[np.float32]:
        """Read ``bursts`` bursts from each address, shape (n, bursts * elements)."""
        parts = []
        for k in range(bursts):
            address = channel << 40 | (burst + k)
            at = np.minimum(np.searchsorted(self.address, address), len(self.address) - 1)
            if np.any(self.address[at] != address):
                raise RecnmpError("functional check: an instruction reads an address that holds no entry")
            stored, back = np.unique(at, return_inverse=True)
            values = np.zeros((len(stored), elements), np.float32)
            for table in np.unique(self.table[stored]):
                mine = self.table[stored] == table
                values[mine] = self._burst(int(table), stored[mine], elements)
            parts.append(values[back])
        return np.concatenate(parts, axis=1)

    def _burst(self, table: int, stored: NDArray[np.int64], elements: int) -> NDArray[np.float32]:
        width = (int(self.part[stored].max()) + 1) * elements
        whole = entry_values(table, self.entry[stored], width).reshape(len(stored), -1, elements)
        burst: NDArray[np.float32] = whole[np.arange(len(stored)), self.part[stored]]
        return burst


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
