"""Whole numbers that are ids already, by table: entries, and samples left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.formats._ids import IdMap
from recnmp.trace.formats._options import TableOptions
from recnmp.trace.formats._sink import Bags, Sink
from recnmp.trace.trace import Table

OUTSIDE = "an id is negative or outside its table"


def id_maps(names: Sequence[str], options: TableOptions) -> list[IdMap]:
    """Return a map for each table, all with the same options."""
    return [IdMap(name, options) for name in names]


def add_matrix(file: Path, first: int, ids: NDArray[Any], maps: Sequence[IdMap], sink: Sink) -> None:
    """Feed samples of one lookup a table, (S, T) ids, as ``add_ids`` does."""
    length = np.ones(len(ids), np.int64)
    add_ids(file, first, [(length, column) for column in ids.T], maps, sink)


def add_ids(
    file: Path,
    first: int,
    tables: Sequence[tuple[NDArray[np.int64], NDArray[Any]]],
    maps: Sequence[IdMap],
    sink: Sink,
) -> None:
    """Feed samples from number ``first`` on, for each table the lengths of bags and the ids in them.

    Samples with an id that is none are left out and reported by their number from 1.
    """
    bad = np.zeros(len(tables[0][0]), np.bool_)
    for (length, ids), of in zip(tables, maps, strict=True):
        wrong = (ids < 0) | of.outside(ids.astype(np.uint64))
        if wrong.any():
            bad[np.repeat(np.arange(len(bad)), length)[wrong]] = True
    sink.rows.read += len(bad)
    sink.rows.refuse_where(file, first + 1 + np.arange(len(bad)), bad, OUTSIDE)
    bags = []
    for (length, ids), of in zip(tables, maps, strict=True):
        good = ids[np.repeat(~bad, length)] if bad.any() else ids
        bags.append(Bags(length[~bad], of.entry(good.astype(np.uint64))))
    sink.add(bags)
    sink.tell(file.name)


def declare_all(maps: Sequence[IdMap], options: TableOptions, sink: Sink) -> None:
    """Declare the tables of ``maps``."""
    sink.declare([Table(of.name, of.entries, options.dim, options.dtype) for of in maps])
