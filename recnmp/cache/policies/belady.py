"""Belady's optimum without bypass: the line whose next read is farthest away is replaced.

Source: Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5 (2), 1966;
no cache that has to take in every line it reads does better (Mattson et al., 1970). Ties are between lines that
are never read again, and do not change any hit. It sees the future, so it is a bound.
"""

from dataclasses import dataclass

from recnmp.cache.policies._optimum import optimum
from recnmp.cache.stream import Bits, Stream

PLUGIN = True
SEES_FUTURE = True


@dataclass(frozen=True)
class Options:
    """The optimum has no options."""


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    return optimum(stream, ways, bypass=False)
