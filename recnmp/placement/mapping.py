"""Address mapping: which address bits select channel, rank, bank group, bank, row and column.

An order of fields takes each bit of a burst number for one bit of one field; XOR hashing then flips some of these
bits by others, so that addresses a power of two apart spread over banks, ranks or channels.
"""

import re
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError

FIELDS = ("Ro", "Ba", "Bg", "Ra", "Co", "Ch")

Sizes = dict[str, int]
"""How many values each field of ``FIELDS`` takes; powers of two."""


@dataclass(frozen=True)
class Mapping:
    """Bits of a burst number, from least to most significant, as (field, bits of that field) pieces.

    A piece takes the field's next bits upwards, so a field may be split: ``RoBaRaChCoBgCo1`` takes one
    column bit, the bank group, then the rest of the column, and so on.

    Each of ``hashes``, (bit position, mask), flips that bit when an odd number of the mask's bits are set. They act
    one after the other and none reads the bit it flips, so that undoing them backwards leads back.
    """

    name: str
    pieces: tuple[tuple[str, int], ...]
    hashes: tuple[tuple[int, int], ...] = ()

    @property
    def bits(self) -> int:
        """Bits of a burst number; the system holds ``2**bits`` bursts."""
        return sum(bits for _, bits in self.pieces)

    @property
    def ranks(self) -> int:
        """Ranks over all channels."""
        return 1 << len(self.positions("Ra", "Ch"))

    @property
    def bits_within_rank(self) -> int:
        """Lowest bits of a burst number that choose neither rank nor channel, however hashed."""
        turns = np.flatnonzero(self.rank_of(1 << np.arange(self.bits)))
        return int(turns[0]) if len(turns) else self.bits

    def rank_of(self, burst: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rank of each burst over all channels, ``channel * ranks + rank``, shape as ``burst``."""
        fields = self.decode(burst)
        return fields["Ch"] << len(self.positions("Ra")) | fields["Ra"]

    def positions(self, *fields: str) -> list[int]:
        """Return the bit positions that ``fields`` take before hashing, lowest first."""
        found: list[int] = []
        at = 0
        for field, bits in self.pieces:
            found += range(at, at + bits) if field in fields else ()
            at += bits
        return found

    def decode(self, burst: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Split burst numbers into their fields; every array has the shape of ``burst``."""
        for at, mask in self.hashes:
            burst = _flipped(burst, at, mask)
        values: dict[str, NDArray[np.int64]] = {}
        taken, at = dict.fromkeys(FIELDS, 0), 0
        for field, bits in self.pieces:
            piece = (burst >> at & ((1 << bits) - 1)) << taken[field]
            values[field] = values[field] | piece if field in values else piece
            taken[field] += bits
            at += bits
        return {field: values[field] if field in values else np.zeros_like(burst) for field in FIELDS}

    def encode(self, values: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return the burst numbers with these fields: the inverse of ``decode``."""
        burst = np.zeros_like(values["Ro"])
        taken, at = dict.fromkeys(FIELDS, 0), 0
        for field, bits in self.pieces:
            burst |= (values[field] >> taken[field] & ((1 << bits) - 1)) << at
            taken[field] += bits
            at += bits
        for at, mask in reversed(self.hashes):
            burst = _flipped(burst, at, mask)
        return burst


def _flipped(burst: NDArray[np.int64], at: int, mask: int) -> NDArray[np.int64]:
    odd: NDArray[np.int64] = np.bitwise_count(burst & mask).astype(np.int64) & 1
    return burst ^ (odd << at)


def is_order(text: str) -> bool:
    """Return whether ``text`` has the form of a bit order, of whatever fields."""
    return re.fullmatch(r"([A-Z][a-z]\d*)+", text) is not None


def parse_mapping(name: str, sizes: Sizes) -> Mapping:
    """Read a mapping such as ``RoBaBgRaChCo``: fields from most to least significant bit.

    A number behind a field fixes the bits of that piece; the one piece without a number takes the bits left.
    A field of one value, such as the channel of a system with one, need not be named.
    Raises ConfigError for unknown, missing or repeated fields and for pieces larger than their field.
    """
    tokens = re.findall(r"([A-Z][a-z])(\d*)", name)
    if not is_order(name):
        raise ConfigError(f"mapping {name!r} is not a list of {', '.join(FIELDS)}")
    total = {field: sizes[field].bit_length() - 1 for field in FIELDS}
    for field in FIELDS:
        named = [digits for token, digits in tokens if token == field].count("")
        if named > 1 or (named == 0 and total[field]):
            raise ConfigError(f"mapping {name!r} must name {field} exactly once without a number")
    for field, _ in tokens:
        if field not in FIELDS:
            raise ConfigError(f"mapping {name!r}: {field} is not one of {', '.join(FIELDS)}")
    fixed = {field: sum(int(digits or 0) for token, digits in tokens if token == field) for field in FIELDS}
    for field in FIELDS:
        if fixed[field] > total[field]:
            raise ConfigError(
                f"mapping {name!r} takes {fixed[field]} bits of {field}, which has {total[field]}"
            )
    pieces = tuple(
        (field, int(digits) if digits else total[field] - fixed[field]) for field, digits in reversed(tokens)
    )
    return Mapping(name, pieces)


def hashed(mapping: Mapping, name: str, xor: Dictionary[str, Sequence[str]]) -> Mapping:
    """Return ``mapping`` under ``name`` with bits replaced by their XOR with others.

    ``{"Bg0": ["Co6", "Ro1"]}``: the lowest bit of the bank group is what the order takes for it, XOR bit 6 of the
    column, XOR bit 1 of the row. All bits read are those of the order, hashed or not, as in published functions
    of address bits. What is said of a bit that this memory does not have, such as the rank of a system with one,
    does not apply.

    Raises ConfigError where a bit to read is not there, or bits are hashed by each other, which could send two
    addresses to one place.
    """
    at = {f"{field}{k}": place for field in FIELDS for k, place in enumerate(mapping.positions(field))}
    try:
        readers_first = reversed(list(TopologicalSorter(xor).static_order()))
    except CycleError as error:
        raise ConfigError(f"mapping {name!r}: xor in a circle: {' by '.join(error.args[1])}") from None
    hashes = []
    for bit in readers_first:
        if bit not in xor or bit not in at:
            continue
        for other in xor[bit]:
            if other not in at:
                has = len(mapping.positions(other[:2]))
                raise ConfigError(
                    f"mapping {name!r}: the xor of {bit} reads {other}, but {other[:2]} has {has} bits here"
                )
        hashes.append((at[bit], sum(1 << at[other] for other in xor[bit])))
    return replace(mapping, name=name, hashes=tuple(hashes))
