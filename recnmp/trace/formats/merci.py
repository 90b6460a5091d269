"""Bag files of MERCI: a header, then a line ``weight id id ...`` for every bag, in the order of the file.

Training files begin ``1 items bags pins 2``, test files ``# items``; ids count from 1 in both. The weight is how
often the bag occurs: it is repeated so often, one after the other, unless ``repeat`` is false.
Source: github.com/SNU-ARC/MERCI (README and file layout).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recnmp._files import BOM, line_blocks, opened
from recnmp.errors import ConfigError
from recnmp.trace.formats import _kernels as kernel
from recnmp.trace.formats._ids import IdMap
from recnmp.trace.formats._matrix import declare_all
from recnmp.trace.formats._options import IdMode, IdOptions
from recnmp.trace.formats._sink import Bags, Sink

PLUGIN = True
SUMMARY = "MERCI bag files, training and test"

_MOST_ENTRIES, _MOST_LOOKUPS = 1 << 32, 1 << 24


class ReadOptions(IdOptions):
    """Options of MERCI files."""

    ids: IdMode = Field("as_is", description="as for other formats; ids count from 1, entries from 0")
    repeat: bool = Field(True, description="a bag occurs as often as its weight says")


def read(files: Sequence[Path], options: ReadOptions, sink: Sink) -> None:
    """Feed the bags of ``files``; raises ConfigError for a header that is none."""
    items = max(_items(file) for file in files)
    ids = IdMap("items", options.model_copy(update={"entries": options.entries or items}))
    for file in files:
        for first, whole in line_blocks(file):
            block, line = (whole.partition(b"\n")[2], 2) if first == 1 else (whole, first)
            _add(file, line, block, items, ids, options.repeat, sink)
            if sink.full:
                break
    declare_all([ids], options, sink)


def _items(file: Path) -> int:
    """Return how many items the header of a file promises."""
    with opened(file) as start:
        head = start.read(1 << 12).partition(b"\n")[0].removeprefix(BOM)
    words = head.split()
    number = words[1:2] if words[:1] in ([b"1"], [b"#"]) and len(words) in (2, 5) else []
    if not number or not number[0].isdigit() or int(number[0]) < 1:
        raise ConfigError(
            f"{file}:1: a MERCI file begins '1 items bags pins 2' or '# items', not {head[:40]!r}"
        )
    if int(number[0]) > _MOST_ENTRIES:
        raise ConfigError(
            f"{file}:1: {int(number[0]):,} items; a table has at most {_MOST_ENTRIES:,} entries"
        )
    return int(number[0])


def _add(file: Path, first: int, block: bytes, items: int, ids: IdMap, repeat: bool, sink: Sink) -> None:
    lines = block.count(b"\n")
    number, row = np.zeros((2, len(block) // 2 + 1), np.int64)
    odd = np.zeros(lines + 1, np.bool_)
    n = kernel.parse_lines(np.frombuffer(block, np.uint8), number, row, odd)
    number, row, odd = number[:n], row[:n], odd[:-1]
    length = np.bincount(row, minlength=lines)
    full = (length > 0) | odd
    is_weight = np.zeros(n, np.bool_)
    is_weight[np.searchsorted(row, np.flatnonzero(length))] = True
    weight = np.zeros(lines, np.int64)
    weight[row[is_weight]] = number[is_weight]
    outside = np.bincount(row[~is_weight], (number[~is_weight] < 1) | (number[~is_weight] > items), lines) > 0
    place = first + np.arange(lines)
    sink.rows.read += int(full.sum())
    sink.rows.refuse_where(file, place, odd, "not whole numbers parted by spaces")
    sink.rows.refuse_where(file, place, ~odd & outside, f"ids are 1 to {items}")
    thin = full & ~odd & ~outside & ((length < 2) | (weight < 1))
    sink.rows.refuse_where(file, place, thin, "a bag is a weight of 1 or more and at least one id")
    often = full & ~odd & ~outside & ~thin & (weight > _MOST_LOOKUPS // np.maximum(length - 1, 1))
    sink.rows.refuse_where(file, place, often, f"a bag of more than {_MOST_LOOKUPS:,} lookups in all")
    good = full & ~odd & ~outside & ~thin & ~often
    keep = ~is_weight & good[row]
    key = number[keep].astype(np.uint64) - np.uint64(1)
    if ids.outside(key).any():
        raise ConfigError(f"{file}: entries is {ids.entries}, but its ids go to {items}")
    bags = Bags((length - 1)[good], ids.entry(key))
    for first_bag, end in _pieces(bags.length * weight[good]) if repeat else [(0, len(bags.length))]:
        piece = bags.cut(first_bag, end)
        sink.add([_repeated(piece, weight[good][first_bag:end]) if repeat else piece])
    sink.tell(file.name)


def _pieces(lookups: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return runs of bags of not much more than ``_MOST_LOOKUPS`` together."""
    part = np.cumsum(lookups) // _MOST_LOOKUPS
    cuts = (np.flatnonzero(np.diff(part)) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(lookups)], strict=True))


def _repeated(bags: Bags, times: NDArray[np.int64]) -> Bags:
    """Return every bag ``times`` times in a row."""
    which = np.repeat(np.arange(len(times)), times)
    length = bags.length[which]
    start = (np.cumsum(bags.length) - bags.length)[which]
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return Bags(length, bags.entry[np.repeat(start, length) + within])
