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

_ENCODINGS = {
    "table": "DELTA_BINARY_PACKED",
    "bag": "DELTA_BINARY_PACKED",
    "entry": "BYTE_STREAM_SPLIT",
    "weight": "BYTE_STREAM_SPLIT",
}


def file_schema(weighted: bool) -> pa.Schema:
    """Return the columns of a trace file."""
    names = [name for name in COLUMNS if weighted or name != "weight"]
    return pa.schema([pa.field(name, pa.from_numpy_dtype(COLUMNS[name]), nullable=False) for name in names])


class TraceWriter:
    """Writes a trace piece by piece, in bounded memory, and publishes it only when it is complete.

    Lookups go to ``<path>.tmp``, which takes the name ``path`` when the ``with`` block ends well and is
    removed when it does not. Raises ConfigError where a path, a lookup or a call cannot be part of a trace,
    RecnmpError where the file system fails. That lookups and calls agree on tables is left to the reader.

    >>> with TraceWriter(path, [Table("users", 100, 16)]) as writer:  # doctest: +SKIP
    ...     writer.append(table=[0, 0], bag=[0, 0], entry=[3, 99])
    ...     writer.add_calls(calls)
    """

    def __init__(
        self,
        path: Path,
        tables: Sequence[Table],
        meta: Mapping[str, Any] | None = None,
        *,
        weighted: bool = False,
    ) -> None:
        self._path, self._tables, self._meta = Path(path), tuple(tables), dict(meta or {})
        self._sizes = np.array([table.entries for table in tables], np.int64)
        self._schema = file_schema(weighted)
        self._digest = ContentDigest()
        self._pending: list[dict[str, NDArray[Any]]] = []
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
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
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
        self._digest.update(chunk)
        self._pending.append(chunk)
        while sum(len(part["bag"]) for part in self._pending) >= ROW_GROUP:
            self._write_group()

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
        if table.max() >= len(self._tables) or np.any(chunk["entry"] >= self._sizes[table]):
            raise ConfigError("a trace lookup is outside its table, or its table is not declared")
        self._first_bag = int(bag[0]) if self._first_bag is None else self._first_bag
        self._last_bag = int(bag[-1])

    def _write_group(self) -> None:
        joined = {name: np.concatenate([part[name] for part in self._pending]) for name in self._schema.names}
        group = {name: values[:ROW_GROUP] for name, values in joined.items()}
        self._parquet.write_table(pa.table(group, schema=self._schema), row_group_size=ROW_GROUP)
        rest = {name: values[ROW_GROUP:] for name, values in joined.items()}
        self._pending = [rest] if len(rest["bag"]) else []

    def _finish(self) -> None:
        calls = join_calls(self._calls)
        table, bag, entry = (np.empty(0, COLUMNS[name]) for name in ("table", "bag", "entry"))
        Trace(table, bag, entry, None, self._tables, calls)  # checks the calls
        end = int(calls.first_bag[-1] + calls.bags[-1])
        if self._first_bag is not None and not calls.first_bag[0] <= self._first_bag <= self._last_bag < end:
            raise ConfigError("trace has lookups in bags that no call owns")
        if self._pending:
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
    return array.astype(dtype)
