"""Proof that rewritten bags add up to what they were: what each sum adds, and the sums themselves."""

from typing import Any

import numpy as np

from recnmp.errors import RecnmpError
from recnmp.study.memo.bags import Longs
from recnmp.study.memo.layout import MemoTable
from recnmp.trace.trace import Trace
from recnmp.trace.values import entry_values

_PIECE = 1 << 18  # lookups of the rewritten trace that are taken apart at a time
SUMMED_BAGS = 1024


def check_sums(trace: Trace, rewritten: Trace, memo: dict[int, MemoTable]) -> dict[str, Any]:
    """Take every sum that ``rewritten`` reads apart and compare with ``trace``; add up some bags in FP32, too.

    Returns how many lookups and bags that were. Every bag must have the same entries, as often. The sums of the
    first ``SUMMED_BAGS`` bags of each memo table, of the entries' values in ``recnmp.trace.values``, are exact
    in any order, so they must be equal. Raises RecnmpError for the first table that differs.
    """
    lookups = bags = 0
    for t, one in memo.items():
        mine, new = trace.table == t, rewritten.table == t
        bag, entry = trace.bag[mine].astype(np.int64), trace.entry[mine].astype(np.int64)
        sum_bag, sums = rewritten.bag[new].astype(np.int64), rewritten.entry[new].astype(np.int64)
        apart = [one.members(sums[k : k + _PIECE]) for k in range(0, len(sums), _PIECE)]
        of = np.concatenate([which + k * _PIECE for k, (which, _) in enumerate(apart)] or [sums])
        added = np.concatenate([entries for _, entries in apart] or [sums])
        same = len(added) == len(entry)
        if same:
            was, now = np.lexsort((entry, bag)), np.lexsort((added, sum_bag[of]))
            same = np.array_equal(entry[was], added[now]) and np.array_equal(bag[was], sum_bag[of[now]])
        if not same:
            raise RecnmpError(
                f"memo table {trace.tables[t].name!r}: a bag's sums do not add what the bag reads"
            )
        lookups += len(entry)
        bags += _summed_alike(t, trace.tables[t].dim, (bag, entry), (sum_bag, sums), one)
    return {"checked_lookups": lookups, "checked_bags": bags}


def _summed_alike(
    t: int, dim: int, plain: tuple[Longs, Longs], memoised: tuple[Longs, Longs], memo: MemoTable
) -> int:
    """Add up the first bags of table ``t`` both ways; return how many, raise RecnmpError where they differ."""
    bags = np.unique(plain[0])[:SUMMED_BAGS]
    if not len(bags):
        return 0
    read, sums = (slice(0, int(np.searchsorted(of[0], bags[-1], "right"))) for of in (plain, memoised))
    which, entry = memo.members(memoised[1][sums])
    kept = np.add.reduceat(entry_values(t, entry, dim), np.searchsorted(which, np.unique(which)))
    pooled = np.add.reduceat(kept, np.searchsorted(memoised[0][sums], bags))
    wanted = np.add.reduceat(entry_values(t, plain[1][read], dim), np.searchsorted(plain[0][read], bags))
    if not np.array_equal(pooled, wanted):
        raise RecnmpError(f"memo table {t}: memoised sums differ from plain ones")
    return len(bags)
