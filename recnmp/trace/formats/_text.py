"""Columns of delimited text and of Parquet files, block by block, with the line or row of everything."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import csv

from recnmp._files import line_blocks
from recnmp._registry import did_you_mean
from recnmp.errors import ConfigError
from recnmp.trace.formats._columns import Block, Cells, Lists, Numbers, Reals
from recnmp.trace.formats._rows import Rows
from recnmp.trace.formats._unsound import unsound_lines

_PARQUET_ROWS = 1 << 18
_UNIT = "\x1f"  # stands for separators of two letters; no text has it


def text_blocks(
    path: Path,
    wanted: Sequence[str],
    rows: Rows,
    *,
    separator: str = ",",
    names: Sequence[str] | None = None,
    quoted: bool = True,
) -> Iterator[Block]:
    """Yield the ``wanted`` columns of a text file; ``names`` are all columns, those of the first line when None.

    Rows of another number of columns are refused; blank lines are skipped. Text need not be UTF-8. A quoted cell may
    hold the separator, not the end of a line. Raises ConfigError for what is no such file.
    """
    for first, whole in line_blocks(path):
        block, line = whole, first
        if first == 1 and names is None:
            head, _, block = whole.partition(b"\n")
            names, line = _header(path, head, separator, wanted), 2
        assert names is not None
        if block:
            yield _block(path, line, _single(block, separator), tuple(names), wanted, rows, separator, quoted)


def _header(path: Path, head: bytes, separator: str, wanted: Sequence[str]) -> list[str]:
    text = head.decode("utf-8-sig", "replace").strip("\r")
    names = [name.strip().strip('"') for name in text.split(separator)]
    if not all(name.isprintable() for name in names):
        raise ConfigError(f"{path}:1: no names of columns: not text, or lines end in carriage returns alone")
    check_columns(f"{path}:1", names, wanted)
    return names


def check_columns(where: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise ConfigError where a column is missing or there twice."""
    for name in wanted:
        if name not in names:
            known = ", ".join(names[:40])
            shown = known if len(known) <= 200 else f"{known[:200]}..."
            raise ConfigError(f"{where}: column {name!r} is not one of {shown}{did_you_mean(name, names)}")
        if names.count(name) > 1:
            raise ConfigError(f"{where}: column {name!r} is there twice")


def _single(block: bytes, separator: str) -> bytes:
    return block.replace(separator.encode(), _UNIT.encode()) if len(separator) > 1 else block


def _block(
    path: Path,
    first: int,
    block: bytes,
    names: tuple[str, ...],
    wanted: Sequence[str],
    rows: Rows,
    separator: str,
    quoted: bool,
) -> Block:
    letter = separator if len(separator) == 1 else _UNIT
    lines = np.arange(first, first + block.count(b"\n"))
    found = _parsed(block, names, wanted, letter, quoted)
    if found is not None:
        return _without_blank(Block(path, lines, dict(found)), block, first)
    # a line is no row: they are looked at one by one
    wrong = unsound_lines(block, letter, len(names), quoted)
    for at, what in wrong.items():
        rows.refuse(path, int(lines[at]), what)
    rows.read += len(wrong)
    each = block.split(b"\n")[:-1]
    kept = [n for n, line in enumerate(each) if n not in wrong and line.strip()]
    if not kept:
        return Block(path, lines[:0], dict.fromkeys(wanted, Cells.none()))
    found = _parsed(b"".join(each[n] + b"\n" for n in kept), names, wanted, letter, quoted)
    if found is None:
        raise ConfigError(f"{path}:{first}: from here on lines end in several ways; is this text?")
    return Block(path, lines[kept], dict(found))


def _parsed(
    block: bytes, names: tuple[str, ...], wanted: Sequence[str], letter: str, quoted: bool
) -> dict[str, Cells] | None:
    """Return the columns ``wanted`` of all lines, None if not every line is a row."""
    try:
        table = csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(use_threads=False, column_names=names, block_size=len(block) + 1),
            csv.ParseOptions(delimiter=letter, quote_char='"' if quoted else False, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(wanted, pa.binary()), include_columns=list(wanted), null_values=[]
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != block.count(b"\n"):
        return None
    return {name: cells_of(table.column(name)) for name in wanted}


def _without_blank(block: Block, text: bytes, first: int) -> Block:
    """Leave out lines without a letter, which are no rows."""
    if not (text.startswith((b"\n", b"\r\n")) or b"\n\n" in text or b"\n\r\n" in text):
        return block
    blank = [n for n, line in enumerate(text.split(b"\n")[:-1], first) if not line.strip()]
    keep = ~np.isin(block.line, blank)
    columns: dict[str, Any] = {
        name: column.select(keep) for name, column in block.columns.items() if isinstance(column, Cells)
    }
    return Block(block.file, block.line[keep], columns)


def cells_of(column: pa.ChunkedArray) -> Cells:
    """Return a binary column as cells."""
    if column.num_chunks == 0:
        return Cells.none()
    array = column.combine_chunks() if column.num_chunks > 1 else column.chunk(0)
    _, offsets, data = array.buffers()
    edges = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    text = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Cells(text, edges[:-1], edges[1:])


def parquet_blocks(path: Path, wanted: Sequence[str]) -> Iterator[Block]:
    """Yield the ``wanted`` columns of a Parquet file: text, whole numbers, or lists of them; "line" is the row.

    Raises ConfigError for what is no such file.
    """
    try:
        with path.open("rb") as file:
            parquet = pq.ParquetFile(file, memory_map=False, pre_buffer=False)
            check_columns(str(path), parquet.schema_arrow.names, wanted)
            row = 1
            for batch in parquet.iter_batches(_PARQUET_ROWS, columns=list(wanted), use_threads=False):
                line = np.arange(row, row + batch.num_rows)
                yield Block(path, line, {name: _arrow(path, name, batch.column(name)) for name in wanted})
                row += batch.num_rows
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (pa.ArrowException, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"{path}: not a readable Parquet file: {reason}") from None


def _arrow(path: Path, name: str, array: pa.Array) -> "Cells | Numbers | Reals | Lists":
    kind = array.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        length = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        items = _arrow(path, name, array.flatten())
        if isinstance(items, Lists | Reals):
            raise ConfigError(f"{path}: column {name} holds lists of {kind.value_type}, not of ids")
        return Lists(length, items)
    if pa.types.is_dictionary(kind):
        return _arrow(path, name, array.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return cells_of(
            pa.chunked_array([array.fill_null("" if not pa.types.is_binary(kind) else b"")]).cast(pa.binary())
        )
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind) or pa.types.is_boolean(kind):
        plain = array.cast(pa.int8()) if pa.types.is_boolean(kind) else array
        plain = plain.cast(pa.int64()) if pa.types.is_timestamp(kind) else plain
        missing: NDArray[np.bool_] = plain.is_null().to_numpy(zero_copy_only=False)
        value = plain.fill_null(0).to_numpy(zero_copy_only=False)
        negative = value < 0 if value.dtype.kind == "i" else np.zeros(len(value), np.bool_)
        return Numbers(np.where(negative, 0, value).astype(np.uint64), missing, negative)
    if pa.types.is_floating(kind):
        return Reals(array.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))
    raise ConfigError(f"{path}: column {name} is {kind}; text, whole numbers and lists of them are read")
