"""Belady's optimum with bypass: as without, but the line just read may itself be the one that is not kept.

Source: Belady, A study of replacement algorithms for a virtual-storage computer, IBM Systems Journal 5 (2), 1966,
with the newcomer among those that may go (McFarling, Cache replacement with dynamic exclusion, ISCA 1992, for
direct-mapped caches). No cache of so many lines, whatever it keeps, hits more often. No ties that change a hit.
"""

from dataclasses import dataclass

from recnmp.cache.policies._optimum import optimum
from recnmp.cache.stream import Bits, Stream

PLUGIN = True
SEES_FUTURE = True
BYPASSES = True


@dataclass(frozen=True)
class Options:
    """The optimum has no options."""


def hits(stream: Stream, ways: int, options: Options) -> Bits:
    """Return which accesses hit, shape (N,)."""
    return optimum(stream, ways, bypass=True)
