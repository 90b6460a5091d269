"""A slow twin of the policy ``dramsim3``: one channel as DRAMsim3 schedules it, every clock one by one.

Written to be read beside the rules of DRAMsim3's controller (umd-memsys/DRAMsim3, commit 2981759), whose
command traces it reproduces. It knows no shortcut: every clock asks every waiting request what it needs next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from recnmp.library.dram import COMMANDS, DramSpec
from recnmp.memory.commands import Commands
from reference.dram_ranks import Bank, Command, Device
from reference.frfcfs_tick import Request

CAS_CAP = 4
"""Column commands after which an open row no longer keeps a waiting conflict from closing it."""
WRITES_WORTH_DRAINING = 8
"""More waiting writes than this are drained once all command queues are empty."""


class NeverEndsError(Exception):
    """The controller repeats the same clock for ever."""


class Place(NamedTuple):
    """An address."""

    rank: int
    bank_group: int
    bank: int
    row: int
    column: int


@dataclass(eq=False)
class Waiting:
    """A request that needs a command of its own, and the reads that its data answers as well."""

    number: int
    place: Place
    is_write: bool
    bank: Bank
    merged: list[int] = field(default_factory=list)
    touched: bool = False

    def next_command(self) -> str:
        """Open the row, use it, or close the other row that is open."""
        if self.bank.open_row is None:
            return "ACT"
        if self.bank.open_row == self.place.row:
            return "WR" if self.is_write else "RD"
        return "PRE"


@dataclass
class TickResult:
    """Commands in issue order; per request the clocks of acceptance and of the last data beat (write: -1)."""

    commands: list[Command]
    arrive: list[int] = field(default_factory=list)
    depart: list[int] = field(default_factory=list)
    row_hits: int = 0
    row_misses: int = 0
    row_conflicts: int = 0
    forwarded: int = 0
    absorbed: int = 0
    merged: int = 0
    cycles_drain: int = 0

    def as_commands(self) -> Commands:
        """The same commands as arrays."""
        rows = [(c.cycle, COMMANDS.index(c.name), *c[2:]) for c in self.commands]
        return Commands(*np.array(rows, np.int64).reshape(-1, 8).T)


class Controller:
    """Queues, round robin and refresh of one channel; ``accept`` then ``tick``, once each per clock."""

    def __init__(
        self,
        device: Device,
        per: str,
        refresh: str,
        *,
        transactions: int,
        commands: int,
        merge_reads: bool,
    ) -> None:
        if per not in ("bank", "rank") or refresh not in ("off", "staggered"):
            raise ValueError(f"unknown queue structure {per!r} or refresh {refresh!r}")
        self.device, self.per, self.refresh = device, per, refresh
        self.room, self.depth, self.merge_reads = transactions, commands, merge_reads
        self.reads: list[Waiting] = []
        self.writes: list[Waiting] = []
        groups, banks = (
            getattr(device.spec.organization, n).value for n in ("bank_groups", "banks_per_group")
        )
        names = [(r, g, b) for r in range(len(device.ranks)) for g in range(groups) for b in range(banks)]
        self.queues: dict[tuple[int, ...], list[Waiting]] = {self.queue_of(name): [] for name in names}
        self.turn = list(self.queues)  # in the order in which they are asked; the last was served last
        self.turn.append(self.turn.pop(0))
        self.pending_reads: dict[Place, list[Waiting]] = {}
        self.pending_writes: set[Place] = set()
        self.refreshes: list[int] = []  # ranks that wait for REF, first in first out
        self.to_drain = 0
        self.no_more = False
        self.end = 0
        self.result = TickResult(device.commands)

    def queue_of(self, place: Sequence[int]) -> tuple[int, ...]:
        """The name of the command queue an address belongs to."""
        return tuple(place[:3]) if self.per == "bank" else tuple(place[:1])

    def accept(self, request: Request, cycle: int) -> bool:
        """Take the request if its transaction queue has room, even where it needs none."""
        waiting_line = self.writes if request.is_write else self.reads
        if len(waiting_line) >= self.room:
            return False
        number, place = len(self.result.arrive), Place(*request[2:7])
        self.result.arrive.append(cycle)
        self.result.depart.append(-1)
        bank = self.device.ranks[place.rank].banks[place.bank_group, place.bank]
        waiting = Waiting(number, place, bool(request.is_write), bank)
        if place in self.pending_writes:
            if request.is_write:
                self.result.absorbed += 1
            else:
                self.result.forwarded += 1
                self.result.depart[number] = cycle + 1
            self.result.cycles_drain = max(self.result.cycles_drain, cycle + 1)
            self.end = max(self.end, cycle + 1)
        elif request.is_write:
            self.pending_writes.add(place)
            self.writes.append(waiting)
        elif self.merge_reads and place in self.pending_reads:
            self.pending_reads[place][0].merged.append(number)
            self.result.merged += 1
        else:
            self.pending_reads.setdefault(place, []).append(waiting)
            self.reads.append(waiting)
        return True

    def is_idle(self) -> bool:
        """Has every accepted request been issued?"""
        return not (self.reads or self.writes or any(self.queues.values()))

    def tick(self, cycle: int) -> None:
        """Issue at most one command, then move at most one transaction to a command queue."""
        ranks = len(self.device.ranks)
        if self.refresh == "staggered":
            interval = self.device.spec.cycles["nREFI"] // ranks
            if cycle and cycle % interval == 0:
                self.refreshes.append((cycle // interval - 1) % ranks)
        if not (self.refreshes and self.serve_refresh(cycle)):
            self.serve_queues(cycle)
        self.move()

    def legal(self, name: str, place: Sequence[int], cycle: int) -> bool:
        """Is the command allowed in this clock?"""
        return self.device.earliest(name, *place[:3]) <= cycle

    def serve_refresh(self, cycle: int) -> bool:
        """The refresh at the head: close the first bank that may be closed, or REF."""
        number = self.refreshes[0]
        opened = [at for at, bank in self.device.ranks[number].banks.items() if bank.open_row is not None]
        for group, bank in opened:
            if self.legal("PRE", (number, group, bank), cycle):
                self.device.issue(Command(cycle, "PRE", number, group, bank, -1, -1, -1))
                return True
        if opened or self.device.earliest("REF", number) > cycle:
            return False
        self.device.issue(Command(cycle, "REF", number, -1, -1, -1, -1, -1))
        self.refreshes.pop(0)
        return True

    def serve_queues(self, cycle: int) -> None:
        """Ask one queue after the other; a rank whose refresh is first in line is left out."""
        for place, name in enumerate(self.turn):
            if self.refreshes and name[0] == self.refreshes[0]:
                continue
            queue = self.queues[name]
            for waiting in queue:
                command = waiting.next_command()
                if self.legal(command, waiting.place, cycle) and self.allowed(command, waiting, queue):
                    self.issue(waiting, command, cycle, queue)
                    self.turn = self.turn[place + 1 :] + self.turn[: place + 1]
                    return

    def allowed(self, command: str, waiting: Waiting, queue: list[Waiting]) -> bool:
        """PRE only for the oldest of its bank, and while nothing hits the row or it has served its share."""
        if command != "PRE":
            return True
        of_bank = [other for other in queue if other.bank is waiting.bank]
        if of_bank[0] is not waiting:
            return False
        wanted = any(other.place.row == waiting.bank.open_row for other in of_bank)
        return not wanted or self.served(waiting.bank) >= CAS_CAP

    @staticmethod
    def served(bank: Bank) -> int:
        """Column commands since the row was opened."""
        opened = bank.last("ACT")
        cas = (*bank.issued.get("RD", [])[-CAS_CAP:], *bank.issued.get("WR", [])[-CAS_CAP:])
        return sum(cycle > opened for cycle in cas)

    def issue(self, waiting: Waiting, name: str, cycle: int, queue: list[Waiting]) -> None:
        """Issue for a request; RD and WR end it."""
        result, place = self.result, waiting.place
        if not waiting.touched:
            waiting.touched = True
            result.row_conflicts += name == "PRE"
            result.row_misses += name == "ACT"
            result.row_hits += name in ("RD", "WR")
        row = -1 if name == "PRE" else place.row
        column = place.column if name in ("RD", "WR") else -1
        self.device.issue(Command(cycle, name, *place[:3], row, column, waiting.number))
        if name in ("ACT", "PRE"):
            return
        queue.remove(waiting)
        timing = self.device.spec.cycles
        done = cycle + timing["nCL" if name == "RD" else "nCWL"] + timing["nBL"]
        result.cycles_drain = max(result.cycles_drain, done)
        if waiting.is_write:
            self.pending_writes.remove(place)
            self.end = max(self.end, cycle)
            return
        self.end = max(self.end, done)
        self.pending_reads[place].remove(waiting)
        if not self.pending_reads[place]:
            del self.pending_reads[place]
        for number in (waiting.number, *waiting.merged):
            result.depart[number] = done

    def move(self) -> None:
        """Move the first transaction whose command queue has room: of the reads, or while draining a write."""
        idle = not any(self.queues.values())
        full = len(self.writes) >= self.room or (len(self.writes) > WRITES_WORTH_DRAINING and idle)
        if self.to_drain == 0 and (full or (self.no_more and not self.reads)):
            self.to_drain = len(self.writes)
        line = self.writes if self.to_drain else self.reads
        for waiting in line:
            queue = self.queues[self.queue_of(waiting.place)]
            if len(queue) >= self.depth:
                continue
            if waiting.is_write:
                if waiting.place in self.pending_reads:
                    self.to_drain = 0
                    if full and idle:
                        raise NeverEndsError
                    return
                self.to_drain -= 1
            line.remove(waiting)
            queue.append(waiting)
            return


def run(
    spec: DramSpec,
    ranks: int,
    requests: Sequence[Sequence[int]],
    *,
    per: str = "bank",
    refresh: str = "staggered",
    transactions: int = 32,
    commands: int = 8,
    merge_reads: bool = True,
) -> TickResult:
    """Replay ``requests`` on one channel until every read returned and every write was issued.

    A request is (arrive, is_write, rank, bank_group, bank, row, column). Strictly in order, at most one is
    accepted per clock, not before its arrive clock and only if its transaction queue has room; its first
    command comes at the earliest one clock later.
    """
    controller = Controller(
        Device(spec, ranks),
        per,
        refresh,
        transactions=transactions,
        commands=commands,
        merge_reads=merge_reads,
    )
    todo = [Request(*map(int, request)) for request in requests]
    accepted, cycle = 0, 0
    while True:
        if accepted < len(todo):
            if todo[accepted].arrive <= cycle and controller.accept(todo[accepted], cycle):
                accepted += 1
        elif controller.is_idle() and cycle > controller.end:
            return controller.result
        controller.no_more = accepted == len(todo)
        controller.tick(cycle)
        cycle += 1
