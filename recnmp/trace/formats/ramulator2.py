"""Ramulator 2's LoadStoreTrace: ``LD 0x...`` for every burst that is read. No times, no comments.

Written only: `recnmp memory replay --format ramulator` reads such traces.
Source: github.com/CMU-SAFARI/ramulator2 (MIT).
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.formats._lines import lines
from recnmp.trace.formats._options import RequestOptions as RequestOptions

PLUGIN = True
SUMMARY = "Ramulator 2 LoadStoreTrace"


def request_lines(address: NDArray[np.uint64], first: int, options: RequestOptions) -> bytes:  # noqa: ARG001
    """Return a line for each byte address; ``first`` is the number of the first request."""
    return lines("LD 0x{address}", address)
