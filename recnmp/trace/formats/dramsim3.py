"""DRAMsim3's trace: ``0x... READ clock`` for every burst that is read.

All may be offered at clock 0 unless ``gap`` spreads them. Written only: `recnmp memory replay --format dramsim3`
reads such traces. Source: github.com/umd-memsys/DRAMsim3 (MIT).
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.formats._lines import lines
from recnmp.trace.formats._options import RequestOptions as RequestOptions

PLUGIN = True
SUMMARY = "DRAMsim3 trace"


def request_lines(address: NDArray[np.uint64], first: int, options: RequestOptions) -> bytes:
    """Return a line for each byte address; ``first`` is the number of the first request."""
    clock = (first + np.arange(len(address))) * options.gap
    return lines("0x{address} READ {clock}", address, clock)
