"""The points that a figure is of: options, figures, replicates, and which of them failed."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from recnmp._registry import did_you_mean
from recnmp.errors import ConfigError
from recnmp.plot.labels import option_label, value_text
from recnmp.plot.origin import origins
from recnmp.sweep.confidence import mean_and_half_width
from recnmp.sweep.figures import is_number

Row = dict[str, Any]
Key = tuple[Any, ...]

SERVICE = ("point", "seed", "status", "error")
"""Columns of a sweep's table that are neither options nor figures."""


@dataclass(frozen=True)
class Cell:
    """What stands at one place of a figure.

    Attributes:
        mean: over the replicates; None where there is none.
        half: half the width of its 95 % confidence interval; None with fewer than two replicates.
        n: replicates that have a value.
        failed: points here that failed.
        points: all points here.
    """

    mean: float | None = None
    half: float | None = None
    n: int = 0
    failed: int = 0
    points: int = 0


@dataclass(frozen=True)
class Table:
    """Points and their figures.

    Attributes:
        name: what it was read from.
        rows: one for each point; those with a ``status`` of ``error`` have no figures.
        options: columns that say what a point is, those that vary and those that follow from them.
        document: the whole result of a row, None where it is not to be had.
        loose: any table: columns may be taken as options or as figures.
        objectives: what a search was for.
        only: which points were chosen from more, in words.
        sparse: points are few of those that options allow, as a search's, so that nothing follows from anything.
    """

    name: str
    rows: tuple[Row, ...]
    options: tuple[str, ...]
    document: Callable[[Row], Any] = field(default=lambda _: None, repr=False)
    loose: bool = False
    objectives: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    sparse: bool = False

    @property
    def origin(self) -> tuple[str, ...]:
        """What a reader must know of the points chosen, their traces and the code that ran them."""
        found = (self.document(row) for row in self.rows)
        return (*self.only, *origins(document for document in found if document is not None))

    @property
    def figures(self) -> list[str]:
        """Columns that hold numbers and are no options, in their order."""
        taken = SERVICE if self.loose else (*SERVICE, *self.options)
        return [name for name in self._columns() if name not in taken and self._counts(name)]

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def _counts(self, name: str) -> bool:
        return any(_number(row.get(name)) is not None for row in self.rows)

    def figure(self, name: str) -> str:
        """Return ``name`` if it is a figure of the table; raises ConfigError with the nearest that is."""
        if name not in self.figures:
            raise ConfigError(f"{self.name}: no figure {name!r}{did_you_mean(name, self.figures)}")
        return name

    def option(self, name: str) -> str:
        """Return ``name`` if it is an option of the points; raises ConfigError with those that vary."""
        if name not in self.options:
            near = did_you_mean(name, self.options)
            raise ConfigError(
                f"{self.name}: no option {name!r} varies{near or f'; there is {self._varying()}'}"
            )
        return name

    def _varying(self) -> str:
        return ", ".join(self.axes()) or "none"

    def where(self, chosen: Sequence[str]) -> "Table":
        """Return the table with only the points that meet every ``OPTION=VALUE`` of ``chosen``.

        Raises ConfigError for an option that does not vary and for a value that no point has.
        """
        rows = self.rows
        for text in chosen:
            name, equals, wanted = text.partition("=")
            if not equals:
                raise ConfigError(f"--where {text}: write OPTION=VALUE")
            self.option(name)
            spelt = {told for row in self.rows for told in _spellings(name, row.get(name))}
            if wanted not in spelt:
                seen = ", ".join(dict.fromkeys(value_text(name, row.get(name)) for row in self.rows))
                raise ConfigError(f"--where {text}: no point has that; there is {seen}")
            rows = tuple(row for row in rows if wanted in _spellings(name, row.get(name)))
        if not rows:
            raise ConfigError(f"{self.name}: no point meets all of --where {' --where '.join(chosen)}")
        if not chosen:
            return self
        only = f"Only {' and '.join(chosen)}: {len(rows)} of its points."
        return replace(self, rows=rows, only=(*self.only, only))

    def values(self, option: str) -> list[Any]:
        """Return the values of an option: none first, numbers ascending, others in the order of the points."""
        found = list({json.dumps(row.get(option)): row.get(option) for row in self.rows}.values())
        if all(v is None or is_number(v) for v in found):
            return sorted(found, key=lambda v: (v is not None, v or 0))
        return found

    def axes(self) -> list[str]:
        """Return options that together tell all points apart: those that follow from others before them are left out.

        Sections, which are JSON, come last: what varies in them is mostly an option of its own.
        """
        if self.loose:
            return []
        varying = [name for name in self.options if len(self.values(name)) > 1]
        # what is only known of points that ran comes after what all were asked to be
        varying.sort(key=lambda name: (name == "vector_bytes", self._is_section(name)))
        if self.sparse:
            return [name for name in varying if not any(one.startswith(f"{name}.") for one in varying)]
        kept: list[str] = []
        for name in varying:
            if not self._follows(name, kept):
                kept.append(name)
        return kept

    def _is_section(self, name: str) -> bool:
        return any(str(row.get(name)).startswith("{") for row in self.rows)

    def alongside(self, shown: Sequence[str]) -> list[str]:
        """Return options that vary, follow from those ``shown``, and are neither among them nor sections of them."""
        return [
            name
            for name in self.options
            if name not in shown
            and not any(one.startswith(f"{name}.") for one in shown)
            and len(self.values(name)) > 1
            and self._follows(name, shown)
        ]

    def _follows(self, name: str, names: Sequence[str]) -> bool:
        seen: dict[Key, Any] = {}
        return all(seen.setdefault(self.key(row, names), row.get(name)) == row.get(name) for row in self.rows)

    def key(self, row: Row, names: Sequence[str]) -> Key:
        """Return a row's values of some options."""
        return tuple(row.get(name) for name in names)

    def check_alone(self, names: Sequence[str]) -> None:
        """Raise ConfigError where points that share their values of ``names`` differ in more than their seeds.

        Of a table of any kind nothing tells which rows are replicates, so that no two may share them.
        """
        if self.loose and len({self.key(row, names) for row in self.rows}) < len(self.rows):
            shown = ", ".join(names)
            raise ConfigError(f"{self.name}: several rows share {shown}; use --where, or --group")
        for name in self.axes():
            if name not in names and not self._follows(name, names):
                seen = ", ".join(value_text(name, value) for value in self.values(name))
                raise ConfigError(
                    f"{self.name}: {name} varies, too ({seen}); choose one with --where {name}=VALUE, "
                    f"or show it with --group {name}"
                )

    def cells(self, names: Sequence[str], figure: str) -> dict[Key, Cell]:
        """Return the mean of a figure, by the values of some options; replicates are the seeds' points."""
        groups: dict[Key, list[Row]] = {}
        for row in self.rows:
            groups.setdefault(self.key(row, names), []).append(row)
        return {key: _cell(rows, figure) for key, rows in groups.items()}

    @property
    def failed(self) -> list[Row]:
        """Points that failed."""
        return [row for row in self.rows if row.get("status") == "error"]

    def point_text(self, row: Mapping[str, Any], names: Iterable[str] | None = None) -> str:
        """Return what tells a point from the others, in words."""
        shown = self.axes() if names is None else names
        return ", ".join(f"{option_label(name)} {value_text(name, row.get(name))}" for name in shown)

    def replicate_notes(self, cells: Iterable[Cell]) -> list[str]:
        """Return what intervals are, of how many replicates, and which points failed."""
        counts = sorted({cell.n for cell in cells if cell.n})
        notes = []
        if counts and counts[-1] > 1:
            n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
            notes.append(
                f"Mean of n = {n} seeds; whiskers: 95 % confidence interval of the mean (Student's t)."
            )
        elif any("seed" in row for row in self.rows):
            notes.append("One seed each: no interval.")
        if self.failed:
            told = "; ".join(dict.fromkeys(self.point_text(row) or "the only one" for row in self.failed[:3]))
            more = " and others" if len(self.failed) > 3 else ""
            notes.append(f"× {len(self.failed)} of {len(self.rows)} points failed: {told}{more}.")  # noqa: RUF001
        return notes


def _cell(rows: Sequence[Row], figure: str) -> Cell:
    values = [value for row in rows if (value := _number(row.get(figure))) is not None]
    failed = sum(row.get("status") == "error" for row in rows)
    mean, half = mean_and_half_width(values) if values else (None, None)
    return Cell(mean, half, len(values), failed, len(rows))


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) and isfinite(value) else None


def _spellings(name: str, value: Any) -> set[str]:
    return {value_text(name, value), json.dumps(value).strip('"'), str(value)}
