"""An independent judge of DRAM commands: is what was issued on a channel legal by the standard?

It knows the standard's constraint rows and the commands, nothing of how they were chosen, and shares no code
with the engine. Not judged: whether the schedule is a good one, whether the right data was read, power-down,
and what the standard's constraint table does not state.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.library.dram import COMMANDS, Constraint, DramSpec, evaluate
from recnmp.memory._history import Histories, Positions, is_any
from recnmp.memory.commands import Commands

RANK_WIDE = ("REF", "PREA")
"""Commands that reach every bank of a rank; they have no bank of their own."""

_TOLD = 8


@dataclass(frozen=True)
class Report:
    """What the audit found.

    ``count`` violations, one for every rule that a command breaks; ``by_rule`` how many there are of each
    broken rule; ``first`` the first few in words, in the order of the commands.
    """

    count: int
    by_rule: dict[str, int]
    first: tuple[str, ...]


@dataclass(frozen=True)
class _Finding:
    """Commands ``at`` that break ``rule``; ``tell(i)`` says how command ``at[i]`` does."""

    rule: str
    at: Positions
    tell: Callable[[int], str]


def rule_name(row: Constraint) -> str:
    """How a constraint row is named in ``Report.by_rule``, such as ``rank: ACT to ACT, nFAW over 4``."""
    over = f" over {row.window}" if row.window > 1 else ""
    return f"{row.scope}: {'/'.join(row.after)} to {'/'.join(row.before)}, {row.wait}{over}"


def audit(spec: DramSpec, ranks: int, commands: Commands, *, refresh: str) -> Report:
    """Judge the commands of one channel of ``ranks`` ranks against the constraint rows of ``spec``.

    Checked: at most one command per cycle, in order of time; every constraint row; a column command needs its
    own row open, ACT a closed bank, PRE an open one, REF a wholly closed rank; bursts do not overlap on the
    data bus; with ``refresh`` ``simultaneous`` (all ranks due together) or ``staggered`` (due one after the
    other), no rank waits for a refresh for nREFI or longer. REF is never too early, and with ``off`` never
    missing.

    Raises RecnmpError for an unknown ``refresh``. Commands to ranks, banks or rows that do not exist are
    violations, and then the only ones reported.
    """
    if refresh not in ("off", "simultaneous", "staggered"):
        raise RecnmpError(f"audit: refresh {refresh!r} is not one of off, simultaneous, staggered")
    findings = [found for found in _places(spec, ranks, commands) if len(found.at)]
    if not findings:
        histories = Histories(spec, commands)
        checks = chain(
            _command_bus(commands),
            _constraints(spec, ranks, commands, histories),
            _row_state(ranks, commands, histories),
            _data_bus(spec, commands),
            _refreshes(spec, ranks, commands, refresh),
        )
        findings = [found for found in checks if len(found.at)]
    return _report(findings)


def _report(findings: list[_Finding]) -> Report:
    by_rule: dict[str, int] = {}
    told: list[tuple[int, str]] = []
    for found in findings:
        by_rule[found.rule] = by_rule.get(found.rule, 0) + len(found.at)
        earliest = np.argsort(found.at, kind="stable")[:_TOLD]
        told.extend((int(found.at[i]), found.tell(int(i))) for i in earliest)
    return Report(sum(by_rule.values()), by_rule, tuple(text for _, text in sorted(told)[:_TOLD]))


def _name(commands: Commands, at: int) -> str:
    """A command in words, such as ``cycle 123: RD r0 bg1 b2``."""
    place = f" bg{commands.bank_group[at]} b{commands.bank[at]}" if commands.bank[at] >= 0 else ""
    return f"cycle {commands.cycle[at]}: {COMMANDS[commands.command[at]]} r{commands.rank[at]}{place}"


def _plain(commands: Commands, rule: str, broken: NDArray[np.bool_], text: str) -> _Finding:
    """A finding whose sentence is the same for every command."""
    at = np.flatnonzero(broken)
    return _Finding(rule, at, lambda i: f"{_name(commands, int(at[i]))} {text}")


def _places(spec: DramSpec, ranks: int, commands: Commands) -> Iterator[_Finding]:
    wide = is_any(commands.command, RANK_WIDE)
    has_row = is_any(commands.command, ("ACT", "RD", "WR"))
    org = spec.organization
    limits = [
        ("rank", ranks, np.ones(len(commands), bool)),
        ("bank_group", org.bank_groups.value, ~wide),
        ("bank", org.banks_per_group.value, ~wide),
        ("row", org.rows.value, has_row),
        ("column", org.bursts_per_row.value, is_any(commands.command, ("RD", "WR"))),
    ]
    for field, limit, used in limits:
        value = getattr(commands, field)
        broken = used & ((value < 0) | (value >= limit))
        yield _plain(commands, f"{field} exists", broken, f"has a {field} outside 0 to {limit - 1}")
    named = wide & ((commands.bank >= 0) | (commands.bank_group >= 0))
    yield _plain(commands, "REF and PREA name a rank", named, "reaches a whole rank but names a bank")


def _command_bus(commands: Commands) -> Iterator[_Finding]:
    broken = np.zeros(len(commands), bool)
    broken[1:] = np.diff(commands.cycle) <= 0
    yield _plain(commands, "one command per cycle", broken, "is not later than the command before it")


def _constraints(spec: DramSpec, ranks: int, commands: Commands, history: Histories) -> Iterator[_Finding]:
    for row in spec.constraints:
        if row.scope == "other_rank" and ranks == 1:
            continue
        wide = not set(row.after + row.before).isdisjoint(RANK_WIDE)
        scope = "rank" if wide and row.scope in ("bank", "bank_group") else row.scope
        later, earlier = history.last(scope, row.after, row.before, row.window)
        wait = evaluate(row.wait, spec.cycles)
        broken = (earlier >= 0) & (commands.cycle[later] - commands.cycle[earlier] < wait)
        yield _too_early(commands, row, wait, later[broken], earlier[broken])


def _too_early(
    commands: Commands, row: Constraint, wait: int, later: Positions, earlier: Positions
) -> _Finding:
    wants = row.wait if row.wait == str(wait) else f"{row.wait} wants {wait}"
    over = f", {row.window} back" if row.window > 1 else ""

    def tell(i: int) -> str:
        other, at = int(earlier[i]), int(later[i])
        where = f" in r{commands.rank[other]}" if row.scope == "other_rank" else ""
        name, cycle = COMMANDS[commands.command[other]], commands.cycle[other]
        return f"{_name(commands, at)} follows {name}{where} at {cycle}{over}, {wants}"

    return _Finding(rule_name(row), later, tell)


def _row_state(ranks: int, commands: Commands, history: Histories) -> Iterator[_Finding]:
    def last(scope: str, name: str) -> Positions:
        place = np.full(len(commands), -1)
        later, earlier = history.last(scope, (name,), COMMANDS)
        place[later] = earlier
        return place

    opened = last("bank", "ACT")
    is_open = opened > np.maximum(last("bank", "PRE"), last("rank", "PREA"))
    code = commands.command
    column = is_any(code, ("RD", "WR"))
    yield _plain(commands, "open bank", column & ~is_open, "reads or writes a closed bank")
    wrong = column & is_open & (commands.row != commands.row[opened])
    yield _plain(commands, "open row", wrong, "is for another row than the open one")
    act, pre = is_any(code, ("ACT",)), is_any(code, ("PRE",))
    yield _plain(commands, "ACT of a closed bank", act & is_open, "activates an open bank")
    yield _plain(commands, "PRE of an open bank", pre & ~is_open, "closes a closed bank")
    change = (act & ~is_open).astype(np.int64) - (pre & is_open)
    open_at_ref = np.zeros(len(commands), bool)
    for rank in range(ranks):
        at = np.flatnonzero(commands.rank == rank)
        total = np.cumsum(change[at])
        closed_all = np.maximum.accumulate(np.where(is_any(code[at], ("PREA",)), np.arange(len(at)), -1))
        open_banks = total - np.where(closed_all >= 0, total[closed_all], 0)
        open_at_ref[at] = is_any(code[at], ("REF",)) & (open_banks > 0)
    yield _plain(commands, "REF of a closed rank", open_at_ref, "refreshes a rank with an open bank")


def _data_bus(spec: DramSpec, commands: Commands) -> Iterator[_Finding]:
    at = np.flatnonzero(is_any(commands.command, ("RD", "WR")))
    reads = is_any(commands.command[at], ("RD",))
    start = commands.cycle[at] + np.where(reads, spec.cycles["nCL"], spec.cycles["nCWL"])
    order = np.argsort(start, kind="stable")
    gap = np.diff(start[order])
    broken = np.flatnonzero(gap < spec.cycles["nBL"])
    late, first = at[order[broken + 1]], at[order[broken]]

    def tell(i: int) -> str:
        other = _name(commands, int(first[i]))
        return f"{_name(commands, int(late[i]))} has its burst on the data bus before that of ({other}) ended"

    yield _Finding("data bus", late, tell)


def _refreshes(spec: DramSpec, ranks: int, commands: Commands, refresh: str) -> Iterator[_Finding]:
    if refresh == "off" or not len(commands):
        return
    interval, end = spec.cycles["nREFI"], int(commands.cycle[-1])
    refs = is_any(commands.command, ("REF",))
    for rank in range(ranks):
        at = np.flatnonzero(refs & (commands.rank == rank))
        due = (rank + 1) * (interval // ranks) if refresh == "staggered" else interval
        deadline = due + interval * np.arange(1, len(at) + 1)
        late = np.zeros(len(commands), bool)
        late[at] = commands.cycle[at] >= deadline
        yield _plain(commands, "refresh in time", late, "is late by nREFI or more")
        missing = max(0, (end - due) // interval - len(at))
        yield _forgotten(commands, rank, missing)


def _forgotten(commands: Commands, rank: int, missing: int) -> _Finding:
    last = len(commands) - 1
    text = f"cycle {commands.cycle[last]}: r{rank} should have had {missing} REF more by now"
    return _Finding("no refresh forgotten", np.full(missing, last), lambda _: text)
