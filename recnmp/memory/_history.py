"""For each command of a channel: the last command of some kind issued before it in the same place.

Used by the audit alone. Commands are named by their position in issue order; -1 = there was none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recnmp.library.dram import COMMANDS, DramSpec
from recnmp.memory.commands import Commands

Positions = NDArray[np.int64]
_CODE = {name: code for code, name in enumerate(COMMANDS)}


def is_any(command: NDArray[np.int8], names: Sequence[str]) -> NDArray[np.bool_]:
    """Which commands are among ``names``."""
    table = np.zeros(len(COMMANDS), bool)
    table[[_CODE[name] for name in names]] = True
    return table[command]


class History:
    """The commands sorted by place (a key per command), in issue order within each place."""

    def __init__(self, key: Positions, command: NDArray[np.int8]) -> None:
        # Keys of 16 bits are sorted by radix, several times faster than by comparison.
        narrow = key.astype(np.int16) if len(key) and key.max() < 2**15 else key
        self._order = np.argsort(narrow, kind="stable")
        self._key = narrow[self._order]
        self._command = command[self._order]
        self._found: dict[Sequence[str], tuple[Positions, NDArray[np.int32]]] = {}

    def _find(self, names: Sequence[str]) -> tuple[Positions, NDArray[np.int32]]:
        """Where in the sorted list ``names`` are, and how many of them come before each place."""
        if names not in self._found:
            found = is_any(self._command, names)
            self._found[names] = np.flatnonzero(found), np.cumsum(found, dtype=np.int32) - found
        return self._found[names]

    def last(self, after: Sequence[str], before: Sequence[str], back: int = 1) -> tuple[Positions, Positions]:
        """Positions of all ``before`` and, for each, of the ``back``-th last ``after`` in its place."""
        earlier, count = self._find(after)
        later, _ = self._find(before)
        if not len(earlier):
            return self._order[later], np.full(len(later), -1)
        nth = count[later] - back
        candidate = earlier[np.maximum(nth, 0)]
        found = (nth >= 0) & (self._key[candidate] == self._key[later])
        return self._order[later], np.where(found, self._order[candidate], -1)


class Histories:
    """Histories of one channel by scope, each built when first asked for."""

    def __init__(self, spec: DramSpec, commands: Commands) -> None:
        self._commands = commands
        groups, banks = spec.organization.bank_groups.value, spec.organization.banks_per_group.value
        group = commands.rank * groups + commands.bank_group
        has_bank = commands.bank_group >= 0
        self._keys = {
            "bank": np.where(has_bank, group * banks + commands.bank, -1),
            "bank_group": np.where(has_bank, group, -1),
            "bank_set": np.where(commands.bank >= 0, commands.rank * banks + commands.bank, -1),
            "rank": commands.rank,
            "channel": np.zeros(len(commands), np.int64),
        }
        self._built: dict[str, History] = {}

    def last(
        self, scope: str, after: Sequence[str], before: Sequence[str], back: int = 1
    ) -> tuple[Positions, Positions]:
        """Positions of all ``before`` and, for each, of the ``back``-th last ``after`` in its scope."""
        if scope == "other_rank":
            return self._other_rank(after, before)
        if scope not in self._built:
            self._built[scope] = History(self._keys[scope], self._commands.command)
        return self._built[scope].last(after, before, back)

    def _other_rank(self, after: Sequence[str], before: Sequence[str]) -> tuple[Positions, Positions]:
        is_after = is_any(self._commands.command, after)
        earlier = np.flatnonzero(is_after)
        later = np.flatnonzero(is_any(self._commands.command, before))
        if not len(earlier):
            return later, np.full(len(later), -1)
        rank = self._commands.rank[earlier]
        # For each `after` command, which one was the last of another rank than its own?
        switched = np.concatenate(([False], rank[1:] != rank[:-1]))
        elsewhere = np.maximum.accumulate(np.where(switched, np.arange(len(rank)) - 1, -1))
        nth = np.cumsum(is_after, dtype=np.int64)[later] - is_after[later] - 1
        same = (nth >= 0) & (rank[nth] == self._commands.rank[later])
        nth = np.where(same, elsewhere[nth], nth)
        return later, np.where(nth >= 0, earlier[nth], -1)
