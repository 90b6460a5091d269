"""Signs that a trace says more about how it was made than about what users read.

Every check measures one number and holds it against a limit. Numbers of tables are shares of the lookups: those
in tables that show the sign, of the tables with enough lookups or bags to tell.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.survey import Survey
from recnmp.trace.trace import Table

ENOUGH_LOOKUPS = 1000
"""Lookups of a table below which nothing is said about their distribution; such tables are judged together."""

ENOUGH_BAGS = 20
"""Bags of a table below which nothing is said about them."""

SHARE_OF_TABLES = 0.01
"""Lookups in tables with a sign from which it is raised."""

WARM_UP = 0.1
"""Share of the lookups that a cache may take to fill."""

_SMALL_TABLE = 16  # entries read: in fewer, anything repeats by chance


@dataclass(frozen=True)
class Check:
    """One check: ``raised`` where ``value`` is beyond ``limit``; None where there is too little to tell."""

    name: str
    raised: bool
    value: float | None
    limit: float
    reason: str

    @property
    def line(self) -> str:
        """The check in words."""
        return f"{self.name}: {self.reason}"

    def document(self) -> dict[str, Any]:
        """Return the check ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class CacheStudy:
    """A cache to be studied with the trace: ``entries`` of it, full after ``filled`` lookups (None: never)."""

    size_bytes: int
    entries: int
    footprint_bytes: int
    filled: int | None


def run_checks(found: Survey, tables: Sequence[Table], cache: CacheStudy | None) -> list[Check]:
    """Return every check of the trace; those of a cache only where one is given."""
    lookups = np.array([of.reads.lookups for of in found.tables], np.int64)
    checks = [
        _of_tables(
            "uniform indices",
            _uniform(found, tables, lookups),
            lookups,
            "entries repeat no more than by chance; real traffic repeats far more",
        ),
        _of_tables(
            "fixed bag per entry",
            _fixed(found),
            lookups,
            "bags that begin with the same entry are equal, as in MLPerf's synthetic multi-hot; "
            "sums of such bags repeat as they never do in real traffic",
        ),
        _of_tables(
            "sorted bags",
            _sorted(found),
            lookups,
            "entries ascend without repeats in all bags or nearly, so order and reuse within bags are gone",
        ),
        _of_tables(
            "stack restarted each bag",
            _restarted(found, tables),
            lookups,
            "every bag begins anew with the same entries: reuse between bags is the generator's, not users'",
        ),
    ]
    return checks + (_of_cache(cache, int(lookups.sum())) if cache else [])


def _of_tables(name: str, signs: list[bool | None], lookups: NDArray[np.int64], meaning: str) -> Check:
    judged = sum(int(n) for n, sign in zip(lookups, signs, strict=True) if sign is not None)
    if not judged:
        return Check(name, False, None, SHARE_OF_TABLES, "too little to tell")
    value = sum(int(n) for n, sign in zip(lookups, signs, strict=True) if sign) / max(int(lookups.sum()), 1)
    where = f"{value:.1%} of the lookups, in {sum(map(bool, signs)):,} of {len(signs):,} tables"
    raised = value >= SHARE_OF_TABLES
    return Check(name, raised, value, SHARE_OF_TABLES, f"{where}: {meaning}" if raised else where)


def _uniform(found: Survey, tables: Sequence[Table], lookups: NDArray[np.int64]) -> list[bool | None]:
    """Compare pairs of lookups that read the same entry with what uniform draws over the table give."""
    entries = np.array([table.entries for table in tables], float)
    expected = lookups * (lookups - 1.0) / 2 / entries
    pairs = np.array([of.reads.same_pairs for of in found.tables])
    few = lookups < ENOUGH_LOOKUPS
    together = (
        _by_chance(pairs[few].sum(), expected[few].sum()) if lookups[few].sum() >= ENOUGH_LOOKUPS else None
    )
    return [together if few[t] else _by_chance(pairs[t], expected[t]) for t in range(len(tables))]


def _by_chance(pairs: float, expected: float) -> bool:
    return bool(pairs <= 1.1 * expected + 4 * (expected**0.5 + 1))  # 4 standard deviations: pairs are Poisson


def _fixed(found: Survey) -> list[bool | None]:
    bags = found.bags
    return [
        None if compared < ENOUGH_BAGS or of.reads.entries < _SMALL_TABLE else bool(same >= 0.95 * compared)
        for compared, same, of in zip(bags.compared, bags.same, found.tables, strict=True)
    ]


def _sorted(found: Survey) -> list[bool | None]:
    bags = found.bags
    columns = zip(bags.long, bags.ascending, bags.ascending_by_chance, strict=True)
    return [
        None if long < ENOUGH_BAGS else bool(ascending >= 0.99 * long > 1.1 * chance)
        for long, ascending, chance in columns
    ]


def _restarted(found: Survey, tables: Sequence[Table]) -> list[bool | None]:
    """Ask whether bags begin with one entry that the table's other lookups do not favour as much.

    A stack that starts over and is then sorted gives nested bags: what is read at all is read in the longest.
    """
    bags = found.bags
    signs: list[bool | None] = []
    for t, (of, ascends) in enumerate(zip(found.tables, _sorted(found), strict=True)):
        following = int(bags.following[t])
        if following < ENOUGH_BAGS:
            signs.append(None)
            continue
        repeated = int(bags.repeated[t]) / following
        popular = of.reads.same_pairs / (of.reads.lookups * (of.reads.lookups - 1) / 2)
        nested = ascends and of.reads.entries == bags.longest[t] < tables[t].entries
        signs.append(bool(repeated >= 0.9 and popular <= 0.5) or bool(nested and repeated >= 0.5))
    return signs


def _of_cache(cache: CacheStudy, lookups: int) -> list[Check]:
    held = cache.footprint_bytes / cache.size_bytes
    warm_up = 1.0 if cache.filled is None else cache.filled / max(lookups, 1)
    filling = "never full" if cache.filled is None else f"full after {cache.filled:,} of {lookups:,} lookups"
    return [
        Check(
            "too short for the cache",
            cache.filled is None,
            held,
            1.0,
            f"what is read takes {held:.2f} times the cache ({cache.entries:,} entries), which is {filling}",
        ),
        Check(
            "warm-up",
            warm_up > WARM_UP,
            warm_up,
            WARM_UP,
            f"{warm_up:.1%} of the lookups fill the cold cache; leave them out or take a longer trace",
        ),
    ]
