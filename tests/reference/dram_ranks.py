"""DRAM ranks for the tick-by-tick twin: what is open, and when each command is legal.

Every question is answered from the constraint rows of the standard and the cycles at which commands were
issued in the bank, bank group, rank or other ranks that the row names.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from recnmp.library.dram import DramSpec
from recnmp.library.waits import evaluate

NEVER = -(10**9)
"""Issue time of a command that was not issued yet."""


class Command(NamedTuple):
    """One command as in a command trace; -1 = not applicable."""

    cycle: int
    name: str
    rank: int
    bank_group: int
    bank: int
    row: int
    column: int
    request: int


@dataclass
class Place:
    """A bank, bank group or rank; remembers when each command was issued anywhere within it."""

    issued: dict[str, list[int]] = field(default_factory=dict)

    def last(self, name: str, back: int = 1) -> int:
        """Cycle of the ``back``-th last command ``name`` here."""
        cycles = self.issued.get(name, [])
        return cycles[-back] if len(cycles) >= back else NEVER


@dataclass
class Bank(Place):
    """One bank: its open row, and the waiting request whose row was opened for it."""

    open_row: int | None = None
    active: object | None = None


@dataclass
class Rank(Place):
    """One rank, its bank groups, its sets of banks of one number, and its banks by (bank group, bank)."""

    groups: dict[int, Place] = field(default_factory=dict)
    sets: dict[int, Place] = field(default_factory=dict)
    banks: dict[tuple[int, int], Bank] = field(default_factory=dict)


class Device:
    """The ranks of a channel: what is open, and what may be issued when."""

    def __init__(self, spec: DramSpec, ranks: int) -> None:
        self.spec = spec
        self.rules = [(row, evaluate(row.wait, spec.cycles)) for row in spec.constraints]
        groups = range(spec.organization.bank_groups.value)
        banks = range(spec.organization.banks_per_group.value)
        self.ranks = [
            Rank(
                groups={g: Place() for g in groups},
                sets={b: Place() for b in banks},
                banks={(g, b): Bank() for g in groups for b in banks},
            )
            for _ in range(ranks)
        ]
        self.commands: list[Command] = []
        self._earliest: dict[tuple[str, int, int, int], int] = {}

    def places(self, scope: str, rank: int, group: int, bank: int) -> Iterable[Place]:
        """Where a rule of this scope looks for the earlier command."""
        match scope:
            case "bank":
                return [self.ranks[rank].banks[group, bank]]
            case "bank_group":
                return [self.ranks[rank].groups[group]]
            case "bank_set":
                return [self.ranks[rank].sets[bank]]
            case "rank":
                return [self.ranks[rank]]
            case "channel":
                return self.ranks
        return [other for number, other in enumerate(self.ranks) if number != rank]

    def earliest(self, name: str, rank: int, group: int = -1, bank: int = -1) -> int:
        """First cycle at which the command is legal; asked anew after every issued command."""
        key = name, rank, group, bank
        if key not in self._earliest:
            self._earliest[key] = max(
                (
                    place.last(after, rule.window) + wait
                    for rule, wait in self.rules
                    if name in rule.before
                    for place in self.places(rule.scope, rank, group, bank)
                    for after in rule.after
                ),
                default=NEVER,
            )
        return self._earliest[key]

    def issue(self, command: Command) -> None:
        """Record the command and open or close rows."""
        self.commands.append(command)
        self._earliest.clear()
        rank = self.ranks[command.rank]
        touched: list[Place] = [rank]
        if command.bank >= 0:
            touched.append(rank.sets[command.bank])
        if command.name == "PREsb":
            for (_, number), bank in rank.banks.items():
                if number == command.bank:
                    bank.open_row = None
        elif command.bank_group >= 0:
            bank = rank.banks[command.bank_group, command.bank]
            touched += [rank.groups[command.bank_group], bank]
            if command.name == "ACT":
                bank.open_row = command.row
            elif command.name == "PRE":
                bank.open_row = None
        elif command.name == "PREA":
            for bank in rank.banks.values():
                bank.open_row = None
        for place in touched:
            place.issued.setdefault(command.name, []).append(command.cycle)
