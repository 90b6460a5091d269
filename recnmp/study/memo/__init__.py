"""What partial sums kept in memo tables are worth, as in MERCI: clusters, rewritten bags, time and energy."""

from recnmp.study.memo.request import Request
from recnmp.study.memo.run import memo_study

__all__ = ["Request", "memo_study"]
