import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import trace_of

from recnmp.config import load_config
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.library.tier import load_tier
from recnmp.placement.place import place
from recnmp.report.hot_study import hot_study_lines, write_hot_study
from recnmp.study.hot import Request, hot_study
from recnmp.study.hot.profile import counted, drawn_samples, hot_items, universe_of, whole_hot
from recnmp.study.hot.request import parse_budget
from recnmp.study.runs import gather
from recnmp.trace.storage import save_trace
from recnmp.trace.trace import Trace

# a sample is bag i of both calls of a batch: 4 samples, two a batch
CALLS = [(0, [[1, 1], [2]]), (1, [[5], [5]]), (0, [[1], [3]]), (1, [[5], [9]])]
TABLES = [(10, 16), (10, 32)]  # entries of 64 B and 128 B


@pytest.fixture
def small() -> Trace:
    return trace_of(TABLES, CALLS, per_batch=2)


def make_trace(batches: int = 8) -> Trace:
    rng = np.random.default_rng(3)
    calls = []
    for n in range(2 * batches):
        # the second half is about other entries
        moved = 50 * (n >= batches)
        calls.append((n % 2, [((rng.zipf(1.6, 4) + moved) % 400).tolist() for _ in range(16)]))
    return trace_of([(400, 16), (400, 16)], calls, per_batch=2)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hot") / "a.parquet"
    save_trace(make_trace(), path)
    return path


def everything(trace: Trace, profiler: str = "plain"):
    universe = universe_of(trace, profiler)
    return universe, counted(universe, np.ones(universe.samples, np.int64))


def hot_keys(universe, hot) -> list[tuple[int, int]]:
    return list(zip(universe.table[hot].tolist(), universe.entry[hot].tolist(), strict=True))


def test_the_most_read_entries_of_all_tables_share_one_budget(small):
    universe, reads = everything(small)
    # reads: table 0: 1 three times, 2 and 3 once; table 1: 5 three times, 9 once
    assert hot_keys(universe, hot_items(universe, reads, 64, "plain")) == [(0, 1)]
    assert hot_keys(universe, hot_items(universe, reads, 191, "plain")) == [(0, 1)]
    assert hot_keys(universe, hot_items(universe, reads, 192, "plain")) == [(0, 1), (1, 5)]
    assert hot_keys(universe, hot_items(universe, reads, 256, "plain")) == [(0, 1), (0, 2), (1, 5)]


def test_a_sample_is_hot_when_all_its_lookups_are(small):
    universe, reads = everything(small)
    hot = hot_items(universe, reads, 192, "plain")
    assert whole_hot(universe, hot[universe.item]).tolist() == [True, False, True, False]


def test_what_was_never_read_is_hot_for_fae_alone(small):
    universe, _ = everything(small)
    assert not hot_items(universe, np.zeros(5, np.int64), 1 << 20, "plain").any()
    universe, reads = everything(small, "fae")
    assert len(reads) == 20
    assert hot_items(universe, reads, 1 << 20, "fae").all()
    assert universe.total_bytes == 10 * 64 + 10 * 128


def test_a_drawn_profile_counts_as_many_samples_as_asked_for():
    samples = np.arange(1000)
    plain = drawn_samples(samples, 0.05, "plain", seed=1)
    assert (plain.sum(), plain.max()) == (50, 1)
    assert drawn_samples(samples, 1.0, "plain", seed=1).tolist() == [1] * 1000
    drawn = drawn_samples(samples, 1.0, "fae", seed=1)
    assert drawn.sum() == 1000
    assert drawn.max() > 1  # with replacement
    assert (drawn_samples(samples, 0.05, "plain", seed=2) != plain).any()


def test_shares_and_ages_of_a_trace_that_changes_are_counted(file):
    document = hot_study(file, Request(budgets=(1280,), windows=4))
    shares = {row["part"]: row for row in document["shares"] if row["table"] == "all"}
    # profiled on the first half, whose entries the second half does not read
    assert shares["profiled"]["hot_lookup_share"] > 0.7
    assert shares["judged"]["hot_lookup_share"] < 0.2
    by_table = [row for row in document["shares"] if row["table"] != "all" and row["part"] == "judged"]
    assert sum(row["lookups"] for row in by_table) == shares["judged"]["lookups"]
    assert sum(row["hot_lookups"] for row in by_table) == shares["judged"]["hot_lookups"]
    age = {(row["profiled"], row["judged"]): row["hot_lookup_share"] for row in document["ageing"]}
    assert set(age) == {(str(w), j) for w in range(4) for j in range(w, 4)} | {
        ("all before", j) for j in range(1, 4)
    }
    assert age["0", 1] > 0.6 > 0.2 > age["0", 2]
    assert age["2", 3] > age["all before", 3] - 0.2 > 0.2
    assert sum(row["lookups"] for row in document["ageing"] if row["age"] == 0) == 1024


@pytest.mark.parametrize("budget", [1, 1 << 20])
def test_no_entry_is_hot_in_no_memory_and_every_one_read_in_enough(file, budget):
    document = hot_study(file, Request(budgets=(budget,), train=0, windows=0))
    whole = document["shares"][0]
    assert (whole["part"], whole["hot_lookup_share"], whole["hot_sample_share"]) == (
        "whole",
        *[budget > 1] * 2,
    )


def one(document: dict, tier: str, reader: str) -> dict:
    found = [row for row in document["reply"] if (row["tier"], row["reader"]) == (tier, reader)]
    assert len(found) == 1
    return found[0]


def test_the_memory_system_replies_for_what_a_tier_leaves_to_it(file):
    config = load_config("rank2")
    request = Request(budgets=(2560,), train=0, windows=0, tiers=("near_cache", "hbm2_stack"), replicate=True)
    document = hot_study(file, request, config)
    trace = make_trace()
    universe, reads = everything(trace)
    hit = hot_items(universe, reads, 2560, "plain")[universe.item]
    cold = Trace(trace.table[~hit], trace.bag[~hit], trace.entry[~hit], None, trace.tables, trace.calls)
    placed = place(cold, config.memory, load_standard("ddr4_2400"), config.placement)
    for reader in ("host", "recnmp"):
        base, near, stack = (one(document, tier, reader) for tier in ("none", "near_cache", "hbm2_stack"))
        assert (base["time_share"], base["recnmp_isca20_energy_share"]) == (1, 1)
        rest = gather(cold, placed, config, reader)
        for row in (near, stack):
            assert row["moved_lookups"] == hit.sum()
            assert row["rest_ns"] == rest.ns < base["rest_ns"]
            assert row["overlapped_ns"] == max(row["rest_ns"], row["tier_ns"])
            assert row["serial_ns"] == row["rest_ns"] + row["tier_ns"]
        facts = load_tier("near_cache")
        ns = 8 * facts.latency_ns.value + 64 * hit.sum() / facts.gb_per_s.value
        assert near["tier_ns"] == pytest.approx(ns)
        pj = 512 * hit.sum() * facts.read_pj_per_bit.value
        assert near["tier_nj_per_lookup"] == pytest.approx(pj / 1e3 / 1024)
        # no faster than its channels' buses: 16 of 16 GB/s
        assert stack["tier_ns"] > 64 * hit.sum() / 256
        assert stack["idd_energy_share"] < 1
    copies = one(document, "copies", "recnmp")
    assert copies["moved_lookups"] == hit.sum()
    assert copies["rest_ns"] != one(document, "none", "recnmp")["rest_ns"]


def test_a_gpu_takes_whole_samples_and_a_tier_that_is_too_small_nothing(file, tmp_path):
    facts = Path(__file__).parents[3] / "recnmp/library/tiers/near_cache.yaml"
    (tmp_path / "tiny.yaml").write_text(facts.read_text().replace("value: 1048576", "value: 640"))
    request = Request(budgets=(2560,), train=0, windows=0, tiers=("gpu_a100", str(tmp_path / "tiny.yaml")))
    document = hot_study(file, request, load_config("host"))
    row = one(document, "gpu_a100", "host")
    whole = document["shares"][0]["hot_samples"]
    assert row["moved_lookups"] == 8 * whole > 0
    assert row["recnmp_isca20_energy_share"] is None
    assert {row["tier"] for row in document["reply"]} == {"none", "gpu_a100"}


def test_a_study_is_told_and_written_with_its_origin(file, tmp_path):
    request = Request(budgets=(0.05, 2560), windows=3, tiers=("near_cache",), replicate=True)
    document = hot_study(file, request, load_config("rank2"))
    json.dumps(document, allow_nan=False)
    text = "\n".join(hot_study_lines(document))
    assert "1,024 lookups, 128 samples, 2 tables of 50 KiB" in text
    assert "copies in every rank  recnmp" in text
    names = {path.name for path in write_hot_study(document, tmp_path / "out")}
    assert names == {"study.json", "study.svg", "study.png"} | {
        f"{table}.{suffix}" for table in ("shares", "ageing", "reply") for suffix in ("csv", "parquet")
    }
    table = pq.read_table(tmp_path / "out" / "reply.parquet")
    assert table.num_rows == len(document["reply"]) == 2 * 5
    assert json.loads(table.schema.metadata[b"recnmp.table"])["trace"] == document["trace"]
    again = hot_study(file, request, load_config("rank2"))
    assert [again[key] for key in ("shares", "ageing", "reply")] == [
        document[key] for key in ("shares", "ageing", "reply")
    ]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sample": 0}, "sample is a share above 0"),
        ({"train": 1}, "train is a share from 0 to below 1"),
        ({"windows": 1}, "windows are at least 2"),
        ({"profiler": "fea"}, "did you mean 'fae'"),
        ({"tiers": ("hbm2_stac",)}, "did you mean 'hbm2_stack'"),
    ],
)
def test_what_cannot_be_asked_is_said(asked, message):
    with pytest.raises(ConfigError, match=message):
        Request(**asked)


def test_budgets_are_sizes_or_shares():
    assert parse_budget("1 MiB") == 1 << 20
    assert parse_budget("0.5%") == 0.005
    assert Request(budgets=(0.5, 64)).bytes_of(1000) == [500, 64]
    for text in ("0%", "101%", "x%", "half"):
        with pytest.raises(ConfigError):
            parse_budget(text)
