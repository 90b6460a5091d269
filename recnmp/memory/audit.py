"""An independent judge of DRAM commands: is what was issued on a channel legal by the standard?

It knows the standard's constraint rows and the commands, nothing of how they were chosen, and shares no code
with the engine. Not judged: whether the schedule is a good one, whether the right data was read, power-down,
and what the standard's constraint table does not state.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.library.dram import COMMANDS, SAME_BANK, DramSpec
from recnmp.memory._history import Positions, is_any
from recnmp.memory.commands import Commands
from recnmp.memory.legality import Finding, plain, strangers, violations

_TOLD = 8
_BLOCK = 1 << 17
"""Commands judged at a time; it bounds the memory the audit needs, not what it finds."""


@dataclass(frozen=True)
class Report:
    """What the audit found.

    ``count`` violations, one for every rule that a command breaks; ``by_rule`` how many there are of each
    broken rule; ``first`` the first few in words, in the order of the commands.
    """

    count: int
    by_rule: dict[str, int]
    first: tuple[str, ...]


@dataclass
class _Tally:
    """Findings counted so far, and the first few of them in words."""

    by_rule: dict[str, int] = field(default_factory=dict)
    told: list[tuple[int, str]] = field(default_factory=list)

    def add(self, findings: Iterable[Finding], start: int = 0, skip: int = 0) -> None:
        """Count findings of commands that begin at position ``start``, all but the first ``skip`` of them."""
        for found in findings:
            new = np.flatnonzero(found.at >= skip)
            if len(new):
                self.by_rule[found.rule] = self.by_rule.get(found.rule, 0) + len(new)
                earliest = new[np.argsort(found.at[new], kind="stable")[:_TOLD]]
                self.told.extend((start + int(found.at[i]) - skip, found.tell(int(i))) for i in earliest)
        self.told = sorted(self.told)[:_TOLD]

    def report(self) -> Report:
        return Report(sum(self.by_rule.values()), self.by_rule, tuple(text for _, text in self.told))


class Auditor:
    """Judges the commands of one channel as they come, however they are cut, in the memory of one block.

    Checked: at most one command per cycle, in order of time; every constraint row; a column command needs its
    own row open, ACT a closed bank, PRE an open one, REF a wholly closed rank; bursts do not overlap on the
    data bus; with ``refresh`` ``simultaneous`` (all ranks due together) or ``staggered`` (due one after the
    other), no rank waits for a refresh for nREFI or longer; with ``same_bank`` (ranks due one after the other),
    no set of banks for nREFI2, and none is refreshed again before all others of its rank. REF and REFsb are never
    too early, and with ``off`` never missing.

    Raises RecnmpError for an unknown ``refresh`` and ConfigError for one that the standard does not have. Commands
    that the standard does not have, or to ranks, banks or rows that do not exist, are violations, and then the
    only ones reported.
    """

    def __init__(self, spec: DramSpec, ranks: int, *, refresh: str) -> None:
        if refresh not in ("off", "simultaneous", "staggered", SAME_BANK):
            raise RecnmpError(
                f"audit: refresh {refresh!r} is not one of off, simultaneous, staggered, same_bank"
            )
        spec.check_refresh(refresh)
        self._spec, self._ranks = spec, ranks
        self._strangers, self._tally = _Tally(), _Tally()
        self._past: Commands | None = None
        self._judged = 0
        self._refreshes = None if refresh == "off" else _Refreshes(spec, ranks, refresh)

    def add(self, commands: Commands) -> None:
        """Judge the channel's next commands."""
        for start in range(0, len(commands), _BLOCK):
            self._add_block(_take(commands, slice(start, start + _BLOCK)))

    def _add_block(self, block: Commands) -> None:
        self._strangers.add(strangers(self._spec, self._ranks, block), self._judged)
        if not self._strangers.by_rule:
            known = block if self._past is None else _joined(self._past, block)
            found = violations(self._spec, self._ranks, known)
            self._tally.add(found, self._judged, skip=len(known) - len(block))
            self._past = _remembered(self._spec, known)
            if self._refreshes is not None:
                self._tally.add(self._refreshes.late(block), self._judged)
        self._judged += len(block)

    def report(self) -> Report:
        """Return what was found, refreshes included that should have come by the last command."""
        if self._strangers.by_rule:
            return self._strangers.report()
        tally = _Tally(dict(self._tally.by_rule), list(self._tally.told))
        if self._refreshes is not None and self._judged:
            tally.add(self._refreshes.forgotten(), self._judged - 1)
        return tally.report()


def audit(spec: DramSpec, ranks: int, commands: Commands, *, refresh: str) -> Report:
    """Judge all commands of one channel of ``ranks`` ranks as ``Auditor`` does."""
    auditor = Auditor(spec, ranks, refresh=refresh)
    auditor.add(commands)
    return auditor.report()


def _take(commands: Commands, which: slice | NDArray[np.int64]) -> Commands:
    return Commands(*(getattr(commands, field.name)[which] for field in fields(Commands)))


def _joined(one: Commands, other: Commands) -> Commands:
    names = [field.name for field in fields(Commands)]
    return Commands(*(np.concatenate([getattr(one, name), getattr(other, name)]) for name in names))


def _remembered(spec: DramSpec, commands: Commands) -> Commands:
    """The few commands that later ones can be measured against: the last of each kind in each bank."""
    depth = max(row.window for row in spec.constraints)
    banks = (spec.organization.bank_groups.value + 1) * (spec.organization.banks_per_group.value + 1)
    bank = (commands.bank_group + 1) * (spec.organization.banks_per_group.value + 1) + commands.bank + 1
    key = (commands.rank * banks + bank) * len(COMMANDS) + commands.command
    order = np.argsort(key.astype(np.int16) if key.max(initial=0) < 2**15 else key, kind="stable")
    is_last = np.ones(len(key), bool)
    is_last[:-depth] = key[order[:-depth]] != key[order[depth:]]
    return _take(commands, np.sort(order[is_last]))


class _Refreshes:
    """Refreshes of every rank so far against those that were due."""

    def __init__(self, spec: DramSpec, ranks: int, refresh: str) -> None:
        sets = refresh == SAME_BANK
        self._name, self._most = ("REFsb", "nREFI2") if sets else ("REF", "nREFI")
        self._sets = spec.organization.banks_per_group.value if sets else 1
        self._interval = spec.same_bank_interval if sets else spec.cycles["nREFI"]
        self._grace = spec.cycles[self._most]
        turn = self._interval // ranks
        staggered = [(rank + 1) * turn for rank in range(ranks)]
        self._due = [self._interval] * ranks if refresh == "simultaneous" else staggered
        self._done = [0] * ranks
        self._round = [np.zeros(0, np.int64)] * ranks  # sets refreshed since all sets were
        self._end = 0

    def late(self, commands: Commands) -> Iterator[Finding]:
        """Yield the next commands' refreshes that come too long after they were due, or out of turn."""
        self._end = int(commands.cycle[-1])
        refs = is_any(commands.command, (self._name,))
        for rank, due in enumerate(self._due):
            at = np.flatnonzero(refs & (commands.rank == rank))
            deadline = due + self._grace + self._interval * (self._done[rank] + np.arange(len(at)))
            self._done[rank] += len(at)
            late = np.zeros(len(commands), bool)
            late[at] = commands.cycle[at] >= deadline
            yield plain(commands, "refresh in time", late, f"is late by {self._most} or more")
            if self._sets > 1:
                yield self._out_of_turn(commands, rank, at)

    def _out_of_turn(self, commands: Commands, rank: int, at: Positions) -> Finding:
        before = self._round[rank]
        refreshed = np.concatenate([before, commands.bank[at]])
        number = np.arange(len(refreshed))
        _, first = np.unique(number // self._sets * self._sets + refreshed, return_index=True)
        again = np.zeros(len(commands), bool)
        again[at[np.setdiff1d(number[len(before) :], first) - len(before)]] = True
        self._round[rank] = refreshed[len(refreshed) // self._sets * self._sets :]
        return plain(commands, "sets in turn", again, "refreshes a set again before all others of its rank")

    def forgotten(self) -> Iterator[Finding]:
        """Yield, for each rank at the last command, the refreshes that are missing by then."""
        for rank, due in enumerate(self._due):
            overdue = (self._end - due - self._grace) // self._interval + 1
            missing = max(0, overdue - self._done[rank])
            text = f"cycle {self._end}: r{rank} should have had {missing} {self._name} more by now"
            yield _forgotten(text, missing)


def _forgotten(text: str, missing: int) -> Finding:
    return Finding("no refresh forgotten", np.zeros(missing, np.int64), lambda _: text)
