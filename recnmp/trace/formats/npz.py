"""NumPy archives (``.npz``): recnmp's own, which lose nothing, and bags or matrices of ids as others keep them.

* Own: ``table``, ``bag``, ``entry`` and perhaps ``weight`` of every lookup, and ``recnmp_trace``, the header of a
  trace file as JSON in bytes, digest included. It takes no options: the trace comes back as it was.
* Bags of one table: ``indices`` and ``offsets``, where each bag begins; a last offset of all indices is an end, not
  an empty bag. ``num_rows`` (one number) is the size of the table.
* Matrix: one array of whole numbers with two axes, samples by tables. ``columns`` names the tables, ``cardinalities``
  is their sizes.

Nothing is unpickled.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from recnmp._files import replacing
from recnmp.errors import ConfigError
from recnmp.trace.formats._arrays import Member, npz_member, npz_members, npz_output
from recnmp.trace.formats._ids import IdMap
from recnmp.trace.formats._matrix import add_ids, add_matrix, declare_all
from recnmp.trace.formats._options import IdMode, IdOptions
from recnmp.trace.formats._options import WriteOptions as NoOptions
from recnmp.trace.formats._sink import Sink
from recnmp.trace.header import COLUMNS, ContentDigest, header_json, parse_header
from recnmp.trace.storage import iter_chunks, read_header

PLUGIN = True
SUMMARY = "NumPy archives: own, bags, or a matrix of ids"

_HEADER = "recnmp_trace"
_MOST_TABLES, _MOST_ENTRIES = 1 << 16, 1 << 32
_PIECE = 1 << 20

WriteOptions = NoOptions


class ReadOptions(IdOptions):
    """Options of archives that are not recnmp's own."""

    ids: IdMode = Field("as_is", description="as for other formats")


def read(files: Sequence[Path], options: ReadOptions, sink: Sink) -> None:
    """Feed what is in ``files``; raises ConfigError for archives that are none of the three, or of several tables."""
    maps: list[IdMap] = []
    for file in files:
        with npz_members(file) as members:
            if _HEADER in members:
                if len(files) > 1:
                    raise ConfigError(f"{file}: is a whole trace; such files are imported one at a time")
                if options != ReadOptions():
                    raise ConfigError(f"{file}: is a whole trace, which takes no options")
                _read_own(file, members, sink)
                return
            found = _bags(file, members) if "indices" in members else _matrix(file, members)
            names, sizes, pieces = found
            if maps and [of.name for of in maps] != names:
                raise ConfigError(f"{file}: has other tables than the file before")
            maps = maps or [_map(*table, options) for table in zip(names, sizes, strict=True)]
            for first, tables in pieces:
                if isinstance(tables, np.ndarray):
                    add_matrix(file, first, tables, maps, sink)
                else:
                    add_ids(file, first, [tables], maps, sink)
                if sink.full:
                    break
    declare_all(maps, options, sink)


def _map(name: str, size: int | None, options: ReadOptions) -> IdMap:
    return IdMap(name, options.model_copy(update={"entries": options.entries or size}))


_Pieces = Iterator[tuple[int, Any]]


def _bags(file: Path, members: dict[str, Member]) -> tuple[list[str], list[int | None], _Pieces]:
    if "offsets" not in members:
        raise ConfigError(f"{file}: has indices but no offsets")
    indices = members["indices"]
    for name in ("indices", "offsets"):
        if len(members[name].shape) != 1 or members[name].dtype.kind not in "iu":
            raise ConfigError(f"{members[name].where}: not a row of whole numbers")
    offsets, count = members["offsets"].whole().astype(np.int64), indices.shape[0]
    edges = offsets if len(offsets) and offsets[-1] == count else np.append(offsets, count)
    if len(edges) < 2 or edges[0] != 0 or np.any(np.diff(edges) < 0):
        raise ConfigError(f"{file}: offsets do not go from 0 up to the {count:,} indices")
    size = _size(members["num_rows"], members["num_rows"].whole()) if "num_rows" in members else None

    def pieces() -> _Pieces:
        for first in range(0, len(edges) - 1, 1 << 16):
            span = edges[first : first + (1 << 16) + 1]
            yield first, (np.diff(span), indices.take(int(span[-1] - span[0])))

    return ["items"], [size], pieces()


def _matrix(file: Path, members: dict[str, Member]) -> tuple[list[str], list[int | None], _Pieces]:
    found = [m for m in members.values() if len(m.shape) == 2 and m.dtype.kind in "iu" and m.shape[1]]
    if len(found) != 1:
        raise ConfigError(
            f"{file}: holds {', '.join(sorted(members)) or 'nothing'}; needed are indices and offsets, one matrix of "
            "whole numbers, or a trace written by recnmp"
        )
    tables = found[0].shape[1]
    if tables > _MOST_TABLES:
        raise ConfigError(
            f"{found[0].where}: has {tables:,} columns; a trace has at most {_MOST_TABLES:,} tables"
        )
    names = [f"t{t}" for t in range(tables)]
    if (
        "columns" in members
        and members["columns"].shape == (tables,)
        and members["columns"].dtype.kind == "U"
    ):
        names = [str(name) for name in members["columns"].whole()]
    sizes: list[int | None] = [None] * tables
    if "cardinalities" in members and members["cardinalities"].shape == (tables,):
        given = members["cardinalities"]
        sizes = [_size(given, size) for size in given.whole()]
    return names, sizes, found[0].pieces(max(_PIECE // tables, 1))


def _size(member: Member, values: NDArray[Any]) -> int:
    """Return the entries of a table that an archive tells; raises ConfigError for what is no such number."""
    size = values.ravel()
    if size.dtype.kind not in "iu" or len(size) != 1 or not 1 <= size[0] <= _MOST_ENTRIES:
        raise ConfigError(
            f"{member.where}: a table has 1 to {_MOST_ENTRIES:,} entries, not {size[:3].tolist()}"
        )
    return int(size[0])


def _read_own(file: Path, members: dict[str, Member], sink: Sink) -> None:
    try:
        header = parse_header(members[_HEADER].whole().astype(np.uint8).tobytes())
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    names = [name for name in COLUMNS if name in members]
    if names not in (list(COLUMNS), list(COLUMNS)[:3]) or len({members[n].shape for n in names}) != 1:
        raise ConfigError(f"{file}: damaged: its columns are not table, bag, entry[, weight] of one length")
    if any(members[name].dtype != COLUMNS[name] for name in names):
        raise ConfigError(f"{file}: damaged: its columns are of other types than a trace's")
    digest = ContentDigest()

    def pieces() -> Iterator[dict[str, NDArray[Any]]]:
        for first in range(0, members["entry"].shape[0], _PIECE):
            n = min(_PIECE, members["entry"].shape[0] - first)
            piece = {name: members[name].take(n) for name in names}
            digest.update(piece)
            yield piece
        if digest.result(header.tables, header.calls) != header.digest:
            raise ConfigError(f"{file}: damaged trace: its content does not match its digest")

    sink.copy(header, pieces(), weighted="weight" in names)


def write(trace: Path, out: Path, options: NoOptions) -> None:  # noqa: ARG001  # none to look at
    """Write the trace whole; a pass over it for every column. Raises ConfigError for one that is damaged."""
    header = read_header(trace)
    with pq.ParquetFile(trace) as parquet:
        names, lookups = list(parquet.schema_arrow.names), parquet.metadata.num_rows
    with replacing(out) as temporary, npz_output(temporary) as archive:
        for name in names:
            with npz_member(archive, name, (lookups,), COLUMNS[name].str) as file:
                for chunk in iter_chunks(trace, verify=name == names[0]):
                    file.write(np.ascontiguousarray(chunk.columns()[name], COLUMNS[name]).data)
        text = header_json(header).encode()
        with npz_member(archive, _HEADER, (len(text),), "|u1") as file:
            file.write(text)
