"""A figure before it is drawn: its numbers, its words, and how the numbers become marks."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from recnmp.errors import RecnmpError
from recnmp.plot.table import Row
from recnmp.report.result import write_whole
from recnmp.report.style import Sheet, Width, check_suffix, paper


@dataclass(frozen=True)
class Plot:
    """What a kind of figure makes of its source.

    Attributes:
        sheet: title, notes and panels.
        rows: the numbers drawn, one mark in a row; units in the columns' names.
        draw: sets marks, axes and legend on the sheet's panels.
    """

    sheet: Sheet
    rows: tuple[Row, ...]
    draw: Callable[[Sequence[Axes]], None]

    def write(self, path: Path, width: Width = "page", data: Path | None = None) -> None:
        """Write the figure into ``path``, SVG, PDF or PNG, and its numbers as CSV into ``data``, if given.

        The same numbers give the same bytes. Raises ConfigError for another suffix, RecnmpError where a file cannot
        be written.
        """
        check_suffix(path)
        if data is not None:
            check_suffix(data, (".csv",), "the numbers of a figure end")
        try:
            with paper(self.sheet, width, path) as axes:
                self.draw(axes)
            if data is not None:
                write_whole(data, self.csv())
        except OSError as error:
            raise RecnmpError(
                f"{error.filename or path}: cannot write the figure: {error.strerror}"
            ) from None

    def csv(self) -> str:
        """Return the numbers as CSV; empty where there is no value."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {key: f"{value:.9g}" if isinstance(value, float) else value for key, value in row.items()}
            for row in self.rows
        )
        return text.getvalue()
