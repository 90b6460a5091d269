"""AxDIMM: a rank unit in the buffer of a DIMM of two ranks, as it was built (Ke et al., IEEE Micro 2022; Samsung).

The host packs lookups into executions of 64-bit instructions, writes each as a trace into a rank's instruction
buffer, triggers it, polls, and reads the sums back: ``executions.py`` packs, ``protocol.py`` is the host's part,
``unit.py`` a rank's. Every rank unit issues an instruction a clock into an ordinary controller of its own rank and
adds what comes back into a psum buffer; buffers, registers and polls are reached over the channel's one data bus.

Tables are whole in a rank: in every one (``replicate``: an execution goes to whichever unit is idle), dealt to ranks
as page colours say (``distribute``), or all in the first (``single``). Interface facts (bits, buffers, order of
issue, protocol, policies) are those of Samsung's PNMLibrary at 334ae0c, stated in our own words.

Not modelled: any RankCache (the instruction has a cache hint, the shipped hardware no cache that is documented);
weights, means, tables of 8 bits, tags; how fast cores write traces and read sums, and whatever time they take to
pack them beyond ``driver_ns``; other traffic; DRAM accesses of the host during an execution; latency of decoding;
DRAM timing of the SRAM windows other than latency, bursts back to back, and a gap when the bus turns; a reader's
back-pressure on DRAM when sums wait for the adder.
"""

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.nmp.axdimm.count import operations
from recnmp.nmp.axdimm.executions import Executions, check_trace, encoded, pack
from recnmp.nmp.axdimm.instruction import INSTRUCTION_BITS, check_standard
from recnmp.nmp.axdimm.options import Options
from recnmp.nmp.axdimm.program import Program
from recnmp.nmp.axdimm.protocol import (
    DELIVERY,
    POLLING,
    REGISTER_BURSTS,
    RETURN,
    Bus,
    Host,
    Work,
    host_thread,
    run_threads,
)
from recnmp.nmp.axdimm.unit import RankUnits
from recnmp.nmp.base import SlsRun, System, load_imbalance, need_bursts_of_64_bytes
from recnmp.placement.place import PlacedLookups, place
from recnmp.trace.trace import Trace
from recnmp.units import cycles_to_ns

PLUGIN = True
REFUSES = (("cache", "rank"), ("memory", "host_traffic"), ("arrival", "threads"))


def run(trace: Trace, placed: PlacedLookups, system: System, options: Options) -> SlsRun:
    """Offload every lookup of ``trace``, batches back to back.

    Raises ConfigError for what this hardware does not have: a RankCache, weights, means, entries of other than 64,
    128 or 256 B; and for ranks it cannot address or tables that are not whole in a rank.
    """
    _check(trace, placed, system, options)
    local, home = _places(trace, placed, system, options)
    executions = pack(
        trace,
        home,
        words=options.instruction_buffer_words,
        psum_slots=options.psum_slots,
        column_wise=options.issue == "column",
    )
    headers, words = encoded(executions, local, system.spec.organization.banks_per_group.value)
    units = RankUnits(
        executions,
        local,
        system,
        read_queue=options.read_queue,
        clocks_per_instruction=options.clocks_per_instruction,
        adder_cycles=options.adder_cycles,
    )
    ran, buses, cycles = _execute(executions, units, system, options)
    read = _moved(local, trace, executions, ran, system)
    program = Program(headers, words, ran, executions, read)
    details = _details(program, buses, cycles, system)
    details |= _memory_taken(trace, system, options) | {"adder_stall_cycles": units.stalled}
    timeline = replace(units.timeline(), cycles=cycles)
    statistics = timeline.statistics(system.spec, len(buses) * system.ranks_per_channel)
    return SlsRun(
        cycles_to_ns(cycles, system.spec.tCK_ps.value),
        statistics | {"merged": timeline.counts["merged"]},
        operations(trace, timeline, buses, program, system),
        details,
        program,
        tuple((1, commands) for commands in units.commands()),
    )


def _check(trace: Trace, placed: PlacedLookups, system: System, options: Options) -> None:
    need_bursts_of_64_bytes(system.spec, "nmp.kind axdimm")
    check_standard(system.spec)
    check_trace(trace)
    if system.cache.rank is not None:
        raise ConfigError(
            "cache.rank: AxDIMM has no RankCache (nmp.kind axdimm); leave it out or set it to null"
        )
    pages = placed.options
    if pages.replicate is not None:
        raise ConfigError(
            "placement.replicate: nmp.kind axdimm copies whole tables, with nmp.options.policy replicate"
        )
    if options.policy == "distribute" and (pages.pages != "coloured" or pages.colours == "page_interleaved"):
        raise ConfigError(
            "nmp.options.policy distribute needs every table in one rank: placement.pages coloured, with "
            "placement.colours in_turn or balanced"
        )


def _places(
    trace: Trace, placed: PlacedLookups, system: System, options: Options
) -> tuple[PlacedLookups, NDArray[np.int64]]:
    """Return where each lookup's entry is within its rank, and that rank over all channels, shape (L,).

    Where tables are not distributed, every rank's memory is laid out alike, as a memory of one rank with random
    pages; the rank is 0 then.
    """
    if options.policy == "distribute":
        first = placed.first[:-1]
        home = placed.channel[first].astype(np.int64) * system.ranks_per_channel + placed.rank[first]
        local = placed
    else:
        alone = system.memory.model_copy(update={"channels": 1, "dimms_per_channel": 1, "ranks_per_dimm": 1})
        pages = placed.options.model_copy(update={"pages": "random", "colours": "in_turn", "profile": None})
        local, home = place(trace, alone, system.spec, pages), np.zeros(trace.lookups, np.int64)
    for what in ("channel", "rank", "flat_bank", "row"):
        part = getattr(local, what)
        if np.any(part != part[local.first[:-1]][local.lookup]):
            raise ConfigError(
                f"memory.mapping: {system.memory.mapping} spreads an entry over values of {what}, but an "
                "instruction reads consecutive columns; take a mapping with enough column bits lowest, such as "
                "RoBaBgRaChCo"
            )
    return local, home


def _execute(
    executions: Executions, units: RankUnits, system: System, options: Options
) -> tuple[NDArray[np.int64], list[Bus], int]:
    """Run all executions; returns the unit of each, shape (E,), the buses, and the clock of the last sum."""
    cycles, ranks = system.spec.cycles, system.ranks_per_channel
    buses = [
        Bus(cycles["nBL"], cycles["nCL"], cycles["nCWL"], cycles.get("nRTRS", 0))
        for _ in range(system.memory.channels)
    ]
    clock_ns = system.spec.tCK_ps.value / 1000
    host = Host(
        int(np.ceil(options.driver_ns / clock_ns)),
        int(np.ceil(options.poll_interval_ns / clock_ns)),
        options.dummy_words,
        options.instruction_buffers == 2,
    )
    ran = np.zeros(len(executions), np.int64)

    def run_on(unit: int, execution: int, begin: int) -> int:
        ran[execution] = unit
        return units.run(unit, execution, begin)

    traces, psums = executions.trace_bursts.tolist(), executions.psum_bursts.tolist()
    work = Work(traces.__getitem__, psums.__getitem__, run_on)
    group = executions.batch if options.close_stream == "batch" else np.zeros(len(executions), np.int64)
    clock = 0
    for g in np.unique(group):
        queues = _queues(np.flatnonzero(group == g), executions, len(buses) * ranks, options.policy)
        threads = {u: host_thread(u, queue, clock, host, work) for u, queue in queues.items()}
        clock = run_threads(threads, clock, buses, ranks)
    return ran, buses, clock


def _queues(
    wanted: NDArray[np.int64], executions: Executions, units: int, policy: str
) -> dict[int, deque[int]]:
    """Return the executions of each unit in their order; units that share work have the same queue."""
    if policy == "distribute":
        return {u: deque(wanted[executions.home[wanted] == u].tolist()) for u in range(units)}
    shared = deque(wanted.tolist())
    return dict.fromkeys(range(units if policy == "replicate" else 1), shared)


def _moved(
    local: PlacedLookups, trace: Trace, executions: Executions, unit: NDArray[np.int64], system: System
) -> PlacedLookups:
    """Return where every lookup was read, once it is known which unit did."""
    of_lookup = np.zeros(trace.lookups, np.int64)
    of_lookup[executions.lookup] = np.repeat(unit, executions.instructions)
    channel, rank = (part.astype(np.int32) for part in divmod(of_lookup, system.ranks_per_channel))
    return replace(local, channel=channel[local.lookup], rank=rank[local.lookup])


def _details(program: Program, buses: list[Bus], cycles: int, system: System) -> dict[str, object]:
    each = program.executions
    ranks = system.memory.channels * system.ranks_per_channel
    unit = np.repeat(program.unit, each.instructions).astype(np.int32)
    clocks = {what: sum(bus.clocks[what] for bus in buses) for what in (DELIVERY, RETURN, POLLING)}
    whole = cycles * len(buses)
    clocks["waiting"] = whole - sum(clocks.values())
    return {
        "executions": len(each),
        "instructions": len(program.words),
        "instruction_bits": INSTRUCTION_BITS,
        "rank_load_imbalance": load_imbalance(unit, ranks),
        "batch_load_imbalance": load_imbalance(unit, ranks, np.repeat(each.batch, each.instructions)),
        "time_share": {what: n / whole if whole else 0.0 for what, n in clocks.items()},
        "polls": sum(bus.bursts[POLLING] for bus in buses) // REGISTER_BURSTS,
        "trace_bursts": int(each.trace_bursts.sum()),
        "psum_bursts": int(each.psum_bursts.sum()),
    }


def _memory_taken(trace: Trace, system: System, options: Options) -> dict[str, int]:
    """Return how many copies of the tables there are, and what more than one of them takes."""
    ranks = system.memory.channels * system.ranks_per_channel
    copies = ranks if options.policy == "replicate" else 1
    table_bytes = sum(table.entries * table.entry_bytes for table in trace.tables)
    return {"table_copies": copies, "extra_table_bytes": (copies - 1) * table_bytes}
