"""Writing a trace piece by piece, in bounded memory; the format is described in ``recnmp.trace.storage``."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from recnmp.errors import ConfigError, RecnmpError
from recnmp.trace.header import COLUMNS, METADATA_KEY, ContentDigest, Header, header_json
from recnmp.trace.trace import Calls, Table, Trace

ROW_GROUP = 1 << 20
"""Lookups in a row group: the unit of reading, and about the most that a writer keeps in memory."""

_PAGE_BYTES = 32 << 10
"""Small pages stay in the cache while they are unpacked: a quarter less time to read than 1 MiB."""

_MOST_TABLES = int(np.iinfo(COLUMNS["table"]).max) + 1

_ENCODINGS = {
    "table": "DELTA_BINARY_PACKED",
    "bag": "DELTA_BINARY_PACKED",
    "entry": "BYTE_STREAM_SPLIT",
    "weight": "BYTE_STREAM_SPLIT",
}
_COMPRESSION = {"table": "ZSTD", "bag": "LZ4", "entry": "ZSTD", "weight": "ZSTD"}


def file_schema(weighted: bool) -> pa.Schema:
    """Return the columns of a trace file."""
    names = [name for name in COLUMNS if weighted or name != "weight"]
    return pa.schema([pa.field(name, pa.from_numpy_dtype(COLUMNS[name]), nullable=False) for name in names])


class TraceWriter:
    """Writes a trace piece by piece, in bounded memory, and publishes it only when it is complete.

    Lookups go to ``<path>.tmp``, which takes the name ``path`` when the ``with`` block ends well and is
    removed when it does not. Raises ConfigError where a path, a lookup or a call cannot be part of a trace,
    RecnmpError where the file system fails. That lookups and calls agree on tables is left to the reader.
    Where the tables' sizes show at the end only, give None for ``tables`` and call ``declare`` before it.

    >>> with TraceWriter(path, [Table("users", 100, 16)]) as writer:  # doctest: +SKIP
    ...     writer.append(table=[0, 0], bag=[0, 0], entry=[3, 99])
    ...     writer.add_calls(calls)
    """

    def __init__(
        self,
        path: Path,
        tables: Sequence[Table] | None,
        meta: Mapping[str, Any] | None = None,
        *,
        weighted: bool = False,
    ) -> None:
        self._path, self._meta = Path(path), dict(meta or {})
        self._tables: tuple[Table, ...] | None = None if tables is None else tuple(tables)
        self._schema = file_schema(weighted)
        self._digest = ContentDigest()
        self._group = {name: np.empty(ROW_GROUP, COLUMNS[name]) for name in self._schema.names}
        self._filled = 0
        self._largest = np.full(_MOST_TABLES, -1, np.int64)  # entry read, by table
        self._calls: list[Calls] = []
        self._first_bag: int | None = None
        self._last_bag = 0

    def __enter__(self) -> "TraceWriter":
        self._temporary = self._path.with_name(self._path.name + ".tmp")
        try:
            self._file = self._temporary.open("wb")
        except OSError as error:
            raise ConfigError(f"cannot write {self._path}: {error.strerror}") from None
        self._parquet = pq.ParquetWriter(
            self._file,
            self._schema,
            compression={name: _COMPRESSION[name] for name in self._schema.names},
            compression_level={name: 1 for name in self._schema.names if _COMPRESSION[name] == "ZSTD"},
            use_dictionary=False,
            data_page_size=_PAGE_BYTES,
            column_encoding={name: _ENCODINGS[name] for name in self._schema.names},
            store_schema=False,
            write_page_checksum=True,
        )
        return self

    def append(
        self, table: ArrayLike, bag: ArrayLike, entry: ArrayLike, weight: ArrayLike | None = None
    ) -> None:
        """Add the next lookups, columns as in ``Trace``; any number at a time."""
        given = {"table": table, "bag": bag, "entry": entry} | ({} if weight is None else {"weight": weight})
        if list(given) != self._schema.names:
            raise ConfigError("a trace has a weight for every lookup or for none")
        chunk = {name: _column(name, values) for name, values in given.items()}
        if len({len(values) for values in chunk.values()}) != 1:
            raise ConfigError("trace columns differ in length")
        if len(chunk["bag"]) == 0:
            return
        self._check(chunk)
        done = 0
        while done < len(chunk["bag"]):
            part = {name: values[done : done + ROW_GROUP - self._filled] for name, values in chunk.items()}
            end = self._filled + len(part["bag"])
            for name, values in part.items():
                self._group[name][self._filled : end] = values
            done, self._filled = done + len(part["bag"]), end
            if end == ROW_GROUP:
                self._write_group()

    def declare(self, tables: Sequence[Table]) -> None:
        """State the tables of a writer that was given none, any time before the end."""
        self._tables = tuple(tables)

    def describe(self, meta: Mapping[str, Any]) -> None:
        """Replace what the trace says of where it comes from, any time before the end."""
        self._meta = dict(meta)

    @property
    def largest(self) -> NDArray[np.int64]:
        """The largest entry read so far by table, -1 where none was, shape (65536,)."""
        return self._largest

    def add_calls(self, calls: Calls) -> None:
        """Add the next operator calls; they may come before or after their lookups."""
        self._calls.append(calls)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        except OSError as failure:
            raise RecnmpError(f"cannot write {self._path}: {failure.strerror or failure}") from None
        finally:
            with contextlib.suppress(OSError):  # the first failure is the one to report
                self._parquet.close()
                self._file.close()
            self._temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RecnmpError(f"cannot write {self._path}: {error.strerror or error}") from None

    def _check(self, chunk: dict[str, NDArray[Any]]) -> None:
        bag, table = chunk["bag"], chunk["table"]
        if bag[0] < self._last_bag or np.any(bag[1:] < bag[:-1]):
            raise ConfigError("trace lookups are not in bag order")
        starts = np.concatenate([[0], np.flatnonzero(table[1:] != table[:-1]) + 1])
        np.maximum.at(self._largest, table[starts], np.maximum.reduceat(chunk["entry"], starts))
        if self._tables is not None:
            self._check_tables(self._tables)
        self._first_bag = int(bag[0]) if self._first_bag is None else self._first_bag
        self._last_bag = int(bag[-1])

    def _check_tables(self, tables: Sequence[Table]) -> None:
        sizes = np.zeros(_MOST_TABLES, np.int64)
        sizes[: len(tables)] = [table.entries for table in tables]
        if np.any(self._largest >= sizes):
            raise ConfigError("a trace lookup is outside its table, or its table is not declared")

    def _write_group(self) -> None:
        group = {name: values[: self._filled] for name, values in self._group.items()}
        self._digest.update(group)
        columns = [_arrow(values) for values in group.values()]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._parquet.write_table(table, row_group_size=ROW_GROUP)
        self._filled = 0

    def _finish(self) -> None:
        if self._tables is None:
            raise ConfigError("a trace needs its tables to be declared")
        self._check_tables(self._tables)
        calls = join_calls(self._calls)
        table, bag, entry = (np.empty(0, COLUMNS[name]) for name in ("table", "bag", "entry"))
        Trace(table, bag, entry, None, self._tables, calls)  # checks the calls
        end = int(calls.first_bag[-1] + calls.bags[-1])
        if self._first_bag is not None and not calls.first_bag[0] <= self._first_bag <= self._last_bag < end:
            raise ConfigError("trace has lookups in bags that no call owns")
        if self._filled:
            self._write_group()
        header = Header(self._tables, calls, self._meta, self._digest.result(self._tables, calls))
        self._parquet.add_key_value_metadata({METADATA_KEY: header_json(header)})
        self._parquet.close()
        self._file.close()
        self._temporary.replace(self._path)


def join_calls(parts: Sequence[Calls]) -> Calls:
    """Return the calls of ``parts`` one after another; raises ConfigError when there are none."""
    if not parts:
        raise ConfigError("a trace has at least one operator call")
    return Calls(
        np.concatenate([part.table for part in parts]).astype(np.uint16),
        np.concatenate([part.first_bag for part in parts]).astype(np.int64),
        np.concatenate([part.bags for part in parts]).astype(np.int64),
        np.concatenate([part.batch for part in parts]).astype(np.int64),
        np.concatenate([part.pooling for part in parts]).astype(np.uint8),
    )


def _column(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return ``values`` as column ``name``; raises ConfigError for values the column cannot hold."""
    array, dtype = np.asarray(values), COLUMNS[name]
    if array.dtype != dtype and dtype.kind == "u" and len(array):
        limits = np.iinfo(dtype)
        if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > limits.max:
            raise ConfigError(f"trace column {name!r} holds whole numbers from 0 to {limits.max}")
    return array.astype(dtype, copy=False)


def _arrow(values: NDArray[Any]) -> pa.Array:
    """Return ``values`` as an Arrow array on the same memory, without looking for pandas."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
