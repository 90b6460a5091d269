"""Sizes and times in the units their names say."""

import re
from typing import Literal

from recnmp.errors import ConfigError

TableDtype = Literal["fp32", "int8_rowwise"]
"""How a table keeps its entries: FP32 elements; or a byte each, then the entry's own scale and bias as FP32.

``int8_rowwise`` is the fused layout of Caffe2's Fused8BitRowwise operators, of PyTorch's
``quantized::embedding_bag_byte_rowwise_offsets`` and of FBGEMM: element = code * scale + bias.
"""

BURST_BYTES = 64
"""Bytes of one column access on a 64-bit DDR4 channel (burst length 8); the unit of DRAM requests."""

_SIZE = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*(B|KiB|MiB|GiB|TiB)?\s*")
_POWER = {None: 0, "B": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4}


def parse_bytes(text: str | int) -> int:
    """Return the bytes that ``text`` names: ``131072``, ``"128 KiB"``, ``"24.75 MiB"``.

    Raises ConfigError for anything else, a decimal prefix such as ``kB`` included: cache and page sizes
    are binary, and a silent 2.4 % error is worse than a message.
    """
    match = _SIZE.fullmatch(str(text)) if not isinstance(text, bool) else None
    if match is None:
        raise ConfigError(f"not a size: {text!r}; write bytes or a number with B, KiB, MiB, GiB or TiB")
    value = float(match[1]) * 1024 ** _POWER[match[2]]
    if value != int(value):
        raise ConfigError(f"{text!r} is not a whole number of bytes")
    return int(value)


def cycles_to_ns(cycles: float, tCK_ps: int) -> float:
    """Return the time of ``cycles`` clocks of ``tCK_ps`` picoseconds, in nanoseconds."""
    return cycles * tCK_ps / 1000


def gb_per_s(n_bytes: float, ns: float) -> float:
    """Return a rate in 10^9 bytes per second; 0 for no time at all."""
    return n_bytes / ns if ns else 0.0
