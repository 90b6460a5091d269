"""RecNMP's encoded instruction stream: one instruction per lookup."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from recnmp.nmp.base import System
from recnmp.nmp.instructions import Sent
from recnmp.nmp.packet import Packets, ddr_flags, encode, fits_address, opcodes
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import Trace


def encoded(
    trace: Trace, placed: PlacedLookups, system: System, sent: Sent, first_bag: NDArray[np.int64]
) -> Packets:
    """Return the packets of a run, whose instructions are encoded when somebody asks for them."""
    code = opcodes(trace)
    packets = Packets(
        partial(_encode, trace, placed, system, sent, first_bag, code), sent.channel, sent.packet, first_bag
    )
    if not fits_address(system.spec, system.ranks_per_channel, placed):
        _ = packets.words  # tells which does not fit
    return packets


def _encode(
    trace: Trace,
    placed: PlacedLookups,
    system: System,
    sent: Sent,
    first_bag: NDArray[np.int64],
    code: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """Encode one instruction per lookup; its address counts slots of its table's size within the channel."""
    org, first = system.spec.organization, placed.first[:-1]
    bank = sent.rank.astype(np.int64) * system.spec.banks_per_rank + placed.flat_bank[first]
    row = placed.row[first].astype(np.int64)
    weight = np.ones(trace.lookups, np.float32) if trace.weight is None else trace.weight
    position = np.empty_like(sent.order)
    position[sent.order] = np.arange(len(sent.order))
    delivered = np.argsort(position[sent.packet], kind="stable")
    channel_bank = sent.channel * system.ranks_per_channel * system.spec.banks_per_rank + bank
    flags = np.zeros(trace.lookups, np.uint64)
    flags[delivered] = ddr_flags(channel_bank[delivered], row[delivered])
    call = np.repeat(np.arange(len(trace.calls)), trace.calls.bags)[sent.bag]
    burst = (bank * org.rows.value + row) * org.bursts_per_row.value + placed.column[first]
    return encode(
        {
            "opcode": code[call],
            "ddr_cmd": flags,
            "daddr": (burst * placed.burst_slots[trace.table] + placed.slot).astype(np.uint64),
            "vsize": (np.diff(placed.first) - 1).astype(np.uint64),
            "weight": weight.view(np.uint32).astype(np.uint64),
            "locality": sent.cacheable.astype(np.uint64),
            "psum_tag": (trace.bag - first_bag[sent.packet]).astype(np.uint64),
        }
    )
