"""Where readers put what they read: samples become batches of operator calls in a trace file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp._files import Progress
from recnmp.errors import ConfigError, RecnmpError
from recnmp.trace.formats._options import ReadOptions
from recnmp.trace.formats._rows import Rows
from recnmp.trace.header import Header
from recnmp.trace.trace import POOLINGS, Calls, Table
from recnmp.trace.writer import TraceWriter

_LARGEST = np.iinfo(np.uint32).max


@dataclass(frozen=True)
class Bags:
    """What S consecutive samples read of one table.

    Attributes:
        length: lookups of each sample's bag, shape (S,).
        entry: entries read, bag by bag, shape (length.sum(),).
        weight: weight of each lookup, or None.
    """

    length: NDArray[np.int64]
    entry: NDArray[np.uint32]
    weight: NDArray[np.float32] | None = None

    def cut(self, first: int, end: int) -> "Bags":
        """Return those of samples ``first : end``."""
        begin = int(self.length[:first].sum())
        span = slice(begin, begin + int(self.length[first:end].sum()))
        weight = None if self.weight is None else self.weight[span]
        return Bags(self.length[first:end], self.entry[span], weight)


def one_each(entry: NDArray[np.uint32]) -> Bags:
    """Return bags of one lookup each."""
    return Bags(np.ones(len(entry), np.int64), entry)


def joined(parts: Sequence[Bags]) -> Bags:
    """Return the samples of ``parts`` one after the other."""
    if len(parts) == 1:
        return parts[0]
    weights = [part.weight for part in parts if part.weight is not None]
    return Bags(
        np.concatenate([part.length for part in parts]),
        np.concatenate([part.entry for part in parts]),
        np.concatenate(weights) if weights else None,
    )


@dataclass
class Counts:
    """What went into a trace."""

    lookups: int = 0
    bags: int = 0
    batches: int = 0
    samples: int = 0
    meta: dict[str, Any] = field(default_factory=dict)


class Sink:
    """Takes samples in order and writes the trace; used in a ``with`` block, which leaves a whole file or none.

    Within a batch every table has one operator call, in the order of the tables, bag i for sample i.

    Args:
        path: trace to write.
        options: batch size, pooling, limit.
        rows: where readers report rows they leave out.
        meta: where the trace comes from.
        progress: called with a line now and then.
    """

    def __init__(
        self,
        path: Path,
        options: ReadOptions,
        rows: Rows,
        meta: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._path, self._options, self.rows = path, options, rows
        self.counts = Counts(meta=dict(meta or {}))
        self._progress = progress
        self._writer: TraceWriter | None = None
        self._tables: tuple[Table, ...] | None = None
        self._waiting: list[tuple[Bags, ...]] = []  # samples that do not fill a batch yet
        self._held = 0
        self._copied = False

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException as failure:
                self._leave(type(failure), failure)
                raise
        self._leave(kind, error)

    @property
    def full(self) -> bool:
        """Whether as many samples came as are wanted."""
        return self._options.limit is not None and self.counts.samples + self._held >= self._options.limit

    def tell(self, text: str) -> None:
        """Show how far a reader is."""
        if self._progress is not None:
            self._progress(f"{text}: {self.counts.lookups:,} lookups, {self.rows.bad:,} bad rows")

    def declare(self, tables: Sequence[Table]) -> None:
        """State the tables, any time before the end."""
        self._tables = tuple(tables)

    def add(self, tables: Sequence[Bags], whole: bool = False) -> None:
        """Add S samples, their bags by table; with ``whole`` they are a batch, however many they are."""
        if self.full:
            return
        samples = len(tables[0].length)
        if self._options.limit is not None:
            samples = min(samples, self._options.limit - self.counts.samples - self._held)
            tables = [bags.cut(0, samples) for bags in tables]
        if whole:
            self._flush()
            self._batch(tables)
            return
        size, done = self._options.batch_size, 0
        if self._held:
            done = min(size - self._held, samples)
            self._hold([bags.cut(0, done) for bags in tables], done)
        while samples - done >= size:
            self._batch([bags.cut(done, done + size) for bags in tables])
            done += size
        if done < samples:
            self._hold([bags.cut(done, samples) for bags in tables], samples - done)

    def add_calls(
        self, bags: Bags, table: NDArray[np.uint16], count: NDArray[np.int64], batch: NDArray[np.int64]
    ) -> None:
        """Add operator calls as they were: bags of all of them, and table, bags and batch of each, shape (N,)."""
        pooling = np.full(len(table), POOLINGS.index(self._options.pooling), np.uint8)
        self._write(bags, Calls(table, np.cumsum(count) - count + self.counts.bags, count, batch, pooling))
        self.counts.batches = int(batch[-1]) + 1

    def copy(self, header: Header, pieces: Iterable[Mapping[str, NDArray[Any]]], weighted: bool) -> None:
        """Take over a whole trace as it is: its columns piece by piece, and everything else in ``header``."""
        self._writer = TraceWriter(self._path, header.tables, header.meta, weighted=weighted).__enter__()
        for piece in pieces:
            self._writer.append(**piece)
            self.counts.lookups += len(piece["entry"])
        self._writer.add_calls(header.calls)
        self._tables, self.counts.meta = header.tables, header.meta
        self.counts.bags = int(header.calls.bags.sum())
        _, start = np.unique(header.calls.batch, return_index=True)
        self.counts.batches = len(start)
        self.rows.read += int(np.maximum.reduceat(header.calls.bags, start).sum())  # samples
        self._copied = True

    def _hold(self, tables: Sequence[Bags], samples: int) -> None:
        self._waiting.append(tuple(tables))
        self._held += samples
        if self._held == self._options.batch_size:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            parts, self._waiting, self._held = self._waiting, [], 0
            self._batch([joined(of_table) for of_table in zip(*parts, strict=True)])

    def _batch(self, tables: Sequence[Bags]) -> None:
        """Write one batch: a call for each table."""
        samples = len(tables[0].length)
        count = np.full(len(tables), samples, np.int64)
        batch = np.full(len(tables), self.counts.batches, np.int64)
        pooling = np.full(len(tables), POOLINGS.index(self._options.pooling), np.uint8)
        number = np.arange(len(tables), dtype=np.uint16)
        first = self.counts.bags + np.arange(len(tables)) * samples
        self._write(joined(tables), Calls(number, first, count, batch, pooling))
        self.counts.batches += 1
        self.counts.samples += samples

    def _write(self, bags: Bags, calls: Calls) -> None:
        if self._writer is None:
            self._writer = TraceWriter(self._path, None, weighted=bags.weight is not None).__enter__()
        owners = int(calls.bags.sum())
        if self.counts.bags + owners > _LARGEST:
            raise RecnmpError("a trace holds fewer than 2^32 bags; use a limit")
        bag = np.repeat(np.arange(self.counts.bags, self.counts.bags + owners, dtype=np.uint32), bags.length)
        of_bag = np.repeat(calls.table, calls.bags)
        self._writer.append(np.repeat(of_bag, bags.length), bag, bags.entry, bags.weight)
        self._writer.add_calls(calls)
        self.counts.lookups += len(bags.entry)
        self.counts.bags += owners

    def _finish(self) -> None:
        self._flush()
        if self._writer is None or not self.counts.lookups:
            if not self.rows.bad:
                files = ", ".join(self.counts.meta.get("files", ()))
                raise ConfigError(f"nothing to import: no rows in {files}")
            raise ConfigError(f"nothing to import: {self.rows.bad:,} bad rows; first: {self.rows.first[0]}")
        assert self._tables is not None, "a reader declares its tables"
        self._writer.declare(self._tables)
        if not self._copied:
            self._writer.describe(self.counts.meta | {"rows": self.rows.read, "bad_rows": self.rows.bad})

    def _leave(self, kind: type[BaseException] | None, error: BaseException | None) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.__exit__(kind, error, None)
