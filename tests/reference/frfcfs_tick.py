"""A slow twin of the DRAM engine: one channel, FR-FCFS, every clock cycle one by one.

Written to be read beside the rules of Ramulator 2.1's ``GenericDDR`` controller (CMU-SAFARI/ramulator2,
commit c5b1c3a), whose command traces it reproduces. It knows no shortcut: every cycle asks every waiting
request what it needs next. Closed pages, the row-hit cap, the merging of reads, the holding of places until the
column command, same-bank refresh and requests of several bursts are rules of our own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from recnmp.library.dram import COMMANDS, DramSpec
from recnmp.memory.commands import Commands
from reference.dram_ranks import Bank, Command, Device


class Request(NamedTuple):
    """What the front end asks for: bursts of one row, not before cycle ``arrive``."""

    arrive: int
    is_write: int
    rank: int
    bank_group: int
    bank: int
    row: int
    column: int
    more: tuple[int, ...] = ()  # columns to read after that one, in this order


@dataclass
class TickResult:
    """Commands in issue order; per request the cycles of acceptance and of the last data beat (write: -1).

    A request's first command says what it met: its row, a closed bank or another row. A hit is also every column
    command of a request after its first.
    """

    commands: list[Command]
    arrive: list[int]
    depart: list[int]
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


@dataclass(eq=False)
class Waiting:
    """A request inside the controller."""

    number: int
    request: Request
    bank: Bank
    columns: list[int]  # not read or written yet
    touched: bool = False
    started: bool = False  # its first column command was issued
    followers: list[int] = field(default_factory=list)  # reads of the same bursts that end with this one

    def next_command(self) -> str:
        """Open the row, use it, or close the other row that is open."""
        if self.bank.open_row is None:
            return "ACT"
        if self.bank.open_row == self.request.row:
            return "WR" if self.request.is_write else "RD"
        return "PRE"


class Rules(NamedTuple):
    """What a controller may do beyond its policy.

    With ``hold_slots`` a request whose row was opened for it keeps its place in the queue until its last RD or WR.
    """

    page_policy: str = "open"
    row_hit_cap: int | None = None
    forward_writes: bool = True
    merge_reads: bool = False
    hold_slots: bool = False


RAMULATOR = Rules()
REFRESHES = ("off", "simultaneous", "staggered", "same_bank")


class Controller:
    """Queues, priorities and refresh of one channel; ``accept`` then ``tick``, once each per cycle."""

    def __init__(
        self,
        device: Device,
        policy: str,
        refresh: str,
        read_queue: int,
        write_queue: int,
        rules: Rules = RAMULATOR,
    ) -> None:
        if policy not in ("frfcfs", "frfcfs_rowhit") or refresh not in REFRESHES:
            raise ValueError(f"unknown policy {policy!r} or refresh {refresh!r}")
        self.device, self.rules = device, rules
        self.protect_row_hits = policy == "frfcfs_rowhit"
        self.refresh = refresh
        self.read_queue, self.write_queue = read_queue, write_queue
        self.reads: list[Waiting] = []
        self.writes: list[Waiting] = []
        self.active: list[Waiting] = []
        self.refreshes: list[int] = []  # ranks that wait for REF or REFsb, first in first out
        self.owed = [0] * len(device.ranks)  # REFsb that fell due and were not issued yet
        self.turn = [0] * len(device.ranks)  # the set of banks that a rank's next REFsb is for
        self.write_mode = False
        self.result = TickResult(device.commands, [], [])

    def accept(self, request: Request, cycle: int) -> bool:
        """Take the request if there is room; what a waiting request of the same bursts answers needs none."""
        number = len(self.result.arrive)
        depart = -1
        if self.is_queued_write(request) and (request.is_write or self.rules.forward_writes):
            self.result.absorbed += request.is_write
            if not request.is_write:
                self.result.forwarded += 1
                depart = cycle + 1
        elif not request.is_write and self.rules.merge_reads and (same := self.unread(request)):
            self.result.merged += 1
            same.followers.append(number)
        else:
            queue, room = (
                (self.writes, self.write_queue) if request.is_write else (self.reads, self.read_queue)
            )
            if len(queue) + self.held_places(request.is_write) >= room:
                return False
            bank = self.device.ranks[request.rank].banks[request.bank_group, request.bank]
            queue.append(Waiting(number, request, bank, [request.column, *request.more]))
        self.result.arrive.append(cycle)
        self.result.depart.append(depart)
        return True

    def held_places(self, is_write: int) -> int:
        """Places of a queue that requests keep while their opened rows are still to be used for them."""
        if not self.rules.hold_slots:
            return 0
        return sum(waiting.request.is_write == is_write for waiting in self.active)

    def is_queued_write(self, request: Request) -> bool:
        """Does a write of the same burst wait in the queue?"""
        return any(write.request[2:] == request[2:] for write in self.writes)

    def unread(self, request: Request) -> Waiting | None:
        """The read that has exactly these bursts still to read."""
        for waiting in self.reads + self.active:
            bank = (request.rank, request.bank_group, request.bank, request.row)
            same = not waiting.request.is_write and waiting.request[2:6] == bank
            if same and waiting.columns == [request.column, *request.more]:
                return waiting
        return None

    def tick(self, cycle: int) -> None:
        """Issue at most one command."""
        by_sets = self.refresh == "same_bank"
        self.request_refresh(cycle)
        if by_sets and self.serve_set(cycle):
            return
        if self.serve_active(cycle):
            return
        if self.refreshes and not by_sets:
            self.serve_refresh(cycle)
            return
        self.choose_mode()
        if not self.serve_queue(self.writes if self.write_mode else self.reads, cycle) and not self.refreshes:
            self.close_unused(cycle)

    def is_idle(self) -> bool:
        """Has every accepted request been issued?"""
        return not (self.reads or self.writes or self.active)

    def request_refresh(self, cycle: int) -> None:
        """Each rank is due once an interval.

        A rank that still waits to have a set refreshed when it is due again does not wait in two places: it queues
        anew after its REFsb.
        """
        for rank in range(len(self.device.ranks) if self.refresh != "off" else 0):
            since = cycle - self.first_due(rank, len(self.device.ranks))
            if since >= 0 and since % self.interval() == 0:
                self.owed[rank] += 1
                if self.refresh != "same_bank" or rank not in self.refreshes:
                    self.refreshes.append(rank)

    def interval(self) -> int:
        """Clocks between two refreshes of a rank: by sets of banks, as many in nREFI2 as there are sets."""
        timing, sets = self.device.spec.cycles, self.device.spec.organization.banks_per_group.value
        return timing["nREFI2"] // sets if self.refresh == "same_bank" else timing["nREFI"]

    def first_due(self, rank: int, ranks: int) -> int:
        """First refresh of a rank: all together, or spread evenly over the interval."""
        if self.refresh == "simultaneous":
            return self.interval()
        return (rank + 1) * (self.interval() // ranks)

    def legal(self, waiting: Waiting, name: str, cycle: int) -> bool:
        """Is the command this request needs allowed in this cycle?"""
        where = waiting.request
        return self.device.earliest(name, where.rank, where.bank_group, where.bank) <= cycle

    def serve_active(self, cycle: int) -> bool:
        """First of all, the oldest request whose row was opened for it and is ready."""
        for waiting in sorted(self.active, key=lambda w: w.number):
            name = waiting.next_command()
            if self.legal(waiting, name, cycle):
                self.issue(waiting, name, cycle, self.active)
                return True
        return False

    def serve_refresh(self, cycle: int) -> None:
        """The refresh at the head: close the rank, then REF; everything else waits."""
        number = self.refreshes[0]
        banks = self.device.ranks[number].banks.values()
        name = "PREA" if any(bank.open_row is not None for bank in banks) else "REF"
        if self.device.earliest(name, number) > cycle:
            return
        if name == "PREA" and any(bank.active is not None for bank in banks):
            return
        self.device.issue(Command(cycle, name, number, -1, -1, -1, -1, -1))
        if name == "REF":
            self.refreshes.pop(0)

    def serve_set(self, cycle: int) -> bool:
        """The rank at the head: close the set whose turn it is, then REFsb; all other banks go on."""
        if not self.refreshes:
            return False
        rank = self.refreshes[0]
        number = self.turn[rank]
        banks = [bank for (_, place), bank in self.device.ranks[rank].banks.items() if place == number]
        name = "PREsb" if any(bank.open_row is not None for bank in banks) else "REFsb"
        if any(bank.active for bank in banks) or self.device.earliest(name, rank, -1, number) > cycle:
            return False
        self.device.issue(Command(cycle, name, rank, -1, number, -1, -1, -1))
        if name == "REFsb":
            self.owed[rank] -= 1
            self.turn[rank] = (number + 1) % self.device.spec.organization.banks_per_group.value
            self.refreshes = self.refreshes[1:] + [rank] * (self.owed[rank] > 0)
        return True

    def is_held(self, where: Request) -> bool:
        """Does the request's bank wait to be refreshed, so that it starts nothing new?"""
        waits = self.refresh == "same_bank" and where.rank in self.refreshes
        return waits and self.turn[where.rank] == where.bank

    def delays_refresh(self, where: Request, cycle: int) -> bool:
        """Would an ACT now keep the refresh at the head waiting, though its set is closed?"""
        if self.refresh != "same_bank" or where.rank not in self.refreshes[:1]:
            return False
        number = self.turn[where.rank]
        banks = [bank for (_, place), bank in self.device.ranks[where.rank].banks.items() if place == number]
        if any(bank.open_row is not None for bank in banks):
            return False
        waits = [
            wait
            for row, wait in self.device.rules
            if row.scope == "rank" and "ACT" in row.after and "REFsb" in row.before
        ]
        return cycle + max(waits, default=0) > self.device.earliest("REFsb", where.rank, -1, number)

    def choose_mode(self) -> None:
        """Start writing above 80 % of the write queue or with nothing to read, stop below 20 %."""
        if self.write_mode:
            self.write_mode = not (5 * len(self.writes) < self.write_queue and self.reads)
        else:
            self.write_mode = 5 * len(self.writes) > 4 * self.write_queue or not self.reads

    def serve_queue(self, queue: list[Waiting], cycle: int) -> bool:
        """The oldest request whose next command is legal now."""
        for place, waiting in enumerate(queue):
            name = waiting.next_command()
            if self.is_held(waiting.request) or (
                name == "ACT" and self.delays_refresh(waiting.request, cycle)
            ):
                continue
            if name == "PRE" and (waiting.bank.active or self.is_protected(waiting.bank, queue[:place])):
                continue
            if name in ("RD", "WR") and self.is_capped(waiting.bank, queue[:place]):
                continue
            if self.legal(waiting, name, cycle):
                self.issue(waiting, name, cycle, queue)
                return True
        return False

    def is_protected(self, bank: Bank, older: Sequence[Waiting]) -> bool:
        """With row-hit protection, a row stays open while an older request of the queue hits it."""
        hit = any(w.bank is bank and w.request.row == bank.open_row for w in older)
        return self.protect_row_hits and hit and not self.cap_is_reached(bank)

    def is_capped(self, bank: Bank, older: Sequence[Waiting]) -> bool:
        """At the cap, a hit waits behind an older request of its queue for another row of the bank."""
        conflict = any(w.bank is bank and w.request.row != bank.open_row for w in older)
        return conflict and self.cap_is_reached(bank)

    def cap_is_reached(self, bank: Bank) -> bool:
        """Did the row get as many column commands since it was opened as the cap allows?"""
        if self.rules.row_hit_cap is None:
            return False
        opened = bank.last("ACT")
        columns = [cycle for name in ("RD", "WR") for cycle in bank.issued.get(name, []) if cycle > opened]
        return len(columns) >= self.rules.row_hit_cap

    def close_unused(self, cycle: int) -> None:
        """With closed pages, a cycle that nothing else uses closes the first row that nobody can use."""
        if self.rules.page_policy == "open":
            return
        for number, rank in enumerate(self.device.ranks):
            for (group, place), bank in rank.banks.items():
                if bank.open_row is None or bank.active or self.is_of_use(bank):
                    continue
                if self.device.earliest("PRE", number, group, place) <= cycle:
                    self.device.issue(Command(cycle, "PRE", number, group, place, -1, -1, -1))
                    return

    def is_of_use(self, bank: Bank) -> bool:
        """Does a request of either queue hit the open row, without having to wait behind the cap?"""
        return any(
            w.bank is bank and w.request.row == bank.open_row and not self.is_capped(bank, queue[:place])
            for queue in (self.reads, self.writes)
            for place, w in enumerate(queue)
        )

    def issue(self, waiting: Waiting, name: str, cycle: int, queue: list[Waiting]) -> None:
        """Issue for a request; ACT makes it active, its last RD or WR ends it."""
        where, is_column = waiting.request, name in ("RD", "WR")
        if not waiting.touched:
            waiting.touched = True
            self.result.row_conflicts += name == "PRE"
            self.result.row_misses += name == "ACT"
            self.result.row_hits += is_column
        self.result.row_hits += is_column and waiting.started
        row = -1 if name == "PRE" else where.row
        column = waiting.columns.pop(0) if is_column else -1
        self.device.issue(
            Command(cycle, name, where.rank, where.bank_group, where.bank, row, column, waiting.number)
        )
        if is_column:
            self.end_burst(waiting, name, cycle)
        if name == "PRE" or (is_column and waiting.columns):
            return  # it keeps its place and its age
        queue.remove(waiting)
        if name == "ACT":
            self.active.append(waiting)
            waiting.bank.active = waiting
        elif waiting.bank.active is waiting:
            waiting.bank.active = None

    def end_burst(self, waiting: Waiting, name: str, cycle: int) -> None:
        """Reads return with the last data beat of the last burst."""
        waiting.started = True
        timing = self.device.spec.cycles
        end = cycle + timing["nCL" if name == "RD" else "nCWL"] + timing["nBL"]
        self.result.cycles_drain = max(self.result.cycles_drain, end)
        if name == "RD" and not waiting.columns:
            for number in (waiting.number, *waiting.followers):
                self.result.depart[number] = end


def run(
    spec: DramSpec,
    ranks: int,
    requests: Sequence[Sequence[int]],
    *,
    policy: str = "frfcfs",
    refresh: str = "simultaneous",
    read_queue: int = 32,
    write_queue: int = 32,
    **rules: object,
) -> TickResult:
    """Replay ``requests`` on one channel until every read returned and every write was issued.

    A request is (arrive, is_write, rank, bank_group, bank, row, column, further columns of a read if any).
    Strictly in order, at most one is accepted per cycle, not before its arrive cycle and only if its queue has
    room; its first command comes at the earliest one cycle later. ``rules`` are fields of ``Rules``.
    """
    controller = Controller(Device(spec, ranks), policy, refresh, read_queue, write_queue, Rules(**rules))
    todo = [Request(*map(int, request[:7]), tuple(map(int, request[7:]))) for request in requests]
    accepted, cycle = 0, 0
    while True:
        if accepted < len(todo):
            if todo[accepted].arrive <= cycle and controller.accept(todo[accepted], cycle):
                accepted += 1
        elif controller.is_idle() and cycle >= max(controller.result.depart, default=0):
            return controller.result
        cycle += 1
        controller.tick(cycle)
