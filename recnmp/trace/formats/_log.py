"""Logs of rows and columns as samples: which column is what, text or Parquet, one row a sample or several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recnmp.errors import ConfigError
from recnmp.trace.formats._columns import Block, Cells, Lists, Numbers, Reals
from recnmp.trace.formats._grouping import Grouping
from recnmp.trace.formats._ids import IdMap
from recnmp.trace.formats._options import ReadOptions, TableOptions
from recnmp.trace.formats._rows import Rows
from recnmp.trace.formats._sink import Bags, Sink
from recnmp.trace.trace import Table

Missing = Literal["bad", "id", "empty"]


class ColumnOptions(TableOptions):
    """A table and the column that its ids are in."""

    column: str | None = Field(None, description="column of its ids; the name of the table when absent")
    base: Literal["text", "decimal", "hex"] = Field("text", description="how an id is written")
    missing: Missing = Field(
        "bad", description="an empty cell is a bad row, an id like any other (number 0), or an empty bag"
    )
    list_separator: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="letter that parts several ids in a cell, which are a bag",
    )


class LogOptions(ReadOptions):
    """Which column of a log is what."""

    tables: dict[str, ColumnOptions] = Field(
        min_length=1, description="tables by name, in the order of calls"
    )
    group: str | None = Field(
        None, description="rows of one value of this column are one sample, its cells a bag"
    )
    gather: bool = Field(
        False, description="join rows of a group that do not follow each other; holds the whole log in memory"
    )
    time: str | None = Field(
        None, description="column of times, whole numbers, by which rows of a group are sorted"
    )
    weight: str | None = Field(None, description="column of the weight of the row's lookups")
    separator: str = Field(",", min_length=1, max_length=2, description="what parts columns of text")
    columns: tuple[str, ...] | None = Field(
        None, description="names of the columns where no header names them"
    )


_BASES = {"text": 0, "decimal": 10, "hex": 16}


def read_log(blocks: Iterator[Block], options: LogOptions, sink: Sink) -> None:
    """Feed the rows of a log to ``sink``; bad ones are left out whole and reported."""
    maps = {name: IdMap(name, column, _BASES[column.base]) for name, column in options.tables.items()}
    grouping = None if options.group is None else Grouping(options.gather, sink)
    last = 0
    for block in blocks:
        sink.rows.read += len(block.line)
        bad = np.zeros(len(block.line), np.bool_)
        keys = [_keys(block, options.tables[name], of, bad, sink.rows) for name, of in maps.items()]
        time = _whole(block, options.time, bad, sink.rows)
        weight = _weights(block, options.weight, bad, sink.rows)
        group = None if options.group is None else _groups(block, options.group, bad, sink.rows)
        bags = _bags(block, keys, maps, bad, weight, sink.rows)
        good = None if time is None else time[~bad]
        if grouping is not None and group is not None:
            grouping.add(bags, group[~bad], good)
        else:
            sink.add(bags)
            if good is not None and len(good):
                sink.rows.backwards += int((np.diff(good, prepend=last) < 0).sum())
                last = int(good[-1])
        sink.tell(block.file.name)
        if sink.full:
            break
    if grouping is not None:
        grouping.finish()
    tables = options.tables
    sink.declare([Table(name, of.entries, tables[name].dim, tables[name].dtype) for name, of in maps.items()])


@dataclass(frozen=True)
class _Keys:
    """What a table's ids are told apart by: lookups of each row, and the key of each lookup."""

    length: NDArray[np.int64]
    key: NDArray[np.uint64]


def _keys(block: Block, column: ColumnOptions, ids: IdMap, bad: NDArray[np.bool_], rows: Rows) -> _Keys:
    """Return a table's keys of a block; adds to ``bad`` the rows that are wrong in this column."""
    name = column.column or ids.name
    given = _ids(block, name)
    if column.list_separator is not None and isinstance(given, Cells):
        items, length = given.split(column.list_separator)
        given = Lists(length, items)
    if isinstance(given, Lists):
        length = given.length
        key, wrong = _key(given.items, ids, column)
        wrong = wrong | _missing(given.items)
    else:
        missing = _missing(given)
        length = np.ones(len(bad), np.int64)
        if column.missing == "bad":
            _refuse(block, missing, bad, rows, f"column {name}: missing")
        elif column.missing == "empty":
            length[missing] = 0
        key, wrong = _key(given, ids, column)
        wrong = wrong & ~missing
        key, wrong = key[length > 0], wrong[length > 0]
    _refuse(block, _of_rows(wrong, length), bad, rows, f"column {name}: not {_wanted(column)}")
    return _Keys(length, key)


def _ids(block: Block, name: str) -> Cells | Numbers | Lists:
    """Return a column; raises ConfigError for one of real numbers, which are no ids."""
    given = block.columns[name]
    if isinstance(given, Reals):
        raise ConfigError(f"{block.file}: column {name} holds real numbers, which can be weights alone")
    return given


def _of_rows(wrong: NDArray[np.bool_], length: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the rows that have a wrong lookup."""
    found = np.zeros(len(length), np.bool_)
    found[np.repeat(np.arange(len(length)), length)[wrong]] = True
    return found


def _missing(given: Cells | Numbers) -> NDArray[np.bool_]:
    return given.empty if isinstance(given, Cells) else given.missing


def _key(
    given: Cells | Numbers, ids: IdMap, column: ColumnOptions
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Return the key of each id, and which are none; a missing one is 0 or the empty word."""
    if isinstance(given, Numbers):
        return given.value, given.negative
    if column.base == "text":
        return ids.of_text(given), np.zeros(len(given), np.bool_)
    return given.numbers(_BASES[column.base])


def _bags(
    block: Block,
    keys: Sequence[_Keys],
    maps: Mapping[str, IdMap],
    bad: NDArray[np.bool_],
    weight: NDArray[np.float32] | None,
    rows: Rows,
) -> list[Bags]:
    """Return the bags of good rows by table; adds rows with entries outside their table to ``bad``."""
    outside = np.zeros(len(bad), np.bool_)
    for one, of in zip(keys, maps.values(), strict=True):
        outside |= _of_rows(of.outside(one.key), one.length)
    _refuse(block, outside, bad, rows, "an id is outside its table")
    good, bags = ~bad, []
    for one, of in zip(keys, maps.values(), strict=True):
        each = None if weight is None else np.repeat(weight[good], one.length[good])
        entry = of.entry(one.key[np.repeat(good, one.length)])
        bags.append(Bags(one.length[good], entry, each))
    return bags


def _wanted(column: ColumnOptions) -> str:
    return "an id" if column.base == "text" else f"a whole {column.base} number"


def _refuse(block: Block, wrong: NDArray[np.bool_], bad: NDArray[np.bool_], rows: Rows, what: str) -> None:
    """Report rows that are wrong and were not yet."""
    rows.refuse_where(block.file, block.line, wrong & ~bad, what)
    bad |= wrong


def _whole(block: Block, name: str | None, bad: NDArray[np.bool_], rows: Rows) -> NDArray[np.int64] | None:
    """Return a column of whole numbers; 0 where a row is bad."""
    if name is None:
        return None
    given = _ids(block, name)
    if isinstance(given, Numbers):
        value, wrong = given.value, given.missing | given.negative
    elif isinstance(given, Cells):
        value, wrong = given.numbers(10)
    else:
        raise ConfigError(f"{block.file}: column {name} holds lists, not times")
    wrong = wrong | (value > np.uint64((1 << 63) - 1))
    _refuse(block, wrong, bad, rows, f"column {name}: not a whole number")
    return np.where(wrong, 0, value).astype(np.int64)


def _groups(block: Block, name: str, bad: NDArray[np.bool_], rows: Rows) -> NDArray[np.uint64]:
    """Return what tells groups apart: a number, or a 64-bit hash of text."""
    given = _ids(block, name)
    if isinstance(given, Cells):
        _refuse(block, given.empty, bad, rows, f"column {name}: missing")
        return given.hashed(0)
    if isinstance(given, Lists):
        raise ConfigError(f"{block.file}: column {name} holds lists, which are no groups")
    _refuse(block, given.missing, bad, rows, f"column {name}: missing")
    return given.value


def _weights(
    block: Block, name: str | None, bad: NDArray[np.bool_], rows: Rows
) -> NDArray[np.float32] | None:
    if name is None:
        return None
    given = block.columns[name]
    if isinstance(given, Lists):
        raise ConfigError(f"{block.file}: column {name} holds lists, not weights")
    if isinstance(given, Numbers):
        exact = np.where(given.missing | given.negative, np.nan, given.value.astype(np.float64))
    elif isinstance(given, Reals):
        exact = given.value
    else:
        text = given.text.tobytes()
        spans = zip(given.start.tolist(), given.end.tolist(), strict=True)
        exact = np.array([_float(text[a:b]) for a, b in spans], np.float64)
    with np.errstate(over="ignore"):  # what is too large for FP32 is not finite
        weight = exact.astype(np.float32)
    _refuse(block, ~np.isfinite(weight), bad, rows, f"column {name}: not a number")
    return np.where(np.isfinite(weight), weight, 0).astype(np.float32)


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
