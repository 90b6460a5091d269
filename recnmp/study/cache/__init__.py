"""What caches are worth on a trace: exact or sampled LRU curves, and policies over sizes, ways, lines and scopes."""

from recnmp.study.cache.request import Request
from recnmp.study.cache.run import cache_study

__all__ = ["Request", "cache_study"]
