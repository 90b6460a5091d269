"""Every constraint row of every standard: legal at exactly its wait, a violation one clock earlier."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from recnmp._registry import PACKAGE
from recnmp.library.dram import COMMANDS, SAME_BANK_COMMANDS, Constraint, DramSpec, load_standard
from recnmp.library.waits import evaluate
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.legality import RANK_WIDE, rule_name

STANDARDS = sorted(path.stem for path in (PACKAGE / "library" / "standards").glob("*.yaml"))
standard = cache(load_standard)
COLUMN_COMMANDS = ("RD", "WR")
FIRST = (0, 0, 0)
"""Rank, bank group and bank of the earlier command; the later one goes where the scope of the rule says."""


class Issued(NamedTuple):
    cycle: int
    name: str
    place: tuple[int, int, int]


def as_commands(issued: list[Issued]) -> Commands:
    rows = []
    for cycle, name, (rank, group, bank) in sorted(issued):
        group = -1 if name in (*RANK_WIDE, *SAME_BANK_COMMANDS) else group
        bank = -1 if name in RANK_WIDE else bank
        row = 7 if name in ("ACT", *COLUMN_COMMANDS) else -1
        rows.append(
            (cycle, COMMANDS.index(name), rank, group, bank, row, 0 if name in COLUMN_COMMANDS else -1, -1)
        )
    return Commands(*np.array(rows, np.int64).T)


def longest(spec: DramSpec) -> int:
    return max(evaluate(row.wait, spec.cycles) for row in spec.constraints)


def least(spec: DramSpec, after: str, before: str, scopes: tuple[str, ...]) -> int:
    """Clocks that the plain rules of these scopes ask for between two commands."""
    rows = [row for row in spec.constraints if row.scope in scopes and row.window == 1]
    return max(
        (evaluate(r.wait, spec.cycles) for r in rows if after in r.after and before in r.before), default=1
    )


def binds(spec: DramSpec, row: Constraint, after: str, before: str) -> bool:
    """Whether the rule can be the last to hold: the command bus alone keeps commands a clock apart."""
    apart = 1 if row.window == 1 else row.window * least(spec, after, before, ("rank",))
    return evaluate(row.wait, spec.cycles) > apart


GATES = [
    pytest.param(
        name, row, after, before, id=f"{name}-{row.scope}-{after}-{before}-{row.wait.replace(' ', '')}"
    )
    for name in STANDARDS
    for row in standard(name).constraints
    for after in row.after
    for before in row.before
    if binds(standard(name), row, after, before)
]


def banks(spec: DramSpec) -> list[tuple[int, int, int]]:
    """The banks of rank 0, one bank group after the other in turn."""
    org = spec.organization
    return [(0, g, b) for b in range(org.banks_per_group.value) for g in range(org.bank_groups.value)]


def scene(spec: DramSpec, row: Constraint, after: str, before: str, gap: int) -> list[Issued]:
    """``before`` comes ``gap`` clocks after ``after``; all else is long ago, or as early as it may be."""
    elsewhere = {
        "bank_group": (0, 0, 1),
        "rank": (0, 1, 1) if {after, before} & set(SAME_BANK_COMMANDS) else banks(spec)[1],
        "other_rank": (1, 0, 0),
        "channel": banks(spec)[1] if spec.single_rank else (1, 0, 0),
    }
    place = elsewhere.get(row.scope, FIRST)
    far = longest(spec)
    start = 4 * far
    if row.window > 1:
        apart = least(spec, after, before, ("rank",))
        crowd = [Issued(start + n * apart, after, banks(spec)[n]) for n in range(row.window)]
        return [*crowd, Issued(start + gap, before, banks(spec)[row.window])]
    issued = [Issued(start, after, FIRST), Issued(start + gap, before, place)]
    if after not in ("ACT", "REF", "REFsb"):
        issued.append(Issued(far, "ACT", FIRST))
    if before in ("PRE", *COLUMN_COMMANDS) and place != FIRST:
        issued.append(Issued(2 * far, "ACT", place))
    needs_closed = before == "REF" or (before in ("ACT", "REFsb") and place == FIRST)
    if needs_closed and after in ("ACT", *COLUMN_COMMANDS):
        issued.append(Issued(start + least(spec, after, "PRE", ("bank",)), "PRE", FIRST))
    return issued


@pytest.mark.parametrize(("name", "row", "after", "before"), GATES)
def test_a_command_is_legal_at_its_wait_and_a_violation_one_clock_earlier(name, row, after, before):
    spec = standard(name)
    wait = evaluate(row.wait, spec.cycles)
    ranks, legal = 1 if spec.single_rank else 2, wait
    if row.scope == "channel":  # shared by commands that may have to keep a longer distance
        legal = max(wait, least(spec, after, before, ("rank",) if spec.single_rank else ("other_rank",)))
    on_time = audit(spec, ranks, as_commands(scene(spec, row, after, before, legal)), refresh="off")
    assert on_time.first == ()
    early = audit(spec, ranks, as_commands(scene(spec, row, after, before, wait - 1)), refresh="off")
    assert early.by_rule.get(rule_name(row)) == 1
