"""RecNMP packets and their 79-bit instructions, encoded and decoded for real.

Source: Ke et al., RecNMP, ISCA 2020, section on the NMP instruction; that DDR-command flags, address, vector
size, LocalityBit and PsumTag exist is documented, the widths of opcode, address, size, weight and tag are
recalled, not verified; they add up to the published 79 bits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import POOLINGS, Trace

FIELDS = (
    ("opcode", 4),  # the SLS variant, see OPCODES
    ("ddr_cmd", 3),  # which of PRE, ACT, RD the controller expects the rank to need
    (
        "daddr",
        32,
    ),  # slot within the channel: a burst, or one of a burst's slots for entries smaller than that
    ("vsize", 3),  # bursts of the vector, less one
    ("weight", 32),  # FP32
    ("locality", 1),  # may the RankCache keep it
    ("psum_tag", 4),  # pooling within the packet
)
INSTRUCTION_BITS = sum(bits for _, bits in FIELDS)
DDR_COMMAND_BITS = 20
"""C/A bits of a DDR command: the 84 pins that the paper's interface is said to have, less 64 of DQ."""

MAX_POOLINGS = 16
MEAN, WEIGHTED, INT8 = 1, 2, 4  # bits of the opcode
OPCODES = {"sum": 0, "mean": MEAN, "weighted_sum": WEIGHTED, "weighted_mean": WEIGHTED | MEAN}
OPCODES |= {f"int8_{kind}": INT8 | code for kind, code in OPCODES.items()}
PRE_FLAG, ACT_FLAG, RD_FLAG = 1, 2, 4


def encode(fields: dict[str, NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Pack instruction fields into words, shape (n, 2): bits 0-63 and 64-78, the last field lowest.

    Raises ConfigError when a value does not fit its field.
    """
    n = len(fields["opcode"])
    words = np.zeros((n, 2), np.uint64)
    at = 0
    for name, bits in reversed(FIELDS):
        value = fields[name].astype(np.uint64)
        if n and int(value.max()) >> bits:
            raise ConfigError(f"NMP instruction: {name} {int(value.max())} does not fit {bits} bits")
        if at < 64:
            words[:, 0] |= value << np.uint64(at)
            if at + bits > 64:
                words[:, 1] |= value >> np.uint64(64 - at)
        else:
            words[:, 1] |= value << np.uint64(at - 64)
        at += bits
    return words


def decode(words: NDArray[np.uint64]) -> dict[str, NDArray[np.uint64]]:
    """Unpack instruction words into their fields: the inverse of ``encode``."""
    fields, at = {}, 0
    for name, bits in reversed(FIELDS):
        if at >= 64:
            value = words[:, 1] >> np.uint64(at - 64)
        else:
            value = words[:, 0] >> np.uint64(at)
            if at + bits > 64:
                value = value | (words[:, 1] << np.uint64(64 - at))
        fields[name] = value & np.uint64((1 << bits) - 1)
        at += bits
    return fields


@dataclass(frozen=True)
class Packets:
    """The instruction stream of a run: L instructions, one per lookup, in P packets.

    Attributes:
        make_words: encodes the instructions; ``words`` asks it once.
        channel: channel each instruction is sent to, shape (L,).
        packet: packet of each instruction, shape (L,), not decreasing; a packet holds bags of one call, and its
            instructions for each channel travel as one packet of that channel.
        first_bag: first bag of each packet, shape (P,); PsumTag k means bag ``first_bag + k``.
    """

    make_words: Callable[[], NDArray[np.uint64]]
    channel: NDArray[np.int32]
    packet: NDArray[np.int64]
    first_bag: NDArray[np.int64]

    @cached_property
    def words(self) -> NDArray[np.uint64]:
        """Encoded instructions in trace order, shape (L, 2); raises ConfigError where one does not fit."""
        return self.make_words()


def packet_of_bags(trace: Trace, poolings: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group the bags of every call into packets of up to ``poolings``.

    Returns the packet of each bag, shape (G,), and the first bag of each packet, shape (P,).
    """
    calls = trace.calls
    per_call = -(-calls.bags // poolings)
    first_packet = np.cumsum(per_call) - per_call
    in_call = np.arange(trace.bags) - np.repeat(calls.first_bag - calls.first_bag[0], calls.bags)
    packet = np.repeat(first_packet, calls.bags) + in_call // poolings
    starts = np.flatnonzero(np.diff(packet, prepend=-1))
    return packet, starts + calls.first_bag[0]


def fits_address(spec: DramSpec, ranks: int, placed: PlacedLookups) -> bool:
    """Return whether every place of a channel of ``ranks`` ranks, and every entry, fits an instruction's fields."""
    org = spec.organization
    slots = ranks * spec.banks_per_rank * org.rows.value * org.bursts_per_row.value
    bits = dict(FIELDS)
    largest = int(placed.entry_bursts.max(initial=1))
    return (
        slots * int(placed.burst_slots.max(initial=1)) <= 1 << bits["daddr"] and largest <= 1 << bits["vsize"]
    )


def opcodes(trace: Trace) -> NDArray[np.uint64]:
    """Return the opcode of each call, shape (N,); raises ConfigError for poolings NMP does not do.

    Entries that are not pooled (``none``) are bags of one lookup, and their sums.
    """
    known = {"sum": 0, "none": 0, "mean": MEAN}
    codes = np.array([known.get(name, -1) for name in POOLINGS])[trace.calls.pooling]
    if (codes < 0).any():
        kind = POOLINGS[trace.calls.pooling[codes.argmin()]]
        raise ConfigError(f"near-memory reduction knows {', '.join(OPCODES)}; the trace pools by {kind}")
    int8 = np.array([table.dtype == "int8_rowwise" for table in trace.tables])[trace.calls.table]
    codes += INT8 * int8 + WEIGHTED * (trace.weight is not None)
    return codes.astype(np.uint64)


def ddr_flags(bank: NDArray[np.int64], row: NDArray[np.int32] | NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the DDR commands each instruction needs if ranks served them in order, open page, shape (n,).

    ``bank`` numbers banks over the whole channel. Ranks that reorder may need fewer or more; the flags are the
    host controller's view.
    """
    order = np.argsort(bank, kind="stable")
    previous_bank, previous_row = np.full(len(bank), -1, np.int64), np.full(len(bank), -1, np.int64)
    previous_bank[order[1:]], previous_row[order[1:]] = bank[order[:-1]], row[order[:-1]]
    same_bank = previous_bank == bank
    opens = ~same_bank | (previous_row != row)
    flags: NDArray[np.int64] = RD_FLAG + ACT_FLAG * opens + PRE_FLAG * (same_bank & opens)
    return flags.astype(np.uint64)
