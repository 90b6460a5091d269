"""Command traces for Ramulator 2.1's browser viewer: RAM2BIN 1.1, a file for each channel.

A header of 64 bytes; names and sizes of levels, names and kinds of commands, names and values of timings; padding
to 8 bytes; then one array after the other: clock, arrival of the request (-1 where a command serves none), command,
read 0 or write 1 or -1, source, and the address level by level, -1 where a command has none. All is little-endian.
Commands have Ramulator's names; timings are this memory's, in clocks, and ``tCK_ps``.

Not told: the width of a device's data pins (0). Source: the format's own description in Ramulator 2.1
(``bin_trace_recorder.cpp``, MIT).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from recnmp.library.dram import DramSpec
from recnmp.memory.commands import Commands
from recnmp.memory.spool import Spool

MAGIC, VERSION = b"RAM2BIN\0", (1, 1)
LEVELS = ("Channel", "Rank", "BankGroup", "Bank", "Row", "Column")
_OPENING, _CLOSING, _ACCESSING, _REFRESHING, _OF_ROW, _OF_COLUMN = (1 << bit for bit in range(6))
KINDS = {
    "ACT": ("ACT", _OPENING | _OF_ROW),
    "PRE": ("PREpb", _CLOSING | _OF_ROW),
    "PREA": ("PREab", _CLOSING | _OF_ROW),
    "RD": ("RD", _ACCESSING | _OF_COLUMN),
    "WR": ("WR", _ACCESSING | _OF_COLUMN),
    "REF": ("REFab", _REFRESHING | _OF_ROW),
    "REFsb": ("REFsb", _REFRESHING | _OF_ROW),
    "PREsb": ("PREsb", _CLOSING | _OF_ROW),
}
"""Ramulator's name of each command, and what it does."""

_HEADER = struct.Struct("<8s2B7HIi2Q16s")
_COMMAND = [("cycle", "<i8"), ("command", "i1"), ("address", "<i4", (5,)), ("request", "<i8")]
_REQUEST = [("accepted", "<i8"), ("write", "<i8")]
_ARRAYS = ("<i8", "<i8", "u1", "i1", "<i2", *["<i4"] * len(LEVELS))


class ViewerLog:
    """Commands and requests of a run, for files ``<path>.ch<N>.ram2bin``; raises OSError where they cannot be."""

    def __init__(self, path: Path, spec: DramSpec, ranks: int, channels: int) -> None:
        self._path, self._spec, self._ranks = path, spec, ranks
        folder = path.absolute().parent
        self._commands = [Spool(folder, _COMMAND) for _ in range(channels)]
        self._requests = Spool(folder, _REQUEST)

    @property
    def files(self) -> list[Path]:
        """The files, one for each channel."""
        return [self._path.with_name(f"{self._path.name}.ch{c}.ram2bin") for c in range(len(self._commands))]

    def add_commands(self, channel: int, commands: Commands) -> None:
        """Keep the next commands of a channel."""
        rows = np.empty(len(commands), _COMMAND)
        names = ("rank", "bank_group", "bank", "row", "column")
        rows["cycle"], rows["command"], rows["request"] = commands.cycle, commands.command, commands.request
        rows["address"] = np.stack([getattr(commands, name) for name in names], axis=1)
        self._commands[channel].append(rows)

    def add_requests(
        self, number: NDArray[np.int64], accepted: NDArray[np.int64], depart: NDArray[np.int64]
    ) -> None:
        """Keep requests by their number in the trace; a write departs at -1."""
        rows = np.empty(len(number), _REQUEST)
        rows["accepted"], rows["write"] = accepted, depart < 0
        self._requests.put(number, rows)

    def write(self) -> None:
        """Write the files, each whole or not at all."""
        for channel, file in enumerate(self.files):
            temporary = file.with_name(f"{file.name}.tmp")
            try:
                with temporary.open("wb") as out:
                    self._write(out, channel, self._commands[channel])
                temporary.replace(file)
            finally:
                temporary.unlink(missing_ok=True)
        for spool in (*self._commands, self._requests):
            spool.close()

    def _write(self, out: BinaryIO, channel: int, spool: Spool) -> None:
        section = self._section(len(self._commands))
        start = _HEADER.size + len(section)
        padding = -start % 8
        out.write(self._header(channel, len(spool), start + padding) + section + bytes(padding))
        widths = [np.dtype(kind).itemsize for kind in _ARRAYS]
        places = start + padding + len(spool) * (np.cumsum(widths) - widths)
        done = 0
        for arrays in self._blocks(channel, spool):
            for place, width, kind, values in zip(places.tolist(), widths, _ARRAYS, arrays, strict=True):
                out.seek(place + done * width)
                out.write(np.ascontiguousarray(values, kind).data)
            done += len(arrays[0])

    def _blocks(self, channel: int, spool: Spool) -> Iterator[list[NDArray[np.int64]]]:
        """Yield the arrays of the file piece by piece."""
        for rows in spool.blocks():
            request, n = rows["request"], len(rows)
            arrive, write = np.full((2, n), -1, np.int64)
            serves = request >= 0
            if serves.any():
                first = int(request[serves].min())
                known = self._requests.read(first, int(request[serves].max()) - first + 1)
                arrive[serves] = known["accepted"][request[serves] - first]
                write[serves] = known["write"][request[serves] - first]
            levels = [np.full(n, channel, np.int64), *rows["address"].T]
            yield [rows["cycle"], arrive, rows["command"], write, np.full(n, -1, np.int64), *levels]

    def _header(self, channel: int, entries: int, offset: int) -> bytes:
        spec, timing = self._spec, self._spec.cycles
        beats = spec.data_rate_mt_per_s.value * spec.tCK_ps.value / 1e6
        prefetch = round(timing["nBL"] * beats)
        width = spec.organization.burst_bytes.value * 8 // prefetch
        name = spec.name.partition("-")[0].upper().encode()[:15]
        counts = (len(LEVELS), len(spec.commands), len(timing) + 1)
        sizes = (width, prefetch, 0, channel, timing["nCL"] + timing["nBL"])
        return _HEADER.pack(MAGIC, *VERSION, 0, *counts, *sizes, entries, offset, name)

    def _section(self, channels: int) -> bytes:
        org, spec = self._spec.organization, self._spec
        levels = (org.bank_groups, org.banks_per_group, org.rows, org.bursts_per_row)
        sizes = [channels, self._ranks, *(level.value for level in levels)]
        kinds = [KINDS[name] for name in spec.commands]
        timings = {**spec.cycles, "tCK_ps": spec.tCK_ps.value}
        return b"".join(
            [
                _names(LEVELS),
                np.array(sizes, "<u4").tobytes(),
                _names([name for name, _ in kinds]),
                bytes(meta for _, meta in kinds),
                bytes([1] * len(kinds)),  # clocks on the command bus
                _names(timings),
                np.array(list(timings.values()), "<i4").tobytes(),
            ]
        )


def _names(names: "tuple[str, ...] | list[str] | dict[str, int]") -> bytes:
    return b"".join(name.encode() + b"\0" for name in names)
