"""DRAMSys's STL: ``clock: (bytes) read 0x...`` for every burst that is read.

All may be offered at clock 0 unless ``gap`` spreads them. Written only.
Source: github.com/tukl-msd/DRAMSys (documentation of trace files).
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.library.dram import load_standard
from recnmp.trace.formats._lines import lines
from recnmp.trace.formats._options import RequestOptions as RequestOptions

PLUGIN = True
SUMMARY = "DRAMSys STL"


def request_lines(address: NDArray[np.uint64], first: int, options: RequestOptions) -> bytes:
    """Return a line for each byte address; ``first`` is the number of the first request."""
    clock = (first + np.arange(len(address))) * options.gap
    size = load_standard(options.standard).organization.burst_bytes.value
    return lines(f"{{clock}}: ({size}) read 0x{{address}}", address, clock)
