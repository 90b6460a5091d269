"""What an AxDIMM run did, counted: what crosses the buses, what ranks read, and when."""

import numpy as np
from numpy.typing import NDArray

from recnmp.memory.replay import Timeline
from recnmp.nmp.axdimm.instruction import INSTRUCTION_BITS
from recnmp.nmp.axdimm.program import Program
from recnmp.nmp.axdimm.protocol import DELIVERY, POLLING, RETURN, Bus
from recnmp.nmp.base import System
from recnmp.nmp.operations import Operations
from recnmp.nmp.over_time import OverTime, Steps
from recnmp.trace.trace import Trace
from recnmp.units import BURST_BYTES


def operations(
    trace: Trace, timeline: Timeline, buses: list[Bus], program: Program, system: System
) -> Operations:
    """What crosses the buses in whole bursts, words of instructions told from the rest; adds of every element.

    Buffers of instructions and sums are not counted: their energies are not published.
    """
    bits = {what: 8 * BURST_BYTES * sum(bus.bursts[what] for bus in buses) for what in buses[0].bursts}
    elements = np.bincount(trace.table, minlength=len(trace.tables)) @ [table.dim for table in trace.tables]
    return Operations(
        activity=timeline.activity,
        instruction_bits=trace.lookups * INSTRUCTION_BITS,
        configuration_bits=bits[DELIVERY] - trace.lookups * INSTRUCTION_BITS,
        result_bits=bits[RETURN],
        poll_bits=bits[POLLING],
        rank_adds=int(elements),
        rank_lookups=_rank_lookups(program, len(buses), system.ranks_per_channel),
        over_time=_over_time(timeline, buses, program, system),
    )


def _rank_lookups(program: Program, channels: int, ranks: int) -> NDArray[np.int64]:
    unit = np.repeat(program.unit, program.executions.instructions)
    return np.bincount(unit, minlength=channels * ranks).reshape(channels, ranks)


def _over_time(timeline: Timeline, buses: list[Bus], program: Program, system: System) -> OverTime:
    steps, arrived = Steps(timeline.cycles), timeline.depart
    if timeline.counts[
        "merged"
    ]:  # what reads of a unit share comes once, and its data bus carries a burst at a time
        each = program.executions
        unit = np.repeat(program.unit, each.instructions * each.bursts)
        arrived = np.unique(np.stack([unit, arrived]), axis=1)[1]
    busy = {what: np.zeros(steps.count, np.int64) for what in buses[0].spans}
    for bus in buses:
        for what, spans in bus.spans.items():
            begin, clocks = np.array(spans, np.int64).reshape(-1, 2).T
            busy[what] += steps.busy(begin, clocks)
    return OverTime(
        steps,
        system.spec,
        len(buses) * system.ranks_per_channel,
        steps.arrived(arrived) * BURST_BYTES,
        channel_cycles=busy,
    )
