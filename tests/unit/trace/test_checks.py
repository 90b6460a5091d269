import numpy as np
import pytest

from recnmp.trace.checks import run_checks
from recnmp.trace.storage import Lookups
from recnmp.trace.survey import survey
from recnmp.trace.synthetic import IndexStream, Reuse
from recnmp.trace.trace import Calls, Table

ENTRIES = 5000


def _checks(*tables, entries=ENTRIES):
    """Checks of a trace that reads each table once, with the given bags."""
    bags = [np.asarray(bag, np.uint32) for table in tables for bag in table]
    owner = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    lengths = np.array([len(bag) for bag in bags])
    counts = np.array([len(table) for table in tables], np.int64)
    calls = Calls(
        np.arange(len(tables), dtype=np.uint16),
        np.cumsum(counts) - counts,
        counts,
        np.zeros(len(tables), np.int64),
        np.zeros(len(tables), np.uint8),
    )
    piece = Lookups(
        np.repeat(owner, lengths).astype(np.uint16),
        np.repeat(np.arange(len(bags), dtype=np.uint32), lengths),
        np.concatenate(bags),
        None,
    )
    shapes = [Table(f"t{t}", entries, 8) for t in range(len(tables))]
    found = survey(shapes, calls, lambda verify: [piece])
    return {check.name: check for check in run_checks(found, shapes, None)}


def _natural(bags=300, length=10, seed=1, entries=ENTRIES):
    """Bags of independent draws by popularity: what no check should object to."""
    return IndexStream(0, entries, Reuse(0.9, 1, entries), seed).draw(bags * length).reshape(bags, length)


def _raised(checks):
    return {name for name, check in checks.items() if check.raised}


def test_bags_drawn_by_popularity_raise_nothing():
    assert _raised(_checks(_natural())) == set()
    assert _raised(_checks(_natural(length=2, bags=2000))) == set()
    values = {check.value for check in _checks(_natural()).values()}
    assert values == {0.0}


def test_too_little_is_not_judged():
    for check in _checks(_natural(bags=10)).values():
        assert (check.raised, check.value, check.reason) == (False, None, "too little to tell")


def test_uniform_indices_are_counted_by_the_lookups_they_take():
    uniform = np.random.default_rng(2).integers(0, ENTRIES, (100, 10))
    checks = _checks(_natural(), uniform)
    assert _raised(checks) == {"uniform indices"}
    assert checks["uniform indices"].value == 0.25
    assert checks["uniform indices"].line.startswith(
        "uniform indices: 25.0% of the lookups, in 1 of 2 tables: "
    )


def test_tables_with_few_lookups_are_judged_for_uniformity_together():
    rng = np.random.default_rng(2)
    few = [rng.integers(0, ENTRIES, (10, 10)) for _ in range(20)]
    assert _checks(*few)["uniform indices"].value == 1
    assert _checks(*few[:5])["uniform indices"].value is None


def _multi_hot(rng, length=5):
    """One hot entry by popularity, the rest fixed for it: what MLPerf's multi-hot data set does."""
    fixed = rng.integers(0, ENTRIES, (ENTRIES, length - 1))
    first = _natural(bags=60).ravel()
    return np.column_stack([first, fixed[first]])


def test_bags_that_follow_from_their_first_entry_are_flagged():
    bags = _multi_hot(np.random.default_rng(3))
    checks = _checks(bags)
    assert _raised(checks) == {"fixed bag per entry"}
    assert checks["fixed bag per entry"].value == 1
    other = bags.copy()
    other[::2, 1:] = np.random.default_rng(4).integers(0, ENTRIES, other[::2, 1:].shape)
    assert "fixed bag per entry" not in _raised(_checks(other))


def test_a_table_of_few_entries_is_not_called_fixed():
    assert _checks([[3, 4]] * 2000)["fixed bag per entry"].value is None


def test_sorted_bags_without_repeats_are_flagged():
    bags = [np.unique(bag) for bag in _natural()]
    checks = _checks(bags)
    assert _raised(checks) == {"sorted bags"}
    with_repeats = [np.sort(bag) for bag in _natural()]
    assert _raised(_checks(with_repeats)) == set()
    # pairs ascend half of the time by chance, single lookups tell nothing
    assert _checks([bag[:1] for bag in bags])["sorted bags"].value is None


def _restarted(rng, bags, length):
    """Bags from an LRU stack that starts over with each: new entries always come in one order."""
    made = []
    for _ in range(bags):
        stack, fresh = [], iter(range(100, 200))
        for _ in range(length):
            back = int(rng.integers(0, 4))
            entry = next(fresh) if back == 0 or back > len(stack) else stack.pop(-back)
            stack.append(entry)
            made.append(entry)
    return np.array(made).reshape(bags, length)


@pytest.mark.parametrize("dedup", [False, True])
def test_a_stack_restarted_each_bag_is_flagged(dedup):
    bags = _restarted(np.random.default_rng(5), 200, 12)
    checks = _checks([np.unique(bag) for bag in bags] if dedup else bags)
    assert "stack restarted each bag" in _raised(checks)
    assert ("sorted bags" in _raised(checks)) == dedup
    assert checks["stack restarted each bag"].value == 1


def test_one_stack_for_all_bags_is_not_flagged():
    stream = IndexStream(0, ENTRIES, Reuse(0.5, 1, ENTRIES, recency=0.8, window=64), seed=1).draw(3000)
    assert _raised(_checks(stream.reshape(300, 10))) == set()


def test_a_table_with_one_dominant_entry_is_not_called_restarted():
    bags = np.where(np.random.default_rng(6).random((300, 10)) < 0.97, 7, _natural())
    assert _raised(_checks(bags)) == set()
