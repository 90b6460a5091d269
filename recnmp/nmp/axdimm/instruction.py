"""AxDIMM's 64-bit instructions and the header word before them, encoded and decoded for real.

Source: the interface that Samsung's PNMLibrary (SAITPublic/PNMLibrary at 334ae0c) documents for its hardware,
read there as facts about bits; no code of it is used. A rank needs no field, since every rank has an instruction
buffer of its own; weights have none either, so sums are unweighted.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec

FIELDS = (
    ("opcode", 2),  # FP32_SUM is the one used here; 1 reserved, 2 UINT32 sum, 3 UINT32 sum with tags
    ("local", 1),  # cache hint; nothing as shipped acts on it
    ("output", 12),  # slot of 64 B in the psum buffer
    ("trace_end", 1),  # set in an execution's last instruction
    ("unused", 17),
    ("row", 17),
    ("bank_group", 2),
    ("bank", 2),
    ("column", 10),  # the device's: beats of 8 B, eight to a burst
)
INSTRUCTION_BITS = sum(bits for _, bits in FIELDS)
FP32_SUM = 0
VECTOR_BYTES = (64, 128, 256)
"""Entries that a header's size mode 0, 1, 2 stands for."""

WORD_BYTES = 8
BEATS = 8
"""Columns of a burst."""

_SIZE_MODE = 3  # bits 1:0 of the header; bit 8 would ask for tags


def encode(fields: dict[str, NDArray[np.int64]]) -> NDArray[np.uint64]:
    """Pack fields, each of shape (n,), into words, shape (n,); those left out are 0.

    Raises ConfigError when a value does not fit its field.
    """
    words = np.zeros(len(fields["row"]), np.uint64)
    at = INSTRUCTION_BITS
    for name, bits in FIELDS:
        at -= bits
        value = fields.get(name)
        if value is None or not len(value):
            continue
        if int(value.min()) < 0 or int(value.max()) >> bits:
            raise ConfigError(f"AxDIMM instruction: {name} {int(value.max())} does not fit {bits} bits")
        words |= value.astype(np.uint64) << np.uint64(at)
    return words


def decode(words: NDArray[np.uint64]) -> dict[str, NDArray[np.int64]]:
    """Unpack words into their fields: the inverse of ``encode``."""
    fields, at = {}, INSTRUCTION_BITS
    for name, bits in FIELDS:
        at -= bits
        fields[name] = (words >> np.uint64(at) & np.uint64((1 << bits) - 1)).astype(np.int64)
    return fields


def header(vector_bytes: int) -> int:
    """Return an execution's first word; raises ConfigError for entries of other than 64, 128 or 256 B."""
    if vector_bytes not in VECTOR_BYTES:
        sizes = ", ".join(map(str, VECTOR_BYTES))
        raise ConfigError(f"AxDIMM sums entries of {sizes} B, not of {vector_bytes} B")
    return VECTOR_BYTES.index(vector_bytes)


def vector_bytes(word: int) -> int:
    """Return the bytes of an entry that a header word asks for: 64 << mode."""
    return VECTOR_BYTES[0] << (word & _SIZE_MODE)


def check_standard(spec: DramSpec) -> None:
    """Raise ConfigError for a DRAM standard whose banks, rows or columns the instruction has no bits for."""
    org, bits = spec.organization, dict(FIELDS)
    asked = {
        "bank_group": org.bank_groups.value,
        "bank": org.banks_per_group.value,
        "row": org.rows.value,
        "column": org.bursts_per_row.value * BEATS,
    }
    for name, values in asked.items():
        if values > 1 << bits[name]:
            raise ConfigError(
                f"nmp.kind axdimm: an instruction has {bits[name]} bits of {name}, {spec.name} has {values} "
                f"{name}s; take a DDR4 standard"
            )
