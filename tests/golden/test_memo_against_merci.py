"""Accesses of MERCI's own program, recorded with PaToH, greedy, frequency and random partitions.

Needs a folder named by RECNMP_GOLDEN_MERCI: ``access_counts.csv`` and ``io/`` with bags, partitions and targets.
"""

import csv
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from recnmp.study.memo.bags import training_bags
from recnmp.study.memo.layout import memo_tables, rewrite
from recnmp.study.memo.merging import cut, find_merges
from recnmp.study.memo.partition import greedy_parts, read_parts
from recnmp.study.memo.request import Request
from recnmp.study.memo.source import read_both

FOLDER = Path(os.environ.get("RECNMP_GOLDEN_MERCI", ""))
PARTS = {"lastfm": 8, "hepph": 28}

pytestmark = pytest.mark.external("RECNMP_GOLDEN_MERCI")


def rows(dataset: str) -> list[dict[str, str]]:
    with (FOLDER / "access_counts.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["dataset"] == dataset]


def read(name: str):
    of = FOLDER / "io" / f"{name}_train_filtered.txt.gz"
    return read_both(FOLDER / "io" / f"{name}_test_filtered.txt.gz", Request(train=of), None)


def measured(train, test, part, targets):
    """Accesses, memory and sizes of clusters for each target."""
    bags = training_bags(train, (0,))
    part = part(bags)
    entries = test.tables[0].entries
    merges = find_merges(bags, part, np.full(bags.items, 256), 20 * entries * 256)
    for count in cut(merges, entries * 256, targets):
        memo = memo_tables(test, (0,), bags, merges.clusters(count, bags.items))
        yield (
            rewrite(test, memo).lookups,
            memo[0].entries / entries,
            Counter(memo[0].size[memo[0].size > 1].tolist()),
        )


@pytest.mark.parametrize("partition", ["", "_greedy", "_freq", "_rnd"])
@pytest.mark.parametrize("dataset", list(PARTS))
def test_with_its_partition_every_count_is_the_program_s(dataset, partition):
    train, test = read(dataset)
    file = FOLDER / "io" / f"{dataset}{partition}_train_filtered.txt.part.{PARTS[dataset]}.gz"
    wanted = rows(dataset + partition)
    targets = [float(row["target_total_mem_ratio"]) for row in wanted]
    assert len(targets) == 7
    assert test.lookups == int(wanted[0]["base_accesses"])
    made = measured(train, test, lambda bags: read_parts(file, bags, test.tables[0].entries), targets)
    for (accesses, memory, sizes), row in zip(made, wanted, strict=True):
        assert accesses == int(row["merci_accesses"])
        assert round(memory, 4) == float(row["actual_total_mem_ratio"])
        assert (
            " ".join(f"{size}:{sizes[size]}" for size in sorted(sizes))
            == row["cluster_size_hist(size:count)"]
        )


@pytest.mark.parametrize("dataset", list(PARTS))
def test_our_partition_is_no_more_than_2_percent_behind_patoh(dataset, capsys):
    train, test = read(dataset)
    patoh = {float(row["target_total_mem_ratio"]): int(row["merci_accesses"]) for row in rows(dataset)}
    targets = sorted(patoh)
    made = measured(
        train, test, lambda bags: greedy_parts(bags, np.arange(bags.items), -(-bags.items // 128)), targets
    )
    found = {target: (accesses, memory) for target, (accesses, memory, _) in zip(targets, made, strict=True)}
    for target in (2.0, 9.0):
        accesses, memory = found[target]
        with capsys.disabled():
            sys.stdout.write(
                f"\n{dataset} {target:g}x: {accesses:,} at {memory:.3f}x, PaToH {patoh[target]:,}\n"
            )
        assert accesses <= 1.02 * patoh[target]


@pytest.mark.parametrize("dataset", list(PARTS))
def test_the_greedy_rule_gives_the_recorded_parts(dataset):
    train, test = read(dataset)
    bags = training_bags(train, (0,))
    file = FOLDER / "io" / f"{dataset}_greedy_train_filtered.txt.part.{PARTS[dataset]}.gz"
    recorded = read_parts(file, bags, test.tables[0].entries)
    assert np.array_equal(greedy_parts(bags, np.arange(bags.items), PARTS[dataset]), recorded)
