"""Traces of DRAM requests: the text formats of Ramulator and DRAMsim3, and recnmp's own.

Formats, one request a line, plain or gzip; byte addresses, of which the bits within a burst do not matter:

* ``ramulator``: ``LD 0x40`` or ``ST 64`` (Ramulator 2 LoadStoreTrace), ``R 0,1,2,3,100,32`` or ``W ...``
  (Ramulator 2 ReadWriteTrace: channel, rank, bank group, bank, row, column in bursts), ``0x12345680 R`` or
  ``... W`` (Ramulator 1). The first line tells which. Requests carry no time: every one may be offered at once.
* ``dramsim3``: ``0x2000D5C0 READ 30``: hexadecimal address, word, earliest clock; WRITE, write, P_MEM_WR and
  BOFF are writes, READ, read, P_MEM_RD and P_FETCH reads; any other word, a read to DRAMsim3, is an error.
  The clock is taken to be this memory's own. Requests stay in file order, so one with an earlier clock than
  the line before is offered after it.
* ``recnmp``: an embedding trace; every lookup reads the bursts of its entry, tables lie in random pages.

Not read: SimpleO3 instruction traces, which need a processor model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recnmp._files import line_blocks
from recnmp.config.schema import MemoryConfig, PlacementConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec
from recnmp.memory._parsers import FIELD_WORDS, PARSERS, SHAPES, WRITE_MARKS, Parsed, Problem, shape_of
from recnmp.memory._text import Lines, line_of, split_lines
from recnmp.placement.mapping import FIELDS, Mapping, Sizes
from recnmp.placement.place import make_mapping, place
from recnmp.trace.storage import iter_chunks, read_header
from recnmp.trace.trace import Trace

FORMATS = ("ramulator", "dramsim3", "recnmp")
BLOCK_BYTES = 1 << 20
LOOKUPS = 1 << 16
"""Lookups of an embedding trace that are placed at a time."""


@dataclass(frozen=True)
class MemoryTrace:
    """DRAM requests of one burst each in their order, L of them.

    Attributes:
        arrive: clock from which each may be offered, shape (L,), not decreasing.
        channel: channel, shape (L,).
        lane: bank of the channel, ``(rank * bank_groups + bank_group) * banks_per_group + bank``, shape (L,).
        row: DRAM row, shape (L,).
        column: burst within the row, shape (L,).
        write: 1 for a write, shape (L,).
    """

    arrive: NDArray[np.int64]
    channel: NDArray[np.int32]
    lane: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    write: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.lane)


def read_memory_trace(
    path: Path, kind: str, spec: DramSpec, memory: MemoryConfig, limit: int | None = None
) -> MemoryTrace:
    """Return the first ``limit`` requests (all when None) of a trace at once; raises as ``read_chunks`` does."""
    parts = list(read_chunks(path, kind, spec, memory, limit))
    names = [field.name for field in fields(MemoryTrace)]
    return MemoryTrace(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def read_chunks(
    path: Path, kind: str, spec: DramSpec, memory: MemoryConfig, limit: int | None = None
) -> Iterator[MemoryTrace]:
    """Yield the first ``limit`` requests (all when None) of a trace of format ``kind``, one of ``FORMATS``.

    They come in pieces of about a megabyte of text, or ``LOOKUPS`` lookups, so memory does not grow with the
    trace (but for the list of operator calls of an embedding trace). Addresses are split by ``memory.mapping``.

    Raises ConfigError, with the line where there is one, for a file that is missing, damaged, empty or not of
    this format, and for requests outside the memory.
    """
    _check(kind)
    mapping = make_mapping(memory, spec)
    if kind == "recnmp":
        parts = _read_lookups(path, spec, memory, limit)
    else:
        parts = _read_text(path, kind, spec, mapping, limit)
    arrived = -1
    for part in parts:
        arrive = np.maximum.accumulate(np.maximum(part.arrive, arrived))
        arrived = int(arrive[-1])
        yield replace(part, arrive=arrive)
    if arrived < 0:
        raise ConfigError(f"{path}: the trace has no requests")


def may_write(path: Path, kind: str, limit: int | None = None) -> bool:
    """Tell whether one of the first ``limit`` requests (all when None) may be a write, by the letters of the text.

    False is certain. A wrong line may look like a write, as may one a little beyond the limit. Raises
    ConfigError for a file that is missing or damaged.
    """
    _check(kind)
    if kind == "recnmp":
        return False
    left = limit
    for _, block in line_blocks(path, BLOCK_BYTES):
        if any(word in block for word in WRITE_MARKS[kind]):
            return True
        if left is not None:
            left -= sum(bool(line.strip()) for line in block.split(b"\n"))
            if left <= 0:
                break
    return False


def _check(kind: str) -> None:
    if kind not in FORMATS:
        raise ConfigError(f"format {kind!r} is not one of {', '.join(FORMATS)}")


def _read_lookups(
    path: Path, spec: DramSpec, memory: MemoryConfig, limit: int | None
) -> Iterator[MemoryTrace]:
    header = read_header(path)
    left = limit
    for lookups in iter_chunks(path, LOOKUPS):
        if not len(lookups.bag):
            continue
        first, last = np.searchsorted(header.calls.first_bag, lookups.bag[[0, -1]], "right")
        calls = header.calls[first - 1 : last]
        trace = Trace(lookups.table, lookups.bag, lookups.entry, None, header.tables, calls)
        placed = place(trace, memory, spec, PlacementConfig())
        n = placed.bursts if left is None else min(left, placed.bursts)
        lane = placed.rank[:n] * spec.banks_per_rank + placed.flat_bank[:n]
        nothing = np.zeros(n, np.int64)
        row, column = placed.row[:n], placed.column[:n]
        yield MemoryTrace(nothing, placed.channel[:n], lane, row, column, nothing.astype(np.uint8))
        if left is not None:
            left -= n
            if left == 0:
                return


def _read_text(
    path: Path, kind: str, spec: DramSpec, mapping: Mapping, limit: int | None
) -> Iterator[MemoryTrace]:
    blocks = line_blocks(path, BLOCK_BYTES)
    left = limit
    shape = ""
    for first, block in blocks:
        if not shape and block.strip():
            shape = kind if kind == "dramsim3" else shape_of(path, first, block)
        if not shape:
            continue
        lines = split_lines(first, block, PARSERS[shape][0])
        if left is not None:
            lines = lines.head(left)
            left -= len(lines)
        read = PARSERS[shape][1](lines)
        fields = _located(read, spec, mapping)
        _refuse(path, first, block, lines, read.problems, SHAPES[shape])
        if len(lines):
            yield _requests(read, fields, spec)
        if left == 0:
            return


def _sizes(mapping: Mapping) -> Sizes:
    bits = {field: len(mapping.positions(field)) for field in FIELDS}
    return {field: 1 << n for field, n in bits.items()}


def _located(read: Parsed, spec: DramSpec, mapping: Mapping) -> dict[str, NDArray[np.int64]]:
    """Return the fields of every request; requests outside the memory become problems."""
    sizes = _sizes(mapping)
    if read.address is None:
        for field, values in read.fields.items():
            allowed = f"the {FIELD_WORDS[field]} is 0 to {sizes[field] - 1}"
            read.problems.append(Problem(values >= sizes[field], allowed))
        return read.fields
    burst = read.address // np.uint64(spec.organization.burst_bytes.value)
    size = (1 << mapping.bits) * spec.organization.burst_bytes.value
    text = f"with channels {sizes['Ch']} and ranks {sizes['Ra']} the memory ends at {size - 1:#x}"
    read.problems.append(Problem(burst >= np.uint64(1 << mapping.bits), text))
    return mapping.decode(burst.astype(np.int64))


def _refuse(path: Path, first: int, block: bytes, lines: Lines, problems: list[Problem], shape: str) -> None:
    """Raise ConfigError for the first wrong line, if any."""
    found = [(int(problem.where.argmax()), problem.what) for problem in problems if problem.where.any()]
    if found:
        at, what = min(found, key=lambda pair: pair[0])
        number = int(lines.number[at])
    elif lines.odd is not None:
        number, what = lines.odd, f"a request is {shape}"
    else:
        return
    raise ConfigError(f"{path}:{number}: found {line_of(first, block, number)!r}; {what}")


def _requests(read: Parsed, fields: dict[str, NDArray[np.int64]], spec: DramSpec) -> MemoryTrace:
    org = spec.organization
    bank = (fields["Ra"] * org.bank_groups.value + fields["Bg"]) * org.banks_per_group.value + fields["Ba"]
    columns = (fields["Ch"], bank, fields["Ro"], fields["Co"])
    channel, lane, row, column = (values.astype(np.int32) for values in columns)
    arrive = np.zeros(len(bank), np.int64) if read.arrive is None else read.arrive
    return MemoryTrace(arrive, channel, lane, row, column, read.write.astype(np.uint8))
