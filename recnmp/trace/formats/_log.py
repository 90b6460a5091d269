"""Logs of rows and columns as samples: which column is what, text or Parquet, one row a sample or several."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recnmp.errors import ConfigError
from recnmp.trace.formats._columns import Block, Cells, Lists, Numbers
from recnmp.trace.formats._grouping import Grouping
from recnmp.trace.formats._ids import IdMap
from recnmp.trace.formats._matrix import without
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
    grouping = Grouping(options.gather, sink) if options.group is not None else None
    for block in blocks:
        sink.rows.read += len(block.line)
        bad = np.zeros(len(block.line), np.bool_)
        bags = [_bags(block, options.tables[name], of, bad, sink.rows) for name, of in maps.items()]
        time = _whole(block, options.time, bad, sink.rows)
        weight = _weights(block, options.weight, bad, sink.rows)
        if grouping is not None:
            key = _keys(block, options.group or "", bad, sink.rows)
            grouping.add(
                [_kept(part, bad, weight) for part in bags], key[~bad], None if time is None else time[~bad]
            )
        else:
            _count_backwards(time, sink.rows)
            sink.add([_kept(part, bad, weight) for part in bags])
        sink.tell(block.file.name)
        if sink.full:
            break
    if grouping is not None:
        grouping.finish()
    sink.declare(
        [
            Table(name, of.entries, options.tables[name].dim, options.tables[name].dtype)
            for name, of in maps.items()
        ]
    )


def _bags(block: Block, column: ColumnOptions, ids: IdMap, bad: NDArray[np.bool_], rows: Rows) -> Bags:
    """Return a table's bags of a block; adds to ``bad`` the rows that are wrong in this column."""
    name = column.column or ids.name
    given = block.columns[name]
    if column.list_separator is not None and isinstance(given, Cells):
        items, length = given.split(column.list_separator)
        given = Lists(length, items)
    if isinstance(given, Lists):
        entry, wrong = _entries(given.items, ids, column, in_list=True)
        row = np.repeat(np.arange(len(given.length)), given.length)
        wrong_row = np.zeros(len(bad), np.bool_)
        wrong_row[row[wrong]] = True
        _refuse(block, wrong_row, bad, rows, f"column {name}: not {_wanted(column)}")
        return Bags(given.length, entry)
    missing = given.empty if isinstance(given, Cells) else given.missing
    length = np.ones(len(bad), np.int64)
    if column.missing == "bad":
        _refuse(block, missing, bad, rows, f"column {name}: missing")
    elif column.missing == "empty":
        length[missing] = 0
        given = given.select(~missing) if isinstance(given, Cells) else _selected(given, ~missing)
    entry, wrong = _entries(given, ids, column)
    wrong_row = np.zeros(len(bad), np.bool_)
    wrong_row[length > 0] = wrong
    _refuse(block, wrong_row, bad, rows, f"column {name}: not {_wanted(column)}")
    return Bags(length, entry)


def _wanted(column: ColumnOptions) -> str:
    size = f" below {column.entries}" if column.ids == "as_is" and column.entries else ""
    return "an id" if column.base == "text" else f"a whole {column.base} number{size}"


def _entries(
    given: Cells | Numbers | Lists, ids: IdMap, column: ColumnOptions, in_list: bool = False
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    if isinstance(given, Numbers):
        return ids.of_numbers(given.value, given.negative | (given.missing & in_list))
    assert isinstance(given, Cells)
    if column.base == "text":
        entry, wrong = ids.of_cells(given)
        return entry, wrong | (given.empty & in_list)
    value, wrong = given.numbers(_BASES[column.base])
    return ids.of_numbers(value, wrong & (in_list | ~given.empty))


def _selected(numbers: Numbers, keep: NDArray[np.bool_]) -> Numbers:
    return Numbers(numbers.value[keep], numbers.missing[keep], numbers.negative[keep])


def _refuse(block: Block, wrong: NDArray[np.bool_], bad: NDArray[np.bool_], rows: Rows, what: str) -> None:
    """Report rows that are wrong and were not yet."""
    rows.refuse_where(block.file, block.line, wrong & ~bad, what)
    bad |= wrong


def _kept(bags: Bags, bad: NDArray[np.bool_], weight: NDArray[np.float32] | None) -> Bags:
    """Return the bags of the good rows, weighted by row."""
    each = None if weight is None else np.repeat(weight, bags.length)
    weighted = Bags(bags.length, bags.entry, each)
    return without(weighted, bad) if bad.any() else weighted


def _whole(block: Block, name: str | None, bad: NDArray[np.bool_], rows: Rows) -> NDArray[np.int64] | None:
    """Return a column of whole numbers; 0 where a row is bad."""
    if name is None:
        return None
    given = block.columns[name]
    if isinstance(given, Numbers):
        value, wrong = given.value, given.missing | given.negative
    elif isinstance(given, Cells):
        value, wrong = given.numbers(10)
    else:
        raise ConfigError(f"{block.file}: column {name} holds lists, not times")
    wrong = wrong | (value > np.uint64((1 << 63) - 1))
    _refuse(block, wrong, bad, rows, f"column {name}: not a whole number")
    return np.where(wrong, 0, value).astype(np.int64)


def _keys(block: Block, name: str, bad: NDArray[np.bool_], rows: Rows) -> NDArray[np.uint64]:
    """Return what tells groups apart: a number, or a 64-bit hash of text."""
    given = block.columns[name]
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
    if isinstance(given, Numbers):
        return given.value.astype(np.float32)
    if isinstance(given, Lists):
        raise ConfigError(f"{block.file}: column {name} holds lists, not weights")
    text = given.text.tobytes()
    spans = zip(given.start.tolist(), given.end.tolist(), strict=True)
    weight = np.array([_float(text[a:b]) for a, b in spans], np.float32)
    _refuse(block, ~np.isfinite(weight), bad, rows, f"column {name}: not a number")
    return np.where(np.isfinite(weight), weight, 0).astype(np.float32)


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _count_backwards(time: NDArray[np.int64] | None, rows: Rows) -> None:
    if time is not None:
        rows.backwards += int((time[1:] < time[:-1]).sum())
