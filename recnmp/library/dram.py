"""DRAM standards: organisation, timings and command constraints, read from ``library/standards/*.yaml``."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from recnmp._registry import PACKAGE, library_names
from recnmp.config import Document
from recnmp.errors import ConfigError
from recnmp.library.facts import Clocks, Count, Facts
from recnmp.library.waits import evaluate

ALL_BANK_COMMANDS = ("ACT", "PRE", "RD", "WR", "REF", "PREA")
"""Commands of every standard; PREA closes all banks of a rank, REF refreshes them."""

SAME_BANK_COMMANDS = ("REFsb", "PREsb")
"""Commands to a set of banks, those of one number in every bank group: refresh it, close it."""

COMMANDS = ALL_BANK_COMMANDS + SAME_BANK_COMMANDS
"""Commands in the order in which every array numbers them."""

SCOPES = ("bank", "bank_group", "rank", "other_rank")
"""How two commands are related: same bank; same bank group, other bank; same rank, other bank group; other rank."""

_REACH: dict[str, tuple[int, ...]] = {
    "bank": (0,),
    "bank_group": (0, 1),
    "rank": (0, 1, 2),
    "other_rank": (3,),
    "bank_set": (0,),
}

_Command = Literal["ACT", "PRE", "RD", "WR", "REF", "PREA", "REFsb", "PREsb"]

REQUIRED_TIMINGS = ("nBL", "nCL", "nCWL", "nRCD", "nRP", "nRFC", "nREFI")
"""Timings that the model reads by name; all others only matter through the constraints."""

SAME_BANK_TIMINGS = ("nRFCsb", "nREFSBRD", "nREFI2")
"""What a standard with same-bank refresh states besides; nREFI2 is nREFI in fine granularity mode."""

SAME_BANK = "same_bank"
"""What refresh by REFsb is called in configurations."""

_RATE_TOLERANCE = 0.01
"""Clocks are rounded to picoseconds, data rates to MT/s: 2400 MT/s is 833 or 830 ps."""


class Constraint(Facts):
    """``before`` may follow ``after`` no earlier than ``wait`` clocks, where both fall into ``scope``.

    With ``window`` n the rule holds against the n-th last ``after`` command of the rank (nFAW: n = 4).
    Scope ``bank_set`` relates REFsb and PREsb to commands of their own set, ``rank`` to those of any bank.
    Scope ``channel`` states the clocks for which ``after`` occupies the command bus; without such a row a
    command takes one clock.
    """

    scope: Literal["bank", "bank_group", "rank", "other_rank", "channel", "bank_set"]
    after: tuple[_Command, ...] = Field(min_length=1)
    before: tuple[_Command, ...] = Field(min_length=1)
    wait: str
    window: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _scope_fits_the_commands(self) -> Self:
        names = set(self.after + self.before)
        of_set, of_rank = not names.isdisjoint(SAME_BANK_COMMANDS), not names.isdisjoint(("REF", "PREA"))
        single = self.scope in ("bank", "bank_group", "other_rank")
        if (of_set and single) or (self.scope == "bank_set" and (of_rank or not of_set)):
            raise ValueError(
                "scope bank_set is for REFsb and PREsb with one bank's commands; else they have rank"
            )
        return self


class Organization(Facts):
    """How one rank is divided; capacity and peak bandwidth follow."""

    bank_groups: Count
    banks_per_group: Count
    rows: Count
    bursts_per_row: Count
    burst_bytes: Count

    @model_validator(mode="after")
    def _powers_of_two(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name).value
            if value & (value - 1):
                raise ValueError(f"{name} is {value}; address bits need a power of two")
        return self


class DramSpec(Facts):
    """One DRAM standard at one speed, all ranks of a channel alike.

    ``data_rate_mt_per_s`` counts transfers on a data pin, two, four or eight in a clock of ``tCK_ps``: timings are
    in clocks of the command bus. A standard without a rule of scope ``other_rank`` has one rank to a channel.
    """

    name: str
    organization: Organization
    data_rate_mt_per_s: Count
    tCK_ps: Count
    timings: dict[str, Clocks]
    constraints: tuple[Constraint, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _clock_fits_the_data_rate(self) -> Self:
        per_clock = self.data_rate_mt_per_s.value * self.tCK_ps.value / 1e6
        if min(abs(per_clock / whole - 1) for whole in (2, 4, 8)) > _RATE_TOLERANCE:
            raise ValueError(
                f"{self.data_rate_mt_per_s.value} MT/s are {per_clock:.2f} transfers in a clock of "
                f"{self.tCK_ps.value} ps; known are 2, 4 and 8"
            )
        return self

    @model_validator(mode="after")
    def _same_bank_refresh_is_whole(self) -> Self:
        missing = [name for name in SAME_BANK_TIMINGS if name not in self.timings]
        named = {name for row in self.constraints for name in row.after + row.before}
        if not self.has_same_bank_refresh:
            if len(missing) < len(SAME_BANK_TIMINGS) or not named.isdisjoint(SAME_BANK_COMMANDS):
                raise ValueError(f"same-bank refresh is stated in part: timings lack {', '.join(missing)}")
        elif not named.issuperset(SAME_BANK_COMMANDS):
            raise ValueError(
                f"same-bank refresh is stated, but no constraint of {', '.join(SAME_BANK_COMMANDS)}"
            )
        return self

    @model_validator(mode="after")
    def _constraints_can_be_read(self) -> Self:
        missing = [name for name in REQUIRED_TIMINGS if name not in self.timings]
        if missing:
            raise ValueError(f"timings lack {', '.join(missing)}")
        for row in self.constraints:
            _ = evaluate(row.wait, self.cycles)
            if row.window > 1 and (row.scope, row.after, row.before) != ("rank", ("ACT",), ("ACT",)):
                raise ValueError("a window is understood for ACT to ACT within a rank only")
            if row.scope == "channel" and set(row.before) != set(self.commands):
                raise ValueError(f"scope channel is the bus: before must list {', '.join(self.commands)}")
        if sum(row.window > 1 for row in self.constraints) > 1:
            raise ValueError("more than one window constraint")
        return self

    @property
    def has_same_bank_refresh(self) -> bool:
        """Whether a set of banks can be refreshed by itself (REFsb)."""
        return all(name in self.timings for name in SAME_BANK_TIMINGS)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that this standard has."""
        return COMMANDS if self.has_same_bank_refresh else ALL_BANK_COMMANDS

    @cached_property
    def cycles(self) -> Mapping[str, int]:
        """Every timing by name, in clocks."""
        return {name: timing.value for name, timing in self.timings.items()}

    @property
    def banks_per_rank(self) -> int:
        """Banks of a rank, over all bank groups."""
        return self.organization.bank_groups.value * self.organization.banks_per_group.value

    @property
    def single_rank(self) -> bool:
        """Whether a channel has one rank only, such as a pseudo channel of HBM."""
        return not any(row.scope == "other_rank" for row in self.constraints)

    def check_ranks(self, ranks: int) -> None:
        """Raise ConfigError when a channel cannot have so many ranks."""
        if ranks > 1 and self.single_rank:
            raise ConfigError(f"{self.name} has one rank to a channel, not {ranks}; take more channels")

    @property
    def same_bank_interval(self) -> int:
        """Clocks from one REFsb of a rank falling due to the next: nREFI2 for as many as a bank group has banks."""
        return self.cycles["nREFI2"] // self.organization.banks_per_group.value

    def check_refresh(self, refresh: str) -> None:
        """Raise ConfigError for a refresh that this standard does not have."""
        if refresh == SAME_BANK and not self.has_same_bank_refresh:
            able = "it can do off, simultaneous, staggered"
            raise ConfigError(f"refresh {refresh!r}: {self.name} has no same-bank refresh (REFsb); {able}")

    @property
    def rank_bytes(self) -> int:
        """Capacity of a rank."""
        org = self.organization
        return self.banks_per_rank * org.rows.value * org.bursts_per_row.value * org.burst_bytes.value

    @property
    def peak_gb_per_s(self) -> float:
        """Data-bus peak of one channel."""
        return self.organization.burst_bytes.value / (self.cycles["nBL"] * self.tCK_ps.value / 1000)

    @cached_property
    def gaps(self) -> NDArray[np.int64]:
        """Least clocks from command X to command Y by relation, shape (commands, commands, scopes); 0 = no rule.

        A command to a set of banks has ``bank`` for a relation to the banks of its set.
        """
        gaps = np.zeros((len(COMMANDS), len(COMMANDS), len(SCOPES)), np.int64)
        for row in self.constraints:
            wait = evaluate(row.wait, self.cycles)
            for after in row.after if row.window == 1 and row.scope != "channel" else ():
                for before in row.before:
                    for scope in _REACH[row.scope]:
                        cell = COMMANDS.index(after), COMMANDS.index(before), scope
                        gaps[cell] = max(gaps[cell], wait)
        return gaps

    @cached_property
    def bus_cycles(self) -> NDArray[np.int64]:
        """Clocks for which each command occupies the command bus, shape (commands,)."""
        cycles = np.ones(len(COMMANDS), np.int64)
        for row in self.constraints:
            if row.scope == "channel":
                cycles[[COMMANDS.index(name) for name in row.after]] = evaluate(row.wait, self.cycles)
        return cycles

    @cached_property
    def act_window(self) -> tuple[int, int]:
        """``(n, wait)``: n ACTs of a rank span at least ``wait`` clocks to the next one (n = 4, nFAW)."""
        for row in self.constraints:
            if row.window > 1:
                return row.window, evaluate(row.wait, self.cycles)
        return 1, 0


def load_standard(name: str) -> DramSpec:
    """Read ``library/standards/<name>.yaml``; raises ConfigError with file and line for anything wrong in it.

    A standard that ``extends`` another one states only what differs.
    """
    return _standard(name, ()).validate(DramSpec)


def _standard(name: str, extended_by: tuple[str, ...]) -> Document:
    document = Document.read(PACKAGE / "library" / "standards" / f"{name}.yaml")
    base = document.data.get("extends")
    if base is None:
        return document
    if not isinstance(base, str) or base in (name, *extended_by) or base not in library_names("standards"):
        raise document.error(("extends",), f"cannot extend {base!r}", library_names("standards"))
    return _standard(base, (name, *extended_by)).merged(document.without("extends"))
