"""Command and request logs of a replay as CSV, in the trace's own numbering, and its figures as one line.

Requests leave out of order, and channels run ahead of each other, so logs wait on disk until the run is over.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from recnmp.library.dram import COMMANDS
from recnmp.memory.commands import Commands
from recnmp.memory.spool import Spool, merged

_COMMAND = [
    ("cycle", "<i8"),
    ("command", "i1"),
    *((name, "<i2") for name in ("rank", "bank_group", "bank")),
    *((name, "<i4") for name in ("row", "column")),
    ("request", "<i8"),
]
_REQUEST = [("accepted", "<i8"), ("depart", "<i8")]


class CommandLog:
    """Every command of a run, for a CSV file at ``path``; raises OSError where that cannot be."""

    def __init__(self, path: Path, channels: int) -> None:
        self._path = path
        self._spools = [Spool(path.absolute().parent, _COMMAND) for _ in range(channels)]

    def add(self, channel: int, commands: Commands) -> None:
        """Keep the next commands of a channel."""
        rows = np.empty(len(commands), _COMMAND)
        for field in fields(Commands):
            rows[field.name] = getattr(commands, field.name)
        self._spools[channel].append(rows)

    def write(self) -> None:
        """Write every command in the order of issue, by channel within a clock.

        Columns ``cycle,cmd,rank,bankgroup,bank,row,col,req``, then ``channel`` where there are several; -1 = not
        applicable; ``req`` is the request that the command serves, counted from 0 in the trace.
        """
        names = ["cycle", "cmd", "rank", "bankgroup", "bank", "row", "col", "req"]
        several = len(self._spools) > 1
        _write(self._path, names + ["channel"] * several, self._columns(several))
        for spool in self._spools:
            spool.close()

    def _columns(self, several: bool) -> Iterator[list[Any]]:
        for rows, channel in merged(self._spools, "cycle"):
            codes = pa.array(np.ascontiguousarray(rows["command"]))
            kind = pa.DictionaryArray.from_arrays(codes, pa.array(COMMANDS)).cast(pa.string())
            rest = [np.ascontiguousarray(rows[name]) for name, _ in _COMMAND[2:]]
            yield [np.ascontiguousarray(rows["cycle"]), kind, *rest, *([channel] if several else [])]


class RequestLog:
    """When every request of a run entered and departed, for a CSV file at ``path``; raises OSError likewise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spool = Spool(path.absolute().parent, _REQUEST)

    def add(self, number: NDArray[np.int64], accepted: NDArray[np.int64], depart: NDArray[np.int64]) -> None:
        """Keep requests by their number in the trace."""
        rows = np.empty(len(number), _REQUEST)
        rows["accepted"], rows["depart"] = accepted, depart
        self._spool.put(number, rows)

    def write(self) -> None:
        """Write every request in the order of the trace, columns ``req,is_write,arrive,depart``.

        ``arrive`` is the clock of acceptance, ``depart`` that of the last data beat, -1 for writes.
        """
        _write(self._path, ["req", "is_write", "arrive", "depart"], self._columns())
        self._spool.close()

    def _columns(self) -> Iterator[list[Any]]:
        first = 0
        for rows in self._spool.blocks():
            accepted, depart = (np.ascontiguousarray(rows[name]) for name, _ in _REQUEST)
            yield [np.arange(first, first + len(rows)), (depart < 0).astype(np.uint8), accepted, depart]
            first += len(rows)


def _write(path: Path, names: list[str], blocks: Iterable[list[Any]]) -> None:
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write(f"{','.join(names)}\n".encode())
        for columns in blocks:
            _write_block(dict(zip(names, columns, strict=True)), file, options)


def _write_block(columns: dict[str, Any], file: BinaryIO, options: arrow_csv.WriteOptions) -> None:
    arrow_csv.write_csv(pa.table(columns), file, options)


def write_figures(document: Mapping[str, Any], path: Path) -> None:
    """Write the figures of a run as CSV: a line of names and a line of values, empty where there is none.

    Names are those of the JSON document, joined by dots, with the places of a list in brackets:
    ``commands.ACT``, ``energy.read_pj_per_rank[0][1]`` (channel 0, rank 1).
    """
    row = dict(_flat("", document))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(row)
        writer.writerow(row.values())


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), item)
    elif isinstance(value, list) and not all(isinstance(item, str) for item in value):
        for n, item in enumerate(value):
            yield from _flat(f"{name}[{n}]", item)
    else:
        yield name, " ".join(value) if isinstance(value, list) else value
