"""RankCaches by size, ways, policy, threshold, packets and their order, with time and energy of the full model."""

from recnmp.study.rankcache.request import Request
from recnmp.study.rankcache.run import rankcache_study

__all__ = ["Request", "rankcache_study"]
