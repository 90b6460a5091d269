"""libCacheSim's ``oracleGeneral``: one record of 24 bytes for each access, packed or not (``.zst``, ``.gz``).

Little-endian ``time`` u32, ``obj_id`` u64, ``obj_size`` u32, ``next_access_vtime`` i64. Written: the bag as time, the
table x 2^40 + the entry as object, the bytes of the entry, and the number of the next access to the same entry from
0, -1 for none, so that Belady's policy works. Memory grows with the entries that are read, 27 to 54 bytes each.

Read: records that follow each other with the same time and table are a bag, and a table is ``obj_id // 2^40``; every
bag is a sample of its table alone, a batch is ``batch_size`` bags. With ``one_table`` the whole object id is an id of
one table. Empty bags and batches do not survive. Source: github.com/1a1a11a/libCacheSim (documentation of formats).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from recnmp._files import opened, packed_output, read_exactly, replacing
from recnmp.errors import ConfigError
from recnmp.trace.formats import _kernels as kernel
from recnmp.trace.formats._ids import IdMap, SlotTable
from recnmp.trace.formats._options import IdMode, IdOptions
from recnmp.trace.formats._options import WriteOptions as NoOptions
from recnmp.trace.formats._sink import Bags, Sink
from recnmp.trace.storage import read_header
from recnmp.trace.trace import Table

PLUGIN = True
SUMMARY = "libCacheSim oracleGeneral, 24 bytes an access"

RECORD = np.dtype([("time", "<u4"), ("obj_id", "<u8"), ("obj_size", "<u4"), ("next_access_vtime", "<i8")])
TABLE_BITS = 40
_PIECE = 1 << 18

WriteOptions = NoOptions


class ReadOptions(IdOptions):
    """Options of cache traces that are read."""

    ids: IdMode = Field("dense", description="as for other formats")
    one_table: bool = Field(False, description="the whole object id is an id of one table")


def read(files: Sequence[Path], options: ReadOptions, sink: Sink) -> None:
    """Feed the accesses of ``files``; raises ConfigError for one that ends within a record."""
    maps: dict[int, IdMap] = {}
    for file in files:
        for records in _bag_pieces(file):
            _add(file, records, maps, options, sink)
            sink.tell(file.name)
            if sink.full:
                break
    tables = [maps.get(t) or IdMap(f"t{t}", options) for t in range(max(maps, default=0) + 1)]
    sink.declare([Table(of.name, of.entries, options.dim, options.dtype) for of in tables])


def _bag_pieces(file: Path) -> Iterator[NDArray[Any]]:
    """Yield records, whole bags at a time."""
    rest = np.zeros(0, RECORD)
    done = 0
    with opened(file) as data:
        while piece := read_exactly(data, RECORD.itemsize * _PIECE):
            if len(piece) % RECORD.itemsize:
                raise ConfigError(
                    f"{file}: damaged: it ends within access {done + len(piece) // RECORD.itemsize + 1}"
                )
            records = np.concatenate([rest, np.frombuffer(piece, RECORD)])
            done += len(piece) // RECORD.itemsize
            last = np.flatnonzero(_begins(records))[-1]
            yield records[:last]
            rest = records[last:]
    yield rest


def _begins(records: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which records begin a bag."""
    table, time = records["obj_id"] >> np.uint64(TABLE_BITS), records["time"]
    change = (time[1:] != time[:-1]) | (table[1:] != table[:-1])
    return np.concatenate([np.ones(min(len(records), 1), np.bool_), change])


def _add(file: Path, records: NDArray[Any], maps: dict[int, IdMap], options: ReadOptions, sink: Sink) -> None:
    begin = np.flatnonzero(_begins(records))
    if options.limit is not None:
        begin = begin[: options.limit - sink.counts.samples + 1]
        if len(begin) > options.limit - sink.counts.samples:
            records, begin = records[: begin[-1]], begin[:-1]
    if not len(begin):
        return
    table, ids = (
        records["obj_id"] >> np.uint64(TABLE_BITS),
        records["obj_id"] & np.uint64((1 << TABLE_BITS) - 1),
    )
    if options.one_table:
        table, ids = np.zeros_like(table), records["obj_id"]
    if table.max() > np.iinfo(np.uint16).max:
        raise ConfigError(
            f"{file}: objects from {int(table.max()) << TABLE_BITS:#x} on are no tables; set one_table"
        )
    entry = np.zeros(len(ids), np.uint32)
    for t in np.unique(table).tolist():
        of = maps.setdefault(t, IdMap(f"t{t}", options))
        mine = table == t
        if (wrong := of.outside(ids[mine])).any():
            raise ConfigError(f"{file}: table t{t}: object {int(ids[mine][wrong][0])} is outside its entries")
        entry[mine] = of.entry(ids[mine])
    sink.rows.read += len(records)
    length = np.diff(np.append(begin, len(records)))
    number = sink.counts.samples + np.arange(len(begin))
    _calls(table[begin].astype(np.uint16), Bags(length, entry), number // options.batch_size, sink)
    sink.counts.samples += len(begin)


def _calls(table: NDArray[np.uint16], bags: Bags, batch: NDArray[np.int64], sink: Sink) -> None:
    """Hand over bags; those of one table and batch that follow each other are a call."""
    change = np.flatnonzero((table[1:] != table[:-1]) | (batch[1:] != batch[:-1])) + 1
    first = np.concatenate([[0], change])
    sink.add_calls(bags, table[first], np.diff(np.append(first, len(table))), batch[first])


def write(trace: Path, out: Path, options: NoOptions) -> None:  # noqa: ARG001  # none to look at
    """Write every lookup of ``trace``, last first, into place; raises ConfigError for one that is damaged."""
    header = read_header(trace)
    sizes = np.array([table.entry_bytes for table in header.tables], np.uint32)
    with replacing(out) as temporary:
        packed = out.suffix in (".gz", ".zst")
        plain = temporary.with_name(f"{out.name}.plain.tmp") if packed else temporary
        try:
            with plain.open("wb") as file:
                for first, records in _backwards(trace, sizes):
                    file.seek(first * RECORD.itemsize)
                    file.write(records.data)
            if packed:
                with plain.open("rb") as source, packed_output(temporary, out) as target:
                    while piece := source.read(1 << 22):
                        target.write(piece)
        finally:
            if packed:
                plain.unlink(missing_ok=True)


def _backwards(trace: Path, sizes: NDArray[np.uint32]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield ``(number of the first, records)``, the last lookups first."""
    with pq.ParquetFile(
        trace, memory_map=False, pre_buffer=False, page_checksum_verification=True
    ) as parquet:
        end, seen = parquet.metadata.num_rows, SlotTable()
        for group in range(parquet.num_row_groups - 1, -1, -1):
            table, bag, entry = _read_group(trace, parquet, group)
            records = np.zeros(len(bag), RECORD)
            records["time"], records["obj_size"] = bag, sizes[table]
            records["obj_id"] = table.astype(np.uint64) << np.uint64(TABLE_BITS) | entry
            end -= len(bag)
            records["next_access_vtime"] = _next_access(np.ascontiguousarray(records["obj_id"]), end, seen)
            yield end, records


def _read_group(trace: Path, parquet: pq.ParquetFile, group: int) -> list[NDArray[Any]]:
    names = ["table", "bag", "entry"]
    try:
        columns = parquet.read_row_group(group, columns=names, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{trace}: damaged trace: {str(error).splitlines()[0]}") from None
    return [columns.column(name).to_numpy() for name in names]


@np.errstate(over="ignore")  # hashes wrap around
def _next_access(key: NDArray[np.uint64], first: int, seen: SlotTable) -> NDArray[np.int64]:
    """Return where each of these keys, the first of number ``first``, comes next; ``seen`` knows those behind."""
    following, left = np.zeros(len(key), np.int64), len(key)
    while left:
        left, seen.known = kernel.next_use(key[:left], first, seen.slots, seen.known, seen.most, following)
        if left:
            seen.grow()
    return following
