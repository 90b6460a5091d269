"""Address mapping: which address bits select channel, rank, bank group, bank, row and column."""

import re
from dataclasses import dataclass

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
    """

    name: str
    pieces: tuple[tuple[str, int], ...]

    @property
    def bits(self) -> int:
        """Bits of a burst number; the system holds ``2**bits`` bursts."""
        return sum(bits for _, bits in self.pieces)

    def positions(self, *fields: str) -> list[int]:
        """Return the bit positions that belong to ``fields``, lowest first."""
        found: list[int] = []
        at = 0
        for field, bits in self.pieces:
            found += range(at, at + bits) if field in fields else ()
            at += bits
        return found

    def decode(self, burst: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Split burst numbers into their fields; every array has the shape of ``burst``."""
        values = {field: np.zeros_like(burst) for field in FIELDS}
        taken, at = dict.fromkeys(FIELDS, 0), 0
        for field, bits in self.pieces:
            values[field] |= (burst >> at & ((1 << bits) - 1)) << taken[field]
            taken[field] += bits
            at += bits
        return values

    def encode(self, values: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return the burst numbers with these fields: the inverse of ``decode``."""
        burst = np.zeros_like(values["Ro"])
        taken, at = dict.fromkeys(FIELDS, 0), 0
        for field, bits in self.pieces:
            burst |= (values[field] >> taken[field] & ((1 << bits) - 1)) << at
            taken[field] += bits
            at += bits
        return burst


def parse_mapping(name: str, sizes: Sizes) -> Mapping:
    """Read a mapping such as ``RoBaBgRaChCo``: fields from most to least significant bit.

    A number behind a field fixes the bits of that piece; the one piece without a number takes the bits left.
    A field of one value, such as the channel of a system with one, need not be named.
    Raises ConfigError for unknown, missing or repeated fields and for pieces larger than their field.
    """
    tokens = re.findall(r"([A-Z][a-z])(\d*)", name)
    if "".join(field + digits for field, digits in tokens) != name or not tokens:
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
