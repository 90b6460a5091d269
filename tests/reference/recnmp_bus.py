"""A judge of RecNMP's buses: pure functions over when each packet of a channel passed, whoever says so.

Knows nothing of ranks' DRAM: when results were ready is taken as given.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from reference.recnmp_packets import HostView, Packet, Settings


class Passage(NamedTuple):
    """The six clocks of a packet in the order in which they pass; packets stand in the order of delivery."""

    header_at: int
    instructions_at: int
    delivered_at: int
    ready_at: int
    results_at: int
    returned_at: int


class Load(NamedTuple):
    """What a packet asks of the buses: where it goes, and for how long it takes them."""

    ranks: frozenset[int]
    header_bursts: int
    instruction_clocks: int
    result_clocks: int


class Bus(NamedTuple):
    """Timings of the channel, and packets that a rank holds."""

    nCL: int
    nCWL: int
    nBL: int
    turnaround: int
    buffers: int


class Use(NamedTuple):
    """A packet has a bus from clock ``start`` up to, not including, clock ``end``."""

    start: int
    end: int
    what: str
    packet: int


def loads_of(packets: Sequence[Packet], settings: Settings, cycles: dict[str, int]) -> list[Load]:
    """What packets ask for in their order of delivery; their clocks are not looked at."""
    host, loads = HostView(), []
    for packet in packets:
        commands = sum(len(host.commands(instruction)) for instruction in packet.instructions)
        clocks = ceil(len(packet.instructions) * cycles["nBL"] / settings.instructions_per_burst)
        loads.append(
            Load(
                frozenset(packet.ranks),
                settings.header_bursts_per_dimm * len(packet.dimms),
                clocks if settings.delivery == "compressed" else commands,
                sum(packet.result_bursts.values()) * cycles["nBL"] + len(packet.dimms) * cycles["nRTRS"],
            )
        )
    return loads


def violations(loads: Sequence[Load], passages: Sequence[Passage], bus: Bus) -> list[str]:
    """Say what these packets may not have done on one channel; nothing when all is well."""
    found: list[str] = []
    for p, (load, passage) in enumerate(zip(loads, passages, strict=True)):
        found += (f"packet {p}: {what}" for what in _wrong_times(load, passage, bus))
    uses = list(zip(loads, passages, strict=True))
    on_ca = [use for p, (load, passage) in enumerate(uses) for use in _on_ca(p, load, passage)]
    on_dq = [use for p, (load, passage) in enumerate(uses) for use in _on_dq(p, load, passage, bus)]
    found += _overlaps("C/A", on_ca)
    found += _overlaps("DQ", on_dq)
    found += _missing_turnarounds(on_dq, passages, bus)
    found += _out_of_order(passages)
    found += _missing_buffers(loads, passages, bus)
    return found


def _wrong_times(load: Load, passage: Passage, bus: Bus) -> Iterator[str]:
    header = bus.nCWL + load.header_bursts * bus.nBL if load.header_bursts else 0
    if passage.header_at < 0:
        yield "starts before the run"
    if passage.instructions_at - passage.header_at != header:
        yield f"header does not take {header} clocks"
    if passage.delivered_at - passage.instructions_at != load.instruction_clocks:
        yield f"instructions do not take {load.instruction_clocks} clocks"
    if passage.ready_at < passage.delivered_at:
        yield "ready before it was delivered"
    if passage.results_at < passage.ready_at:
        yield "results are read before they are ready"
    if passage.returned_at - passage.results_at - bus.nCL != load.result_clocks:
        yield f"results do not take {load.result_clocks} clocks of DQ after nCL"


def _on_ca(p: int, load: Load, passage: Passage) -> Iterator[Use]:
    """A delivery without a break, and read commands for results at the pace of their data."""
    yield Use(passage.header_at, passage.delivered_at, "commands", p)
    yield Use(passage.results_at, passage.results_at + load.result_clocks, "results", p)


def _on_dq(p: int, load: Load, passage: Passage, bus: Bus) -> Iterator[Use]:
    """Header data end where instructions start, whatever nCWL is."""
    yield Use(passage.instructions_at - load.header_bursts * bus.nBL, passage.instructions_at, "header", p)
    yield Use(passage.instructions_at, passage.delivered_at, "instructions", p)
    yield Use(passage.results_at + bus.nCL, passage.returned_at, "results", p)


def _overlaps(name: str, uses: Sequence[Use]) -> Iterator[str]:
    taken = sorted(use for use in uses if use.end > use.start)
    for before, after in pairwise(taken):
        if after.start < before.end:
            yield (
                f"packet {after.packet}: {after.what} on {name} at {after.start}, but {before.what} of packet "
                f"{before.packet} end at {before.end}"
            )


def _missing_turnarounds(on_dq: Sequence[Use], passages: Sequence[Passage], bus: Bus) -> Iterator[str]:
    """Between results and the next delivery, be it a header's command or an instruction."""
    results = sorted(use for use in on_dq if use.what == "results")
    for p, passage in enumerate(passages):
        before = [use for use in results if use.start < passage.delivered_at]
        if before and passage.header_at < before[-1].end + bus.turnaround:
            yield f"packet {p}: begins at {passage.header_at} without a turnaround from {before[-1].end}"


def _out_of_order(passages: Sequence[Passage]) -> Iterator[str]:
    for p, (before, after) in enumerate(pairwise(passages), 1):
        if after.header_at < before.delivered_at:
            yield f"packet {p}: delivered before the one in front of it"
        if after.results_at < before.results_at:
            yield f"packet {p}: results are read before those of the one in front of it"


def _missing_buffers(loads: Sequence[Load], passages: Sequence[Passage], bus: Bus) -> Iterator[str]:
    """A rank's buffer is taken from the header on until the packet's results have left DQ."""
    for p, load in enumerate(loads):
        for rank in sorted(load.ranks):
            held = [
                q
                for q in range(p)
                if rank in loads[q].ranks and passages[q].returned_at > passages[p].header_at
            ]
            if len(held) >= bus.buffers:
                yield f"packet {p}: rank {rank} still holds packets {held}"


def earliest(loads: Sequence[Load], ready: Sequence[int], bus: Bus) -> list[Passage]:
    """When packets pass if no clock is lost, given when each one's results are ready.

    A packet goes as soon as it has buffers; only when one is missing, or with nothing left to send, results are
    read back, the oldest first.
    """
    ca = dq = turnaround = 0
    sent: list[tuple[int, int, int]] = []
    passages: list[Passage] = []

    def read_back() -> tuple[int, int, int]:
        p = len(passages)
        at = max(ca, ready[p], dq - bus.nCL)
        data = at + bus.nCL
        passages.append(Passage(*sent[p], ready[p], at, data + loads[p].result_clocks))
        return at + loads[p].result_clocks, data + loads[p].result_clocks, bus.turnaround

    for p, load in enumerate(loads):
        while any(
            sum(rank in loads[q].ranks for q in range(len(passages), p)) >= bus.buffers for rank in load.ranks
        ):
            ca, dq, turnaround = read_back()
        begin = max(ca, dq) + turnaround
        start = begin + (bus.nCWL + load.header_bursts * bus.nBL if load.header_bursts else 0)
        sent.append((begin, start, start + load.instruction_clocks))
        ca = dq = start + load.instruction_clocks
        turnaround = 0
    while len(passages) < len(loads):
        ca, dq, turnaround = read_back()
    return passages
