"""Criteo click logs, Kaggle and Terabyte: 26 categorical features a sample, in the forms in which they are kept.

* Text (any other suffix, plain or packed): label, 13 counts and 26 hexadecimal ids parted by tabs, or without the
  label as in the test set. An empty id is an id like any other, number 0, as in DLRM's preprocessing.
* ``.bin``: 40 int32 a sample, label, 13 counts, 26 ids (MLPerf's binary loader).
* ``.npy``: ids of samples by features, any integer type (TorchRec's ``day_N_sparse.npy``).
* ``.npz``: ``X_cat`` of samples by features (DLRM's ``*_processed.npz``), or one array a feature, named 0, 1, ...,
  of samples by lookups (MLPerf v2 multi-hot).

Text is numbered in order of first appearance unless ``ids`` says otherwise, after the remainder by ``fold``
(``--max-ind-range`` of DLRM); binary forms hold entries already, and are taken as they are.
Sources: the data sets' own pages; github.com/facebookresearch/dlrm (data_utils.py, data_loader_terabyte.py).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recnmp._files import opened, read_exactly
from recnmp.errors import ConfigError
from recnmp.trace.formats._arrays import Member, npy_pieces, npz_members
from recnmp.trace.formats._columns import Block
from recnmp.trace.formats._ids import IdMap
from recnmp.trace.formats._log import ColumnOptions, LogOptions, read_log
from recnmp.trace.formats._matrix import add_ids, add_matrix, declare_all, id_maps
from recnmp.trace.formats._options import IdMode, IdOptions
from recnmp.trace.formats._sink import Sink
from recnmp.trace.formats._text import text_blocks

PLUGIN = True
SUMMARY = "Criteo Kaggle and Terabyte: text, .bin, .npy, .npz, multi-hot"

_FEATURES, _COUNTS = 26, 13
_NAMES = [f"C{n}" for n in range(1, _FEATURES + 1)]
_RECORD = 1 + _COUNTS + _FEATURES
_SAMPLES = 1 << 15  # read at a time


class ReadOptions(IdOptions):
    """Options of Criteo files."""

    ids: IdMode | None = Field(  # type: ignore[assignment]
        None, description="as for other formats; when absent, dense for text and as_is for binary forms"
    )


def read(files: Sequence[Path], options: ReadOptions, sink: Sink) -> None:
    """Feed the samples of ``files``, all of one form; raises ConfigError for what is none of them."""
    forms = {file.suffix if file.suffix in (".bin", ".npy", ".npz") else "text" for file in files}
    if len(forms) > 1:
        raise ConfigError(f"files of one form at a time, not {' and '.join(sorted(forms))}")
    (form,) = forms
    chosen = options.model_copy(update={"ids": options.ids or ("dense" if form == "text" else "as_is")})
    if form == "text":
        _read_text(files, chosen, sink)
        return
    maps = id_maps(_NAMES, chosen)
    for file in files:
        if form == ".npz":
            _read_npz(file, maps, sink)
            continue
        for first, ids in _binary(file) if form == ".bin" else npy_pieces(file, _SAMPLES, columns=_FEATURES):
            add_matrix(file, first, ids, maps, sink)
            if sink.full:
                break
    declare_all(maps, chosen, sink)


def _read_text(files: Sequence[Path], options: ReadOptions, sink: Sink) -> None:
    column = {**options.model_dump(include=set(ColumnOptions.model_fields)), "base": "hex", "missing": "id"}
    tables = {name: ColumnOptions(**column) for name in _NAMES}
    own = options.model_dump(include={"batch_size", "pooling", "limit"})
    read_log(_text(files, sink), LogOptions(tables=tables, **own), sink)


def _text(files: Sequence[Path], sink: Sink) -> Iterator[Block]:
    for file in files:
        with opened(file) as start:
            width = start.read(1 << 16).partition(b"\n")[0].count(b"\t") + 1
        names = [f"I{n}" for n in range(1, _COUNTS + 1)] + _NAMES
        if width == _RECORD:
            names.insert(0, "label")
        elif width != _RECORD - 1:
            raise ConfigError(
                f"{file}:1: {width} columns parted by tabs; Criteo has {_RECORD}, or 39 without label"
            )
        yield from text_blocks(file, _NAMES, sink.rows, separator="\t", names=names, quoted=False)


def _binary(file: Path) -> Iterator[tuple[int, NDArray[Any]]]:
    size, first = 4 * _RECORD, 0
    with opened(file) as data:
        while piece := read_exactly(data, size * _SAMPLES):
            if len(piece) % size:
                raise ConfigError(f"{file}: damaged: it ends within sample {first + len(piece) // size + 1}")
            samples = np.frombuffer(piece, "<i4").reshape(-1, _RECORD)
            yield first, samples[:, 1 + _COUNTS :]
            first += len(samples)


def _read_npz(file: Path, maps: Sequence[IdMap], sink: Sink) -> None:
    with npz_members(file) as members:
        if "X_cat" in members:
            for first, ids in members["X_cat"].pieces(_SAMPLES, columns=_FEATURES):
                add_matrix(file, first, ids, maps, sink)
            return
        if set(members) != {str(n) for n in range(_FEATURES)}:
            raise ConfigError(
                f"{file}: it holds {', '.join(sorted(members)[:30])}; Criteo has X_cat or 0 to 25"
            )
        _read_multi_hot(file, [members[str(n)] for n in range(_FEATURES)], maps, sink)


def _read_multi_hot(file: Path, members: Sequence[Member], maps: Sequence[IdMap], sink: Sink) -> None:
    """Read one array a feature side by side."""
    for member in members:
        if len(member.shape) != 2:
            raise ConfigError(f"{member.where}: has shape {member.shape}; (samples, lookups) is needed")
    for pieces in zip(*(member.pieces(_SAMPLES // 8) for member in members), strict=True):
        first = pieces[0][0]
        if len({len(ids) for _, ids in pieces}) != 1:
            raise ConfigError(f"{file}: features differ in samples")
        tables = [(np.full(len(ids), ids.shape[1], np.int64), ids.ravel()) for _, ids in pieces]
        add_ids(file, first, tables, maps, sink)
        if sink.full:
            return
