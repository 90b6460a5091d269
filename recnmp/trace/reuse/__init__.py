"""How a trace reads its entries again: shares, histograms, exact LRU curves, popularity laws."""

from recnmp.trace.reuse.statistics import ReuseStatistics, reuse_statistics

__all__ = ["ReuseStatistics", "reuse_statistics"]
