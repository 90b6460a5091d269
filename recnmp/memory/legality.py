"""What makes a DRAM command illegal: one check per kind of rule, each over all commands at once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.library.dram import COMMANDS, SAME_BANK_COMMANDS, Constraint, DramSpec
from recnmp.library.waits import evaluate
from recnmp.memory._history import Histories, Positions, is_any
from recnmp.memory.commands import Commands

RANK_WIDE = ("REF", "PREA")
"""Commands that reach every bank of a rank; they have no bank of their own."""


@dataclass(frozen=True)
class Finding:
    """Commands ``at`` that break ``rule``; ``tell(i)`` says how command ``at[i]`` does."""

    rule: str
    at: Positions
    tell: Callable[[int], str]


def rule_name(row: Constraint) -> str:
    """How a constraint row is named in ``Report.by_rule``, such as ``rank: ACT to ACT, nFAW over 4``."""
    over = f" over {row.window}" if row.window > 1 else ""
    return f"{row.scope}: {'/'.join(row.after)} to {'/'.join(row.before)}, {row.wait}{over}"


def violations(spec: DramSpec, ranks: int, commands: Commands) -> Iterator[Finding]:
    """Every breach of a constraint row, of the row state, of the command bus and of the data bus.

    The commands must be ones that exist: see ``strangers``.
    """
    histories = Histories(spec, commands)
    yield from _command_bus(commands)
    yield from _constraints(spec, ranks, commands, histories)
    yield from _row_state(ranks, commands, histories)
    yield from _data_bus(spec, commands)


def _name(commands: Commands, at: int) -> str:
    """A command in words, such as ``cycle 123: RD r0 bg1 b2``."""
    group = f" bg{commands.bank_group[at]}" if commands.bank_group[at] >= 0 else ""
    bank = f" b{commands.bank[at]}" if commands.bank[at] >= 0 else ""
    return f"cycle {commands.cycle[at]}: {COMMANDS[commands.command[at]]} r{commands.rank[at]}{group}{bank}"


def plain(commands: Commands, rule: str, broken: NDArray[np.bool_], text: str) -> Finding:
    """A finding whose sentence is the same for every command."""
    at = np.flatnonzero(broken)
    return Finding(rule, at, lambda i: f"{_name(commands, int(at[i]))} {text}")


def strangers(spec: DramSpec, ranks: int, commands: Commands) -> Iterator[Finding]:
    """Commands to ranks, banks, rows or columns that do not exist."""
    wide = is_any(commands.command, RANK_WIDE)
    of_set = is_any(commands.command, SAME_BANK_COMMANDS)
    has_row = is_any(commands.command, ("ACT", "RD", "WR"))
    org = spec.organization
    limits = [
        ("rank", ranks, np.ones(len(commands), bool)),
        ("bank_group", org.bank_groups.value, ~wide & ~of_set),
        ("bank", org.banks_per_group.value, ~wide),
        ("row", org.rows.value, has_row),
        ("column", org.bursts_per_row.value, is_any(commands.command, ("RD", "WR"))),
    ]
    for field, limit, used in limits:
        value = getattr(commands, field)
        broken = used & ((value < 0) | (value >= limit))
        yield plain(commands, f"{field} exists", broken, f"has a {field} outside 0 to {limit - 1}")
    named = wide & ((commands.bank >= 0) | (commands.bank_group >= 0))
    yield plain(commands, "REF and PREA name a rank", named, "reaches a whole rank but names a bank")
    named = of_set & (commands.bank_group >= 0)
    yield plain(commands, "REFsb and PREsb name a set", named, "reaches every bank group but names one")
    unknown = of_set if not spec.has_same_bank_refresh else np.zeros(len(commands), bool)
    yield plain(commands, "command exists", unknown, "is no command of this standard")


def _command_bus(commands: Commands) -> Iterator[Finding]:
    broken = np.zeros(len(commands), bool)
    broken[1:] = np.diff(commands.cycle) <= 0
    yield plain(commands, "one command per cycle", broken, "is not later than the command before it")


def _constraints(spec: DramSpec, ranks: int, commands: Commands, history: Histories) -> Iterator[Finding]:
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
) -> Finding:
    wants = row.wait if row.wait == str(wait) else f"{row.wait} wants {wait}"
    over = f", {row.window} back" if row.window > 1 else ""

    def tell(i: int) -> str:
        other, at = int(earlier[i]), int(later[i])
        where = f" in r{commands.rank[other]}" if row.scope == "other_rank" else ""
        name, cycle = COMMANDS[commands.command[other]], commands.cycle[other]
        return f"{_name(commands, at)} follows {name}{where} at {cycle}{over}, {wants}"

    return Finding(rule_name(row), later, tell)


def _row_state(ranks: int, commands: Commands, history: Histories) -> Iterator[Finding]:
    def last(scope: str, name: str) -> Positions:
        place = np.full(len(commands), -1)
        later, earlier = history.last(scope, (name,), COMMANDS)
        place[later] = earlier
        return place

    opened = last("bank", "ACT")
    closed = np.maximum(last("bank", "PRE"), last("rank", "PREA"))
    is_open = opened > np.maximum(closed, last("bank_set", "PREsb"))
    code = commands.command
    column = is_any(code, ("RD", "WR"))
    yield plain(commands, "open bank", column & ~is_open, "reads or writes a closed bank")
    wrong = column & is_open & (commands.row != commands.row[opened])
    yield plain(commands, "open row", wrong, "is for another row than the open one")
    act, pre = is_any(code, ("ACT",)), is_any(code, ("PRE",))
    yield plain(commands, "ACT of a closed bank", act & is_open, "activates an open bank")
    yield plain(commands, "PRE of an open bank", pre & ~is_open, "closes a closed bank")
    change = (act & ~is_open).astype(np.int64) - (pre & is_open)
    if is_any(code, SAME_BANK_COMMANDS).any():
        open_at_ref = _close_sets(ranks, commands, change)
        yield plain(commands, "REFsb of a closed set", open_at_ref, "refreshes a set with an open bank")
    open_at_ref = np.zeros(len(commands), bool)
    for rank in range(ranks):
        at = np.flatnonzero(commands.rank == rank)
        is_open_before = _open_before(change[at], is_any(code[at], ("PREA",))) > 0
        open_at_ref[at] = is_any(code[at], ("REF",)) & is_open_before
    yield plain(commands, "REF of a closed rank", open_at_ref, "refreshes a rank with an open bank")


def _open_before(change: NDArray[np.int64], closes_all: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Banks of one place open before each of its commands, each of which changes their number or closes all."""
    total = np.cumsum(change)
    closed_all = np.maximum.accumulate(np.where(closes_all, np.arange(len(total)), -1))
    after = total - np.where(closed_all >= 0, total[closed_all], 0)
    return np.concatenate(([0], after[:-1]))


def _close_sets(ranks: int, commands: Commands, change: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Enter into ``change`` how many banks each PREsb closes; return which REFsb find a bank of theirs open."""
    code = commands.command
    open_at_ref = np.zeros(len(commands), bool)
    of_rank = is_any(code, ("PREA",))
    for rank in range(ranks):
        for bank in range(commands.bank.max() + 1):
            at = np.flatnonzero((commands.rank == rank) & ((commands.bank == bank) | of_rank))
            count = _open_before(change[at], is_any(code[at], ("PREA", "PREsb")))
            change[at] -= np.where(is_any(code[at], ("PREsb",)), count, 0)
            open_at_ref[at] = is_any(code[at], ("REFsb",)) & (count > 0)
    return open_at_ref


def _data_bus(spec: DramSpec, commands: Commands) -> Iterator[Finding]:
    at = np.flatnonzero(is_any(commands.command, ("RD", "WR")))
    reads = is_any(commands.command[at], ("RD",))
    start = commands.cycle[at] + np.where(reads, spec.cycles["nCL"], spec.cycles["nCWL"])
    order = np.argsort(start, kind="stable")
    gap = np.diff(start[order])
    broken = np.flatnonzero(gap < spec.cycles["nBL"])
    pair = np.sort([at[order[broken]], at[order[broken + 1]]], axis=0)

    def tell(i: int) -> str:
        one, other = (_name(commands, int(which[i])) for which in pair)
        return f"{other} has its burst on the data bus at the same time as {one}"

    yield Finding("data bus", pair[1], tell)
