"""The text formats of DRAM requests, a block of lines at a time: what each line says and what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.memory._text import Lines, Mask, has_prefix, is_word, line_of, numbers

VECTOR = ("Ch", "Ra", "Bg", "Ba", "Ro", "Co")
FIELD_WORDS = dict(zip(VECTOR, ("channel", "rank", "bank group", "bank", "row", "column"), strict=True))
SHAPES = {
    "load_store": "LD or ST and an address: 'LD 0x12340', 'ST 4096'",
    "vector": "R or W and channel,rank,bank group,bank,row,column: 'R 0,1,2,3,100,32'",
    "address_first": "an address and R or W: '0x12345680 R'",
    "dramsim3": "hexadecimal address, READ or WRITE, clock: '0x2000D5C0 READ 30'",
}
WRITE_MARKS = {"ramulator": (b"ST", b"W"), "dramsim3": (b"W", b"w", b"BOFF")}
"""What a text has in it if one of its lines is a write, by format; no read has."""
_WRITES, _READS = ("WRITE", "write", "P_MEM_WR", "BOFF"), ("READ", "read", "P_MEM_RD", "P_FETCH")


class Problem(NamedTuple):
    """Lines that are wrong, shape (N,), and what is wrong with them."""

    where: Mask
    what: str


class Parsed(NamedTuple):
    """Requests of a block: byte addresses or fields, writes, clocks, and what is wrong."""

    address: NDArray[np.uint64] | None
    fields: dict[str, NDArray[np.int64]]
    write: Mask
    arrive: NDArray[np.int64] | None
    problems: list[Problem]


def shape_of(path: Path, first: int, block: bytes) -> str:
    """Tell the format of a Ramulator trace by its first line with a word."""
    number = first + next(n for n, line in enumerate(block.split(b"\n")) if line.strip())
    text = line_of(first, block, number)
    words = text.split()
    if words[0] in ("LD", "ST"):
        return "load_store"
    if words[0] in ("R", "W"):
        return "vector"
    if words[-1] in ("R", "W"):
        return "address_first"
    allowed = "; ".join(SHAPES[name] for name in ("load_store", "vector", "address_first"))
    raise ConfigError(f"{path}:{number}: found {text!r}; a Ramulator request is one of: {allowed}")


def _load_store(lines: Lines) -> Parsed:
    word = lines.text, lines.start[:, 0], lines.end[:, 0]
    write = is_word(*word, "ST")
    problems = [Problem(~(write | is_word(*word, "LD")), "neither LD nor ST")]
    return Parsed(_address(lines, 1, problems), {}, write, None, problems)


def _address_first(lines: Lines) -> Parsed:
    word = lines.text, lines.start[:, 1], lines.end[:, 1]
    write = is_word(*word, "W")
    problems = [Problem(~(write | is_word(*word, "R")), "neither R nor W")]
    return Parsed(_address(lines, 0, problems), {}, write, None, problems)


def _address(lines: Lines, at: int, problems: list[Problem]) -> NDArray[np.uint64]:
    """Read word ``at`` of every line: decimal, or hexadecimal after 0x."""
    start, end = lines.start[:, at], lines.end[:, at]
    is_hex = has_prefix(lines.text, start, end)
    address = np.zeros(len(start), np.uint64)
    bad = np.zeros(len(start), np.bool_)
    for base, which in ((16, is_hex), (10, ~is_hex)):
        chosen = slice(None) if which.all() else np.flatnonzero(which)
        if which.any():
            skip = 2 if base == 16 else 0
            address[chosen], bad[chosen] = numbers(lines.text, start[chosen] + skip, end[chosen], base)
    problems.append(Problem(bad, "the address is not a number, decimal or hexadecimal with 0x"))
    return address


def _vector(lines: Lines) -> Parsed:
    """Read ``R 0,1,2,3,100,32``: its fields were made words by the commas, which are checked here."""
    text = lines.text
    word = text, lines.start[:, 0], lines.end[:, 0]
    write = is_word(*word, "W")
    problems = [Problem(~(write | is_word(*word, "R")), "neither R nor W")]
    start, end = _split_vector(lines, problems)
    fields = {}
    for k, field in enumerate(VECTOR):
        value, bad = numbers(text, start[:, k], end[:, k], 10)
        problems.append(Problem(bad, f"the {FIELD_WORDS[field]} is not a number"))
        fields[field] = value.astype(np.int64)
    return Parsed(None, fields, write, None, problems)


def _split_vector(lines: Lines, problems: list[Problem]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each number of the second word starts and ends, shapes (N, 6)."""
    first, last = lines.start[:, 1], lines.end[:, 1]
    comma = np.append(np.flatnonzero(lines.text == ord(",")), len(lines.text))  # never none
    before = np.searchsorted(comma, first)
    commas = np.searchsorted(comma, last) - before
    wrong = commas != len(VECTOR) - 1
    names = ",".join(FIELD_WORDS.values())
    problems.append(Problem(wrong, f"an address has {len(VECTOR)} numbers, {names}"))
    inner = np.minimum(before[:, None] + np.arange(len(VECTOR) - 1), len(comma) - 1)
    at = np.where(wrong[:, None], first[:, None], comma[inner])
    return np.column_stack([first, at + 1]), np.column_stack([at, last])


def _dramsim3(lines: Lines) -> Parsed:
    text, start, end = lines.text, lines.start, lines.end
    skip = 2 * has_prefix(text, start[:, 0], end[:, 0])
    address, bad_address = numbers(text, start[:, 0] + skip, end[:, 0], 16)
    arrive, bad_clock = numbers(text, start[:, 2], end[:, 2], 10)
    write, known = np.zeros((2, len(lines)), np.bool_)
    for word in ("READ", "WRITE", *_READS[1:], *_WRITES[1:]):
        if known.all():
            break
        same = is_word(text, start[:, 1], end[:, 1], word)
        known |= same
        if word in _WRITES:
            write |= same
    problems = [
        Problem(bad_address, "the address is not a hexadecimal number"),
        Problem(~known, f"a write is one of {', '.join(_WRITES)}, a read one of {', '.join(_READS)}"),
        Problem(bad_clock, "the clock is not a whole number"),
    ]
    return Parsed(address, {}, write, arrive.astype(np.int64), problems)


PARSERS: dict[str, tuple[int, Callable[[Lines], Parsed]]] = {
    "load_store": (2, _load_store),
    "vector": (2, _vector),
    "address_first": (2, _address_first),
    "dramsim3": (3, _dramsim3),
}
"""Words of a line and the parser of its lines, by shape."""
