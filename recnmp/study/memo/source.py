"""Traces and bag files as what is learnt from and what is judged, over the same tables."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from recnmp._files import opened
from recnmp.errors import ConfigError
from recnmp.study.memo.request import Request
from recnmp.trace.convert import import_trace
from recnmp.trace.formats.merci import ReadOptions
from recnmp.trace.storage import load_trace
from recnmp.trace.trace import Trace
from recnmp.units import TableDtype

_PARQUET = b"PAR1"


def read_both(path: Path, request: Request, dtype: TableDtype | None) -> tuple[Trace, Trace]:
    """Return the trace to learn from and the one that is judged; ``dtype`` is what tables are replayed as.

    Raises ConfigError for files that are neither traces nor bag files, for tables that differ, and where a share
    leaves one part empty.
    """
    trace = _read(path, request).stored_as(dtype)
    if isinstance(request.train, Path):
        return _alike(_read(request.train, request).stored_as(dtype), trace, request.train)
    first = round(request.train * trace.batches)
    if not 0 < first < trace.batches:
        raise ConfigError(
            f"{path} has {trace.batches} batches, train {request.train:g} leaves one part empty; name a file to "
            "learn from, or cut bag files into smaller batches (--batch-size)"
        )
    return trace.select(0, first), trace.select(first)


def _read(path: Path, request: Request) -> Trace:
    """Return a trace as it is, a MERCI bag file as the trace of one table."""
    with opened(path) as file:
        is_trace = file.read(len(_PARQUET)) == _PARQUET
    if is_trace:
        return load_trace(path)
    options = ReadOptions(dim=request.dim, batch_size=request.batch_size)
    with TemporaryDirectory() as folder:
        import_trace("merci", [path], Path(folder) / "bags.parquet", options, strict=True)
        return load_trace(Path(folder) / "bags.parquet", verify=False)


def _alike(train: Trace, judged: Trace, path: Path) -> tuple[Trace, Trace]:
    """Return both with tables as large as the larger ones."""
    kinds = [[(table.dim, table.dtype) for table in trace.tables] for trace in (train, judged)]
    if kinds[0] != kinds[1]:
        raise ConfigError(
            f"{path}: its {len(kinds[0])} tables are not those of what is judged, {len(kinds[1])}"
        )
    tables = tuple(
        replace(mine, entries=max(mine.entries, other.entries))
        for mine, other in zip(judged.tables, train.tables, strict=True)
    )
    return replace(train, tables=tables), replace(judged, tables=tables)
