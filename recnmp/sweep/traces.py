"""Traces that many points read: unpacked once, mapped by every worker of a machine, copied by none.

A mapped trace costs a machine its bytes once, however many workers read it; what a worker changes stays its own.
"""

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from recnmp.errors import RecnmpError
from recnmp.trace.header import COLUMNS
from recnmp.trace.storage import iter_chunks, load_trace, read_header
from recnmp.trace.trace import Trace


def unpack(file: Path, digest: str, folder: Path) -> None:
    """Write the columns of the trace at ``file`` into ``folder``/``digest``, complete or not at all.

    Memory holds a piece at a time. Raises ConfigError for a file that is not a sound trace, RecnmpError where
    nothing can be written.
    """
    if (folder / digest).is_dir():
        return
    lookups = pq.read_metadata(file).num_rows
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".unpacking-"))
        arrays: dict[str, Any] = {}
        filled = 0
        for chunk in iter_chunks(file):
            columns = chunk.columns()
            for name, values in columns.items():
                if name not in arrays:
                    arrays[name] = np.lib.format.open_memmap(
                        temporary / f"{name}.npy", "w+", COLUMNS[name], (lookups,)
                    )
                arrays[name][filled : filled + len(values)] = values
            filled += len(chunk.bag)
        arrays.clear()  # closes the files
        if filled:
            temporary.chmod(0o755)
            temporary.rename(folder / digest)
    except OSError as error:
        if not (folder / digest).is_dir():  # else another run was quicker
            raise RecnmpError(f"{folder}: cannot unpack {file}: {error.strerror}") from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@lru_cache(maxsize=8)
def shared_trace(
    file: Path, digest: str, folder: Path | None, first_batch: int, batches: int | None
) -> Trace:
    """Return the trace at ``file``, mapped from ``folder`` where it is unpacked there, read from ``file`` else.

    The last few are kept. Raises RecnmpError where the file is no longer the trace of ``digest``.
    """
    header = read_header(file)
    if header.digest != digest:
        raise RecnmpError(f"{file}: another trace than when the sweep was planned, or than where it was")
    unpacked = folder / digest if folder else None
    if unpacked is None or not unpacked.is_dir():
        return load_trace(file, first_batch=first_batch, batches=batches)
    columns: dict[str, Any] = {name: _mapped(unpacked / f"{name}.npy") for name in COLUMNS}
    calls = header.calls.of_batches(first_batch, batches)
    ends = [int(calls.first_bag[0]), int(calls.first_bag[-1] + calls.bags[-1])]
    span = slice(*np.searchsorted(columns["bag"], ends))
    parts: dict[str, Any] = {name: v if v is None else v[span] for name, v in columns.items()}
    return Trace(**parts, tables=header.tables, calls=calls, meta=header.meta)


def _mapped(file: Path) -> Any:
    # copy on write: kernels are compiled for arrays that may be written
    return np.asarray(np.load(file, mmap_mode="c")) if file.is_file() else None
