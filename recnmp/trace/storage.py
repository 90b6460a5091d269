"""Traces on disk: one Parquet file with the lookups as columns and everything else in its metadata.

Columns ``table`` uint16, ``bag`` uint32, ``entry`` uint32 and, in weighted traces only, ``weight`` float32;
the metadata key ``recnmp.trace`` holds tables, calls, meta and the content digest as JSON. Encodings were
chosen by measurement: about 22 bits per lookup, read at tens of millions of lookups per second. The bytes
depend on the content and the pyarrow version alone, not on the time or on how the lookups were cut.

Not stored: values of the embeddings (``recnmp.trace.values`` has them as a function).
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.header import COLUMNS, METADATA_KEY, ContentDigest, Header, parse_header
from recnmp.trace.trace import Trace
from recnmp.trace.writer import TraceWriter, file_schema

__all__ = ["Lookups", "TraceWriter", "iter_chunks", "load_trace", "read_header", "save_trace", "trace_digest"]


CHUNK = 1 << 18
"""Lookups that are read at a time: few enough to be still in the cache when their digest is taken."""


class Lookups(NamedTuple):
    """Consecutive lookups of a trace, columns as in ``Trace``."""

    table: NDArray[np.uint16]
    bag: NDArray[np.uint32]
    entry: NDArray[np.uint32]
    weight: NDArray[np.float32] | None

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns that are there, by name."""
        return {name: values for name, values in self._asdict().items() if values is not None}


def save_trace(trace: Trace, path: Path) -> None:
    """Write ``trace`` to ``path``, whole or not at all; raises as ``TraceWriter`` does."""
    with TraceWriter(path, trace.tables, trace.meta, weighted=trace.weight is not None) as writer:
        writer.append(trace.table, trace.bag, trace.entry, trace.weight)
        writer.add_calls(trace.calls)


def trace_digest(trace: Trace) -> str:
    """Return the digest of the content of ``trace``: the one in its file, however it was written."""
    digest = ContentDigest()
    digest.update(Lookups(trace.table, trace.bag, trace.entry, trace.weight).columns())
    return digest.result(trace.tables, trace.calls)


def read_header(path: Path) -> Header:
    """Return what the trace at ``path`` says about itself, without reading a lookup; raises ConfigError."""
    with _opened(path) as (_, header):
        return header


def iter_chunks(path: Path, lookups: int = CHUNK, verify: bool = True) -> Iterator[Lookups]:
    """Yield the lookups of the trace at ``path`` in order, at most ``lookups`` at a time, in bounded memory.

    Raises ConfigError for a file that is not a sound trace; a digest that does not match shows at the end.
    """
    with _opened(path) as (parquet, header):
        digest = ContentDigest()
        for chunk in _chunks(parquet, lookups):
            if verify:
                digest.update(chunk.columns())
            yield chunk
        if verify and digest.result(header.tables, header.calls) != header.digest:
            raise ConfigError(f"{path}: damaged trace: its content does not match its digest")


def load_trace(path: Path, verify: bool = True, first_batch: int = 0, batches: int | None = None) -> Trace:
    """Return the trace stored at ``path``; given batches, what ``Trace.select`` would of it.

    Memory holds what is returned; the digest is the whole file's in any case.
    Raises ConfigError naming the file and what is wrong: missing, not Parquet, not a trace, truncated, of another
    content than its digest says (with ``verify``), or without these batches.
    """
    with _opened(path) as (parquet, header):
        calls = header.calls.of_batches(first_batch, batches)
        bags = [int(calls.first_bag[0]), int(calls.first_bag[-1] + calls.bags[-1])]
        # memory is taken where it is written, not here
        columns = {
            name: np.empty(parquet.metadata.num_rows, COLUMNS[name]) for name in parquet.schema_arrow.names
        }
        whole, filled, digest = len(calls) == len(header.calls), 0, ContentDigest()
        for chunk in _chunks(parquet, CHUNK):
            span = slice(None) if whole else slice(*np.searchsorted(chunk.bag, bags))
            end = filled + len(chunk.bag[span])
            for name, values in chunk.columns().items():
                columns[name][filled:end] = values[span]
            filled = end
            if verify:
                digest.update(chunk.columns())
        columns = {name: values[:filled] for name, values in columns.items()}
        trace = Trace(
            columns["table"],
            columns["bag"],
            columns["entry"],
            columns.get("weight"),
            header.tables,
            calls,
            header.meta,
        )
        if verify and digest.result(header.tables, header.calls) != header.digest:
            raise ConfigError("damaged trace: its content does not match its digest")
    return trace


def _chunks(parquet: pq.ParquetFile, lookups: int) -> Iterator[Lookups]:
    for batch in parquet.iter_batches(lookups, use_threads=False):
        columns: dict[str, Any] = {name: np.from_dlpack(batch.column(name)) for name in batch.schema.names}
        yield Lookups(columns["table"], columns["bag"], columns["entry"], columns.get("weight"))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[pq.ParquetFile, Header]]:
    """Open a trace file, check its layout, and turn whatever fails in it into one ConfigError."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            # memory mapping and pre-buffering would keep the whole file resident
            parquet = pq.ParquetFile(
                file, memory_map=False, pre_buffer=False, page_checksum_verification=True
            )
            text = (parquet.metadata.metadata or {}).get(METADATA_KEY.encode())
            if text is None:
                raise ConfigError("a Parquet file, but not a trace: it has no 'recnmp.trace' metadata")
            header = parse_header(text)
            if parquet.schema_arrow not in (file_schema(False), file_schema(True)):
                raise ConfigError("damaged trace: its columns are not table, bag, entry[, weight]")
            yield parquet, header
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such trace file") from None
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{path}: not a readable trace file: {reason}") from None
