"""DRAM on the time axis: command and data bus, banks with their open rows, reads in flight and bandwidth."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recnmp.library.dram import COMMANDS, DramSpec
from recnmp.memory.commands import Commands
from recnmp.nmp.recorded import Reads
from recnmp.report.timeline_events import Events, Track

BINS = 500
"""Samples of a counter over the window, at most."""

ACT, PRE, RD, WR, REF, PREA, REFSB, PRESB = (
    COMMANDS.index(n) for n in ("ACT", "PRE", "RD", "WR", "REF", "PREA", "REFsb", "PREsb")
)
_DATA = {RD: "nCL", WR: "nCWL"}


def draw_buses(events: Events, pid: int, spec: DramSpec, commands: Commands) -> None:
    """Draw every command of a command bus, and the data of those that move any."""
    command_bus, data_bus = events.track(pid, "C/A"), events.track(pid, "DQ")
    draw_commands(events, command_bus, spec, commands)
    draw_data(events, data_bus, spec, commands)


def draw_commands(events: Events, track: Track, spec: DramSpec, commands: Commands) -> None:
    """Draw every command for as long as it takes the bus."""
    for c in _in_window(events, commands):
        command, at = int(commands.command[c]), int(commands.cycle[c])
        where = {"rank": int(commands.rank[c])}
        if commands.bank[c] >= 0:
            where["bank"] = int(commands.bank[c])
        if commands.bank_group[c] >= 0:
            where["bank_group"] = int(commands.bank_group[c])
        if commands.request[c] >= 0:
            where["request"] = int(commands.request[c])
        events.slice(track, COMMANDS[command], at, at + int(spec.bus_cycles[command]), **where)


def draw_data(events: Events, track: Track, spec: DramSpec, commands: Commands) -> None:
    """Draw the beats of every read and write."""
    for c in _in_window(events, commands):
        command = int(commands.command[c])
        if command in _DATA:
            at = int(commands.cycle[c]) + spec.cycles[_DATA[command]]
            name = "read data" if command == RD else "write data"
            events.slice(track, name, at, at + spec.cycles["nBL"], request=int(commands.request[c]))


def draw_rank(events: Events, pid: int, spec: DramSpec, commands: Commands, end: int) -> None:
    """Draw every bank of one rank: its open rows until clock ``end``, and commands; and those of the whole rank."""
    groups, banks = spec.organization.bank_groups.value, spec.organization.banks_per_group.value
    tracks = [events.track(pid, f"bank {g}.{b}") for g in range(groups) for b in range(banks)]
    whole = events.track(pid, "all banks")
    slack = int(spec.bus_cycles.max())
    for lane, row, begin, close in _open_rows(commands, groups, banks, end):
        events.span(tracks[lane], f"row {row}", begin, close, slack)
    for c in _in_window(events, commands):
        command, at = int(commands.command[c]), int(commands.cycle[c])
        one = commands.bank_group[c] >= 0
        track = tracks[int(commands.bank_group[c]) * banks + int(commands.bank[c])] if one else whole
        args = {"column": int(commands.column[c])} if commands.column[c] >= 0 else {}
        if not one and commands.bank[c] >= 0:
            args = {"bank": int(commands.bank[c])}
        events.slice(track, COMMANDS[command], at, at + int(spec.bus_cycles[command]), **args)


def of_rank(commands: Commands, rank: int) -> Commands:
    """Return the commands of one rank."""
    mine = commands.rank == rank
    return Commands(*(getattr(commands, name)[mine] for name in Commands.__dataclass_fields__))


def _open_rows(commands: Commands, groups: int, banks: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield bank, row, and the clocks from which and until which it was open, in one rank."""
    opened: dict[int, tuple[int, int]] = {}
    for c in np.flatnonzero(~np.isin(commands.command, (RD, WR, REF, REFSB))):
        command, at = int(commands.command[c]), int(commands.cycle[c])
        group, bank = int(commands.bank_group[c]), int(commands.bank[c])
        lane = group * banks + bank
        if command == ACT:
            opened[lane] = int(commands.row[c]), at
            continue
        every = range(groups * banks) if command == PREA else range(bank, groups * banks, banks)
        for shut in (lane,) if command == PRE else every:
            if shut in opened:
                yield (shut, *opened.pop(shut), at)
    for lane, (row, begin) in sorted(opened.items()):
        yield lane, row, begin, end


def draw_reads(events: Events, pid: int, reads: Reads) -> None:
    """Count the gather's reads that the controller has accepted and whose data are not there yet."""
    back = reads.depart >= 0
    accepted, depart = np.sort(reads.accepted[back]), np.sort(reads.depart[back])
    for at in sample_clocks(events)[:-1]:
        waiting = np.searchsorted(accepted, at, "right") - np.searchsorted(depart, at, "right")
        events.counter(pid, "reads in flight", int(at), "reads", int(waiting))


def draw_bandwidth(events: Events, pid: int, spec: DramSpec, commands: list[Commands]) -> None:
    """Draw the data that RD and WR ask for, GB/s over each step of the window."""
    clocks = sample_clocks(events)
    bursts = np.zeros(len(clocks) - 1, np.int64)
    for one in commands:
        moves = np.isin(one.command, (RD, WR)) & (one.cycle < events.end)
        bursts += np.histogram(one.cycle[moves], clocks)[0]
    ns = np.diff(clocks) * spec.tCK_ps.value / 1000
    for at, rate in zip(clocks, bursts * spec.organization.burst_bytes.value / ns, strict=False):
        events.counter(pid, "bandwidth", int(at), "GB/s", round(float(rate), 3))


def sample_clocks(events: Events) -> NDArray[np.int64]:
    """Return where counters are sampled; the last is the end of the window."""
    step = max(32, -(-(events.end - events.start) // BINS))
    return np.append(np.arange(events.start, events.end, step), events.end)


def _in_window(events: Events, commands: Commands) -> range:
    first, last = np.searchsorted(commands.cycle, (events.start, events.end))
    return range(int(first), int(last))
