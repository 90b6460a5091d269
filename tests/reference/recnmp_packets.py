"""What RecNMP's slow twin sends: a trace cut into packets of instructions, read off trace and placement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from reference.frfcfs_tick import Request


@dataclass(frozen=True)
class Settings:
    """RecNMP's choices, named as its options are; clocks are the memory's.

    ``delivery`` is "compressed" (``instructions_per_burst`` in the time of a burst) or "ddr_commands" (one DRAM
    command of the host a clock).
    """

    poolings_per_packet: int = 8
    reorder_window: int = 16
    packets_in_flight: int = 2
    delivery: str = "compressed"
    instructions_per_burst: int = 8
    header_bursts_per_dimm: int = 1
    turnaround_cycles: int = 2
    rank_cache_cycles: int = 1
    pipeline_cycles: int = 4
    adder_cycles: int = 3
    multiplier_cycles: int = 4


@dataclass(eq=False)
class Burst:
    """64 B of an entry: where they lie, and where they came from once the instruction was decoded."""

    number: int  # in the placement
    request: Request
    line: int  # in its rank
    decoded: int = -1  # clock at which the cache answers, or DRAM is asked
    accepted: int = -1  # number of its instruction's request in the rank's DRAM controller
    source: "Burst | None" = None  # of a hit: the burst whose read fetched its line


@dataclass(frozen=True)
class Instruction:
    """One lookup: its bursts, in one row of one bank, in column order."""

    rank: int
    bursts: list[Burst]
    may_cache: bool  # LocalityBit

    @property
    def bank(self) -> tuple[int, int, int]:
        """Rank, bank group and bank."""
        where = self.bursts[0].request
        return self.rank, where.bank_group, where.bank

    @property
    def row(self) -> int:
        """Row of its bank."""
        return self.bursts[0].request.row


@dataclass(eq=False)
class Packet:
    """Instructions delivered together, the partial sums read back for them, and when what happened to it."""

    number: int  # in program order
    instructions: list[Instruction] = field(default_factory=list)
    result_bursts: dict[tuple[int, int], int] = field(default_factory=dict)  # of each bag on each DIMM
    header_at: int = -1  # the bus turns to it
    instructions_at: int = -1  # instructions begin
    delivered_at: int = -1  # the last one is there
    ready_at: int = -1  # its sums are in the output buffers
    results_at: int = -1  # first RD for them
    returned_at: int = -1  # their last beat has left DQ

    @property
    def clocks(self) -> tuple[int, int, int, int, int, int]:
        """The six clocks in the order in which they pass."""
        return (
            self.header_at,
            self.instructions_at,
            self.delivered_at,
            self.ready_at,
            self.results_at,
            self.returned_at,
        )

    @property
    def ranks(self) -> set[int]:
        """Ranks that execute a part of it."""
        return {instruction.rank for instruction in self.instructions}

    @property
    def dimms(self) -> set[int]:
        """DIMMs of those ranks."""
        return {dimm for _, dimm in self.result_bursts}


class HostView:
    """The host's own record of open rows, from which it says what DRAM commands an instruction stands for."""

    def __init__(self) -> None:
        self.open_rows: dict[tuple[int, int, int], int] = {}

    def commands(self, instruction: Instruction) -> list[str]:
        """PRE and ACT as the row needs them, and RD for every burst; then this row is open."""
        bank, row = instruction.bank, instruction.row
        opening = []
        if bank not in self.open_rows:
            opening = ["ACT"]
        elif self.open_rows[bank] != row:
            opening = ["PRE", "ACT"]
        self.open_rows[bank] = row
        return opening + ["RD"] * len(instruction.bursts)


def packets_of(
    trace,
    placed,
    system,
    settings,
    order: Sequence[int] | None = None,
    locality: Sequence[bool] | None = None,
) -> dict[int, list[Packet]]:
    """Cut every call's bags into packets, and each packet into one for every channel that it uses.

    Packets are numbered in program order, over all channels; ``order`` lists those numbers as they are to be
    delivered. ``locality`` says of every lookup whether the cache may keep it; without it all may be kept.
    """
    lookups: dict[int, list[int]] = {}
    for lookup, bag in enumerate(trace.bag.tolist()):
        lookups.setdefault(bag, []).append(lookup)
    parts: list[dict[int, Packet]] = []
    for first, bags in zip(trace.calls.first_bag.tolist(), trace.calls.bags.tolist(), strict=True):
        for start in range(first, first + bags, settings.poolings_per_packet):
            mine: dict[int, Packet] = {}
            for bag in range(start, min(start + settings.poolings_per_packet, first + bags)):
                for lookup in lookups.get(bag, []):
                    packet = mine.setdefault(int(placed.channel[placed.first[lookup]]), Packet(len(parts)))
                    may_cache = locality is None or bool(locality[lookup])
                    instruction = instruction_of(lookup, placed, system, may_cache)
                    packet.instructions.append(instruction)
                    dimm = instruction.rank // system.memory.ranks_per_dimm
                    # sums are FP32 whatever the entries are
                    packet.result_bursts[bag, dimm] = ceil(trace.tables[trace.table[lookup]].dim * 4 / 64)
            parts.append(mine)
    in_order = [parts[number] for number in (range(len(parts)) if order is None else order)]
    return {c: [part[c] for part in in_order if c in part] for c in range(system.memory.channels)}


def instruction_of(lookup: int, placed, system, may_cache: bool) -> Instruction:
    """The instruction that reads a lookup's entry."""
    org, bursts = system.spec.organization, []
    numbers = range(placed.first[lookup], placed.first[lookup + 1])
    for number in numbers:
        bank, row, column = (int(a[number]) for a in (placed.flat_bank, placed.row, placed.column))
        line = (row * system.spec.banks_per_rank + bank) * org.bursts_per_row.value + column
        request = Request(0, 0, 0, *divmod(bank, org.banks_per_group.value), row, column)
        bursts.append(Burst(number, request, line))
    return Instruction(int(placed.rank[numbers[0]]), bursts, may_cache)
