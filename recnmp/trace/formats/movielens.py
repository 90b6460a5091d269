"""MovieLens ratings: the movies that a user rated, in order of time, are a bag.

``ratings.csv`` (header, commas), ``ratings.dat`` (``::``) and ``u.data`` (tabs): user, movie, rating, time. Users
come in order of their first line: files are sorted by user or not at all, so there is no order in time between users.
With ``bags: rating`` every rating is a sample of its own in file order, a user and a movie. The whole file is held
in memory for histories. Source: README files of the data sets, files.grouplens.org/datasets/movielens.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from recnmp._files import opened
from recnmp.errors import ConfigError
from recnmp.trace.formats._columns import Block
from recnmp.trace.formats._log import ColumnOptions, LogOptions, read_log
from recnmp.trace.formats._options import IdOptions
from recnmp.trace.formats._sink import Sink
from recnmp.trace.formats._text import text_blocks

PLUGIN = True
SUMMARY = "MovieLens ratings: a user's movies in order of time are a bag"

_NAMES = ("userId", "movieId", "rating", "timestamp")


class ReadOptions(IdOptions):
    """Options of MovieLens files."""

    bags: Literal["history", "rating"] = Field(
        "history", description="a user's movies, or user and movie of a rating"
    )
    weighted: bool = Field(False, description="ratings are the weights of lookups")


def read(files: Sequence[Path], options: ReadOptions, sink: Sink) -> None:
    """Feed the ratings of ``files``; raises ConfigError for what is none of the three forms."""
    given = options.model_dump(include=set(ColumnOptions.model_fields))
    columns = {"movie": ColumnOptions(**given, column="movieId", base="decimal")}
    history = options.bags == "history"
    if not history:
        columns = {"user": ColumnOptions(**given, column="userId", base="decimal"), **columns}
    own = options.model_dump(include={"batch_size", "pooling", "limit"})
    log = LogOptions(
        tables=columns,
        group="userId" if history else None,
        gather=history,
        time="timestamp",
        weight="rating" if options.weighted else None,
        **own,
    )
    read_log(_blocks(files, sink, log), log, sink)


def _blocks(files: Sequence[Path], sink: Sink, log: LogOptions) -> Iterator[Block]:
    wanted = ["userId", "movieId", "timestamp", *([log.weight] if log.weight else [])]
    for file in files:
        with opened(file) as start:
            line = start.read(1 << 12).partition(b"\n")[0]
        separator = next((s for s in ("::", "\t", ",") if s.encode() in line), None)
        if separator is None or line.count(separator.encode()) != len(_NAMES) - 1:
            raise ConfigError(
                f"{file}:1: not four columns of user, movie, rating, time parted by ',', '::' or a tab"
            )
        names = None if separator == "," else _NAMES
        yield from text_blocks(file, wanted, sink.rows, separator=separator, names=names)
