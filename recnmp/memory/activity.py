"""What the ranks behind one controller did: how often each command, and how long with a bank open."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.library.dram import COMMANDS
from recnmp.memory.commands import Commands

Floats = NDArray[np.float64]

_ACT, _PRE, _PREA, _PRESB = (COMMANDS.index(name) for name in ("ACT", "PRE", "PREA", "PREsb"))
_GROUP = 16
_NUMBER = (1 << _GROUP) - 1
"""A bank of a rank as one number: bank group, then bank."""
_COUNTED = ("ACT", "RD", "WR", "REF", "REFsb")


@dataclass(frozen=True)
class RankActivity:
    """What R ranks did in the first ``cycles`` clocks of a run; arrays of shape (R,).

    ``activates``, ``reads``, ``writes``, ``refreshes`` (of all banks) and ``same_bank_refreshes`` (of a set; none
    when not given) count commands, ``active_cycles`` the clocks with a bank open and ``idle_cycles`` those with
    none. The state of a clock is that after its command: it is active with the ACT, idle with the PRE, PREA or
    PREsb that closes the last bank.

    Raises RecnmpError when shapes differ, a figure is negative or the two states do not make up ``cycles``.
    """

    cycles: int
    activates: Floats
    reads: Floats
    writes: Floats
    refreshes: Floats
    active_cycles: Floats
    idle_cycles: Floats
    same_bank_refreshes: Floats | None = None

    def __post_init__(self) -> None:
        if self.same_bank_refreshes is None:
            object.__setattr__(self, "same_bank_refreshes", np.zeros(np.shape(self.activates)))
        for field in fields(self)[1:]:
            array = np.asarray(getattr(self, field.name), np.float64)
            if array.shape != np.shape(self.activates) or array.ndim != 1 or not (array >= 0).all():
                raise RecnmpError(f"rank activity: {field.name} must be (R,) figures, none below 0")
            object.__setattr__(self, field.name, array)
        apart = np.abs(self.active_cycles + self.idle_cycles - self.cycles)
        if not (apart <= 1e-12 * self.cycles).all():
            raise RecnmpError(f"rank activity: active and idle clocks of a rank do not make up {self.cycles}")

    def standing_by_until(self, cycles: int) -> "RankActivity":
        """Return the same ranks over a longer run: all banks closed from clock ``self.cycles`` on.

        Not counted: refreshes after that. Raises RecnmpError for a run that ends earlier.
        """
        if cycles < self.cycles:
            raise RecnmpError(f"rank activity: {self.cycles} clocks cannot end at clock {cycles}")
        return replace(self, cycles=cycles, idle_cycles=self.idle_cycles + (cycles - self.cycles))

    @classmethod
    def of_commands(cls, commands: Commands, ranks: int, cycles: int) -> "RankActivity":
        """Count the recorded commands of one controller in clocks 0 to ``cycles`` - 1, all banks closed at 0.

        Raises RecnmpError for a command in a later clock or of a rank beyond the last.
        """
        active = active_cycles_per_rank(commands, ranks, cycles)
        place = commands.rank * len(COMMANDS) + commands.command
        count = np.bincount(place, minlength=ranks * len(COMMANDS)).reshape(ranks, len(COMMANDS))
        act, rd, wr, ref, refsb = (count[:, COMMANDS.index(name)].astype(np.float64) for name in _COUNTED)
        idle = (cycles - active).astype(np.float64)
        return cls(cycles, act, rd, wr, ref, active.astype(np.float64), idle, refsb)

    @classmethod
    def of_totals(
        cls, counts: Mapping[str, int], ranks: int, cycles: int, active_rank_cycles: int
    ) -> "RankActivity":
        """Spread totals over ``ranks`` evenly: sums are exact, a rank's own figures are means.

        ``counts`` holds commands by name, ``active_rank_cycles`` the clocks with a bank open, summed over ranks; no
        REFsb means none.
        """
        totals = {"REFsb": 0} | dict(counts)
        act, rd, wr, ref, refsb = (np.full(ranks, totals[name] / ranks) for name in _COUNTED)
        active = np.full(ranks, active_rank_cycles / ranks)
        return cls(cycles, act, rd, wr, ref, active, cycles - active, refsb)


def active_cycles_per_rank(commands: Commands, ranks: int, cycles: int) -> NDArray[np.int64]:
    """Return the clocks from 0 to ``cycles`` - 1 after whose command a bank is open, shape (R,).

    ``commands`` are those of one controller in issue order; all banks are closed before the first. Raises
    RecnmpError for a command at or after ``cycles`` or of a rank beyond the last.
    """
    if len(commands) and (commands.cycle.max() >= cycles or commands.cycle.min() < 0):
        raise RecnmpError(f"energy: a command is outside the {cycles} clocks that are counted")
    if len(commands) and (commands.rank.max() >= ranks or commands.rank.min() < 0):
        raise RecnmpError(f"energy: a command names a rank that is none of {ranks}")
    active = np.zeros(ranks, np.int64)
    for rank in range(ranks):
        chosen = commands.rank == rank
        cycle, banks_opened = _bank_changes(
            commands.cycle[chosen],
            commands.command[chosen],
            (commands.bank_group[chosen] << _GROUP) + commands.bank[chosen],
        )
        lasts = np.diff(cycle, append=cycles)
        active[rank] = lasts[np.cumsum(banks_opened) > 0].sum()
    return active


def _bank_changes(
    cycle: NDArray[np.int64], command: NDArray[np.int8], bank: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Clocks in which banks of one rank may change state, and the banks then opened less those closed."""
    single = np.flatnonzero((command == _ACT) | (command == _PRE))
    several = np.flatnonzero((command == _PREA) | (command == _PRESB))
    banks = np.unique(bank[single])
    # a PREA is a PRE of each bank, a PREsb of each bank of its number; events of a bank lie together, in issue order
    event, of_bank = np.repeat(several, len(banks)), np.tile(banks, len(several))
    reached = (command[event] == _PREA) | (of_bank & _NUMBER == bank[event] & _NUMBER)
    event = np.concatenate([single, event[reached]])
    of_bank = np.concatenate([bank[single], of_bank[reached]])
    order = np.lexsort((event, of_bank))
    event, of_bank = event[order], of_bank[order]
    opened = (command[event] == _ACT).astype(np.int64)
    was_open = np.zeros_like(opened)
    was_open[1:] = np.where(of_bank[1:] == of_bank[:-1], opened[:-1], 0)
    net = np.zeros(len(cycle), np.int64)
    np.add.at(net, event, opened - was_open)
    return cycle, net
