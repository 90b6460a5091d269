"""Requests of all tables at once, table by table: into a trace, and out of one."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recnmp.errors import ConfigError
from recnmp.trace.formats._ids import IdMap
from recnmp.trace.formats._matrix import OUTSIDE, declare_all, id_maps
from recnmp.trace.formats._options import IdMode, IdOptions, WriteOptions
from recnmp.trace.formats._sink import Bags, Sink
from recnmp.trace.formats._torch_file import Request, load_request
from recnmp.trace.header import Header
from recnmp.trace.storage import iter_chunks, read_header

_PIECE = 1 << 20  # bags whose offsets are added up at a time


class RequestReadOptions(IdOptions):
    """Options of requests that are read."""

    ids: IdMode = Field("as_is", description="as for other formats")
    batch_size: int | None = Field(  # type: ignore[assignment]
        None, ge=1, description="samples that make a batch; a file is one batch when absent"
    )
    tables: int | None = Field(None, ge=1, description="tables, where a file does not tell")


class RequestWriteOptions(WriteOptions):
    """Options of requests that are written."""

    index_dtype: Literal["int32", "int64"] = Field("int64", description="type of indices and offsets")


def read_requests(files: Sequence[Path], options: RequestReadOptions, sink: Sink) -> None:
    """Feed the requests of ``files``; raises ConfigError where they differ in tables."""
    maps: list[IdMap] = []
    for file in files:
        request = load_request(file, options.tables)
        maps = maps or id_maps([f"t{t}" for t in range(request.tables)], options)
        if request.tables != len(maps):
            raise ConfigError(f"{file}: has {request.tables} tables, the file before {len(maps)}")
        _read(file, request, options, maps, sink)
        if sink.full:
            break
    declare_all(maps, options, sink)


def _read(file: Path, request: Request, options: RequestReadOptions, maps: list[IdMap], sink: Sink) -> None:
    left = request.bags if options.limit is None else min(request.bags, options.limit - sink.counts.samples)
    bad = _bad_samples(request, maps)
    sink.rows.read += request.bags
    sink.rows.refuse_where(file, 1 + np.arange(request.bags), bad, OUTSIDE)
    size = options.batch_size or request.bags
    for first in range(0, left, size):
        samples = slice(first, min(first + size, left))
        if bad[samples].all():
            continue
        batch = np.array([sink.counts.batches])
        for t, of in enumerate(maps):
            bags = _bags(request, t, samples, of, bad[samples])
            sink.add_calls(bags, np.array([t], np.uint16), np.array([len(bags.length)]), batch)
        sink.counts.samples += int((~bad[samples]).sum())
        sink.tell(file.name)


def _bags(request: Request, t: int, samples: slice, of: IdMap, bad: NDArray[np.bool_]) -> Bags:
    """Return the bags of table ``t`` of those ``samples`` that are not bad."""
    edges = request.offsets[request.bags * t + samples.start : request.bags * t + samples.stop + 1]
    ids = request.indices[edges[0] : edges[-1]]
    weight = None if request.weight is None else request.weight[edges[0] : edges[-1]]
    length = np.diff(edges)
    if bad.any():
        keep = np.repeat(~bad, length)
        ids, weight, length = ids[keep], None if weight is None else weight[keep], length[~bad]
    return Bags(length, of.entry(ids.astype(np.uint64)), weight)


def _bad_samples(request: Request, maps: Sequence[IdMap]) -> NDArray[np.bool_]:
    """Return which samples have an id that is none in any table, shape (B,)."""
    bad = np.zeros(request.bags, np.bool_)
    for t, of in enumerate(maps):
        edges = request.offsets[request.bags * t : request.bags * (t + 1) + 1]
        ids = request.indices[edges[0] : edges[-1]]
        wrong = (ids < 0) | of.outside(ids.astype(np.uint64))
        if wrong.any():
            bad[np.repeat(np.arange(request.bags), np.diff(edges))[wrong]] = True
    return bad


@dataclass(frozen=True)
class Grid:
    """The bags of a trace as T tables of B bags each, table by table; all lie in temporary files.

    Attributes:
        offsets: where each bag begins, and where the last one ends, shape (T * B + 1,).
        lengths: lookups of each bag, shape (T, B).
        indices: entries read, shape (L,).
        weight: weight of each lookup, shape (L,), or None.
    """

    offsets: NDArray[Any]
    lengths: NDArray[Any]
    indices: NDArray[Any]
    weight: NDArray[np.float32] | None


@contextlib.contextmanager
def table_major(trace: Path, beside: Path, dtype: str) -> Iterator[Grid]:
    """Yield the lookups of a trace table by table, samples of all batches one after the other.

    They lie in temporary files in the folder of ``beside`` meanwhile; memory holds one piece of the trace.
    Raises ConfigError for a trace whose batches do not call every table once for the same samples.
    """
    header = read_header(trace)
    begin, tables = _begins(trace, header), len(header.tables)
    read, weighted = np.zeros(tables, np.int64), False
    for chunk in iter_chunks(trace):
        read += np.bincount(chunk.table, minlength=tables)
        weighted = chunk.weight is not None
    bags, total = int(header.calls.bags.sum()), int(read.sum())
    if total > np.iinfo(dtype).max:
        raise ConfigError(f"{trace}: {total:,} lookups do not fit {dtype} offsets")
    with contextlib.ExitStack() as stack:
        lengths, offsets = _mapped(stack, beside, dtype, bags), _mapped(stack, beside, dtype, bags + 1)
        indices = _mapped(stack, beside, dtype, total)
        weight = _mapped(stack, beside, "float32", total) if weighted else None
        first_bag = header.calls.first_bag
        end = np.cumsum(read) - read  # of what each table has so far
        for chunk in iter_chunks(trace, verify=False):
            number = np.arange(int(chunk.bag[0]), int(chunk.bag[-1]) + 1)
            call = np.searchsorted(first_bag, number, "right") - 1
            # a bag may be cut in two
            lengths[begin[call] + number - first_bag[call]] += np.bincount(chunk.bag - chunk.bag[0])
            order = np.argsort(chunk.table, kind="stable")
            here = np.bincount(chunk.table, minlength=tables)
            where = np.arange(len(order)) + np.repeat(end - np.cumsum(here) + here, here)
            indices[where] = chunk.entry[order]
            if weight is not None and chunk.weight is not None:
                weight[where] = chunk.weight[order]
            end += here
        for first in range(0, bags, _PIECE):
            piece = lengths[first : first + _PIECE]
            offsets[first + 1 : first + 1 + len(piece)] = np.cumsum(piece, dtype=np.int64) + offsets[first]
        yield Grid(offsets, lengths.reshape(tables, -1), indices, weight)


def _mapped(stack: contextlib.ExitStack, beside: Path, dtype: str, count: int) -> NDArray[Any]:
    file = tempfile.TemporaryFile(dir=beside.absolute().parent)  # noqa: SIM115  # closed with the stack
    stack.enter_context(file)
    return np.memmap(file, dtype, "w+", shape=(count,)) if count else np.zeros(0, dtype)


def _begins(trace: Path, header: Header) -> NDArray[np.int64]:
    """Return where the first bag of each call goes, shape (calls,); raises ConfigError for what is no grid."""
    calls, tables = header.calls, len(header.tables)
    if len(calls) % tables:
        raise ConfigError(f"{trace}: {_need(header)}")
    table = calls.table.astype(np.int64).reshape(-1, tables)
    bags, batch = calls.bags.reshape(-1, tables), calls.batch.reshape(-1, tables)
    even = np.all(np.sort(table, axis=1) == np.arange(tables)) and np.all(bags == bags[:, :1])
    if not even or np.any(batch != batch[:, :1]) or np.any(np.diff(batch[:, 0]) < 1):
        raise ConfigError(f"{trace}: {_need(header)}")
    first = np.cumsum(bags[:, 0]) - bags[:, 0]  # sample with which each batch begins
    begin: NDArray[np.int64] = (table * int(bags[:, 0].sum()) + first[:, None]).ravel()
    return begin


def _need(header: Header) -> str:
    return (
        f"this format needs each of the {len(header.tables)} tables called once a batch, for the same samples"
    )
