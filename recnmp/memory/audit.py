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


def audit(spec: DramSpec, ranks: int, commands: Commands, *, refresh: str) -> Report:
    """Judge the commands of one channel of ``ranks`` ranks against the constraint rows of ``spec``.

    Checked: at most one command per cycle, in order of time; every constraint row; a column command needs its
    own row open, ACT a closed bank, PRE an open one, REF a wholly closed rank; bursts do not overlap on the
    data bus; with ``refresh`` ``simultaneous`` (all ranks due together) or ``staggered`` (due one after the
    other), no rank waits for a refresh for nREFI or longer; with ``same_bank`` (ranks due one after the other),
    no bank for nREFI2, and no set of banks is refreshed again before all others of its rank. REF and REFsb are
    never too early, and with ``off`` never missing.

    Raises RecnmpError for an unknown ``refresh`` and ConfigError for one that the standard does not have.
    Commands that the standard does not have, or to ranks, banks or rows that do not exist, are violations, and
    then the only ones reported.
    """
    if refresh not in ("off", "simultaneous", "staggered", SAME_BANK):
        raise RecnmpError(f"audit: refresh {refresh!r} is not one of off, simultaneous, staggered, same_bank")
    spec.check_refresh(refresh)
    tally = _Tally()
    for start in range(0, len(commands), _BLOCK):
        tally.add(strangers(spec, ranks, _take(commands, slice(start, start + _BLOCK))), start)
    if not tally.by_rule:
        past = _take(commands, slice(0, 0))
        for start in range(0, len(commands), _BLOCK):
            known = _joined(past, _take(commands, slice(start, start + _BLOCK)))
            tally.add(violations(spec, ranks, known), start, skip=len(past))
            past = _remembered(spec, known)
        tally.add(_refreshes(spec, ranks, commands, refresh))
    return tally.report()


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


def _refreshes(spec: DramSpec, ranks: int, commands: Commands, refresh: str) -> Iterator[Finding]:
    if refresh == "off" or not len(commands):
        return
    same_bank = refresh == SAME_BANK
    name, most = ("REFsb", "nREFI2") if same_bank else ("REF", "nREFI")
    interval = spec.same_bank_interval if same_bank else spec.cycles["nREFI"]
    refs = is_any(commands.command, (name,))
    for rank in range(ranks):
        at = np.flatnonzero(refs & (commands.rank == rank))
        first = interval if refresh == "simultaneous" else (rank + 1) * (interval // ranks)
        deadline = first + spec.cycles[most] + interval * np.arange(len(at))
        late = np.zeros(len(commands), bool)
        late[at] = commands.cycle[at] >= deadline
        yield plain(commands, "refresh in time", late, f"is late by {most} or more")
        overdue = (int(commands.cycle[-1]) - first - spec.cycles[most]) // interval + 1
        yield _forgotten(commands, f"r{rank} should have had", name, max(0, overdue - len(at)))
        if same_bank:
            yield _out_of_turn(spec, commands, at)


def _out_of_turn(spec: DramSpec, commands: Commands, at: Positions) -> Finding:
    """REFsb of one rank, at ``at``, whose set was refreshed before in the same round over all sets."""
    sets = spec.organization.banks_per_group.value
    _, first = np.unique(np.arange(len(at)) // sets * sets + commands.bank[at], return_index=True)
    again = np.zeros(len(commands), bool)
    again[np.delete(at, first)] = True
    return plain(commands, "sets in turn", again, "refreshes a set again before all others of its rank")


def _forgotten(commands: Commands, who: str, name: str, missing: int) -> Finding:
    last = len(commands) - 1
    text = f"cycle {commands.cycle[last]}: {who} {missing} {name} more by now"
    return Finding("no refresh forgotten", np.full(missing, last), lambda _: text)
