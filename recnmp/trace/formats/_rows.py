"""Rows that cannot be read: counted, the first of each kind of place named, never silently dropped."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError

SHOWN = 5
"""Bad rows that are named."""


class Rows:
    """Counts rows and collects what is wrong with those that are left out.

    With ``strict`` the first bad row is a ConfigError.
    """

    def __init__(self, strict: bool = False) -> None:
        self._strict = strict
        self.read = 0
        self.bad = 0
        self.backwards = 0  # rows whose time is before that of the row before
        self.first: list[str] = []

    def refuse(self, file: Path, line: int, what: str) -> None:
        """Leave out the row at ``line`` (from 1) of ``file``."""
        text = f"{file}:{line}: {what}"
        if self._strict:
            raise ConfigError(text)
        self.bad += 1
        if len(self.first) < SHOWN:
            self.first.append(text)

    def refuse_where(self, file: Path, lines: NDArray[np.int64], bad: NDArray[np.bool_], what: str) -> None:
        """Leave out the rows at ``lines`` where ``bad``."""
        where = np.flatnonzero(bad)
        for at in where[:SHOWN]:
            self.refuse(file, int(lines[at]), what)
        self.bad += max(len(where) - SHOWN, 0)
