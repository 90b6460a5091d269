"""Parts of items: grown greedily, cut by pymetis, read from a file."""

import sys

import numpy as np
import pytest
from builders import trace_of

from recnmp.errors import ConfigError
from recnmp.study.memo.bags import TrainingBags, training_bags
from recnmp.study.memo.partition import LONGEST_BAG, greedy_parts, partition, read_parts

THEMES = [list(range(8 * t, 8 * t + 8)) for t in range(6)]


def themed(tables: int = 1) -> TrainingBags:
    """Bags of entries that belong together, of one or more tables."""
    rng = np.random.default_rng(2)
    calls = [
        (
            t,
            [
                rng.choice(THEMES[rng.integers(6)], rng.integers(2, 6), replace=False).tolist()
                for _ in range(80)
            ],
        )
        for t in range(tables)
    ]
    return training_bags(trace_of([(48, 4)] * tables, calls), tuple(range(tables)))


def grown(bags: list[tuple[int, list[int]]], items: int, parts: int) -> list[int]:
    """The greedy rule as it reads, with lists."""
    heat = [sum(weight for weight, bag in bags if i in bag) for i in range(items)]
    free, part = set(range(items)), [-1] * items
    for p in range(parts):
        members: list[int] = []
        for _ in range(min(-(-items // parts), len(free))):
            shared = {i: sum(w * sum(m in bag for m in members) for w, bag in bags if i in bag) for i in free}
            chosen = min(free, key=lambda i: (-shared[i], i))
            if not shared[chosen]:
                chosen = min(free, key=lambda i: (-heat[i], i))
            members.append(chosen)
            free.remove(chosen)
            part[chosen] = p
    return part


@pytest.mark.parametrize("seed", range(8))
def test_greedy_parts_are_those_of_the_rule(seed):
    rng = np.random.default_rng(seed)
    lists = [sorted(rng.choice(20, rng.integers(1, 6), replace=False).tolist()) for _ in range(30)]
    bags = training_bags(trace_of([(20, 4)], [(0, lists)]), (0,))
    dense = {entry: item for item, entry in enumerate(bags.entry.tolist())}
    plain = [(1, [dense[i] for i in bag]) for bag in lists]
    made = greedy_parts(bags, np.arange(bags.items), 4)
    assert made.tolist() == grown(plain, bags.items, 4)


@pytest.mark.parametrize("method", ["greedy", "metis"])
def test_what_belongs_together_comes_into_one_part(method):
    if method == "metis":
        pytest.importorskip("pymetis", reason="METIS is not installed: pip install '.[metis]'")
    part = partition(themed(), method, 8)
    assert [len(set(part[theme].tolist())) for theme in THEMES] == [1] * 6


def test_no_part_is_of_two_tables():
    bags = themed(tables=2)
    part = partition(bags, "greedy", 8)
    assert not set(part[bags.table == 0].tolist()) & set(part[bags.table == 1].tolist())
    assert np.bincount(part).max() <= 8


def test_very_long_bags_say_nothing():
    long = list(range(LONGEST_BAG + 1))
    calls = [(0, [long] * 9 + [[0, LONGEST_BAG]])]
    bags = training_bags(trace_of([(LONGEST_BAG + 1, 4)], calls), (0,))
    part = greedy_parts(bags, np.arange(bags.items), 2)
    assert part[0] == part[LONGEST_BAG]


def test_without_pymetis_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymetis", None)
    with pytest.raises(ConfigError, match=r"partition metis needs pymetis: pip install 'recnmp\[metis\]'"):
        partition(themed(), "metis", 8)


def test_a_file_has_a_part_for_each_entry_and_none_beyond_its_end(tmp_path):
    bags = training_bags(trace_of([(9, 4)], [(0, [[1, 4], [2, 6, 8]])]), (0,))
    (tmp_path / "parts.txt").write_text("0 0 1\n-1 0 0 3")
    assert read_parts(tmp_path / "parts.txt", bags, 9).tolist() == [0, 1, 0, 3, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 a", "a partition is whole numbers parted by spaces"),
        ("0 -2", "2 numbers from -2 on, 9 entries; parts are -1 or more"),
        ("0 " * 10, "10 numbers from 0 on, 9 entries"),
        ("9" * 30, "a partition is whole numbers"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(tmp_path, text, message):
    (tmp_path / "parts.txt").write_text(text)
    bags = training_bags(trace_of([(9, 4)], [(0, [[1, 4]])]), (0,))
    with pytest.raises(ConfigError, match=message):
        read_parts(tmp_path / "parts.txt", bags, 9)


def test_a_file_for_several_tables_is_refused(tmp_path):
    (tmp_path / "parts.txt").write_text("0 0")
    with pytest.raises(ConfigError, match="parts the entries of one table, but several are memoised"):
        read_parts(tmp_path / "parts.txt", themed(tables=2), 48)
