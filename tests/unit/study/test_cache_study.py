import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import trace_of
from reference import cache_policies as twins
from reference.lru import lru_hits

from recnmp.cache.policy import policy_names
from recnmp.config import load_config
from recnmp.errors import ConfigError
from recnmp.report.cache_figure import plot_cache_study
from recnmp.report.cache_study import write_cache_study
from recnmp.report.tidy import METADATA_KEY, write_tidy
from recnmp.study.cache import Request, cache_study
from recnmp.study.cache.accesses import TraceAccesses
from recnmp.study.cache.request import parse_ways
from recnmp.trace.storage import save_trace
from recnmp.trace.trace import Trace

TABLES = [(400, 32), (60, 32), (3000, 32)]  # entries of 128 B


def make_trace(batches: int = 8, bags: int = 12) -> Trace:
    """Zipf lookups of three tables, table by table in each batch."""
    rng = np.random.default_rng(4)
    calls = []
    for n in range(3 * batches):
        entries = TABLES[n % 3][0]
        calls.append((n % 3, [(rng.zipf(1.3, rng.integers(1, 9)) % entries).tolist() for _ in range(bags)]))
    return trace_of(TABLES, calls, per_batch=3)


@pytest.fixture(scope="module")
def trace() -> Trace:
    return make_trace()


@pytest.fixture(scope="module")
def file(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "a.parquet"
    save_trace(trace, path)
    return path


def keys(trace: Trace) -> list[tuple[int, int]]:
    return list(zip(trace.table.tolist(), trace.entry.tolist(), strict=True))


def judged(trace: Trace) -> int:
    """First lookup of the second half of the batches."""
    batch = trace.bag_batch[trace.bag]
    return int(np.searchsorted(batch, trace.batches // 2))


def rows(document: dict, **wanted: object) -> list[dict]:
    where = "grid" if "policy" in wanted else "curves"
    return [row for row in document[where] if all(row[key] == value for key, value in wanted.items())]


def one(document: dict, **wanted: object) -> dict:
    (row,) = rows(document, **{"table": "all", "cache": "all"} | wanted)
    return row


def test_curves_are_those_of_a_textbook_cache(trace, file):
    document = cache_study(file, Request(policies=("lru",), sizes=(128 * 50,)))
    stream, first = keys(trace), judged(trace)
    for row in rows(document, cache="shared", table="all", start="cold"):
        assert row["lookups"] - row["misses"] == lru_hits(stream, row["entries"])
    assert one(document, cache="shared", start="cold", entries=50)["bytes"] == 128 * 50
    for row in rows(document, cache="shared", table="all", start="warm")[::5]:
        assert row["lookups"] == len(stream) - first
        assert row["lookups"] - row["misses"] == sum(twins.lru(stream, row["entries"])[first:])
    for t in range(3):
        own = [entry for table, entry in stream if table == t]
        for row in rows(document, cache="own", table=f"table{t}"):
            assert row["lookups"] - row["misses"] == lru_hits(own, row["entries"])
        row = one(document, cache="shared", start="cold", table=f"table{t}", entries=50)
        mine = np.array([table == t for table, _ in stream])
        assert row["lookups"] - row["misses"] == np.array(twins.lru(stream, 50))[mine].sum()


def test_a_fully_associative_point_lies_on_the_exact_curve(file):
    document = cache_study(file, Request(policies=("lru",), sizes=(128 * 10, 128 * 100), train=0.0))
    for size in (10, 100):
        point = one(document, policy="lru", size_bytes=128 * size)
        curve = one(document, cache="shared", start="cold", entries=size)
        assert point["hits"] == curve["lookups"] - curve["misses"]
        assert point["first_reads"] == rows(document, cache="shared", table="all")[-1]["misses"]
    assert {row["start"] for row in document["grid"] + document["curves"]} == {"cold"}


def test_cold_caches_start_empty_and_warm_ones_have_read_the_rest(trace, file):
    document = cache_study(file, Request(policies=("fifo", "pinned"), sizes=(128 * 40,)))
    numbered = {key: n for n, key in enumerate(sorted(set(keys(trace))))}
    stream, first = [numbered[key] for key in keys(trace)], judged(trace)
    profile = np.bincount(stream[:first], minlength=len(numbered))
    told = {"fifo": {}, "pinned": {"profile": dict(enumerate(profile.tolist()))}}
    for name, more in told.items():
        cold = getattr(twins, name)(stream[first:], 40, **more)
        warm = getattr(twins, name)(stream, 40, **more)[first:]
        assert one(document, policy=name, start="cold")["hits"] == sum(cold)
        assert one(document, policy=name, start="warm")["hits"] == sum(warm)
        mine = trace.table[first:] == 1
        of_table = one(document, policy=name, start="warm", table="table1")
        assert (of_table["hits"], of_table["accesses"]) == (np.array(warm)[mine].sum(), mine.sum())


def test_a_profile_does_not_see_what_it_is_judged_by(trace, file, tmp_path):
    first = judged(trace)
    entry = trace.entry.copy()
    entry[first:] = (entry[first:] + 30) % 60  # other entries are hot later
    save_trace(dataclasses.replace(trace, entry=entry), tmp_path / "b.parquet")
    request = Request(policies=("pinned", "locality_bit"), sizes=(128 * 30,))
    before, after = cache_study(file, request), cache_study(tmp_path / "b.parquet", request)
    tuned = [rows(document, policy="locality_bit")[0]["options"] for document in (before, after)]
    assert tuned[0] == tuned[1]
    assert (
        one(after, policy="pinned", start="warm")["hits"] < one(before, policy="pinned", start="warm")["hits"]
    )


def test_a_threshold_is_chosen_where_it_hits_most_before_it_is_judged(trace, file):
    document = cache_study(file, Request(policies=("locality_bit",), sizes=(128 * 20,)))
    first, batch = judged(trace), trace.bag_batch[trace.bag].tolist()
    stream = keys(trace)
    found = {
        t: sum(twins.locality_bit(stream[:first], 20, batch[:first], t))
        for t in (1, 2, 3, 4, 6, 8, 12, 16, 24)
    }
    best = max(found, key=lambda t: (found[t], -t))
    row = one(document, policy="locality_bit", start="warm")
    assert (row["options"], row["tuned"]) == (f"threshold={best}", True)
    assert row["hits"] == sum(twins.locality_bit(stream, 20, batch, best)[first:])
    told = cache_study(file, Request(policies=("locality_bit:threshold=9",), sizes=(128 * 20,)))
    assert rows(told, policy="locality_bit")[0]["options"] == "threshold=9"


def test_queries_are_looked_up_sample_by_sample(trace, file):
    document = cache_study(file, Request(policies=("aggregate_hit",), sizes=(128 * 60,), train=0.0))
    batch = trace.bag_batch[trace.bag]
    sample = batch * 12 + trace.bag % 12  # 12 bags a call
    order = np.argsort(sample, kind="stable")
    stream = [keys(trace)[n] for n in order]
    hit = np.array(twins.aggregate_hit(stream, 60, sample[order].tolist()))
    row = one(document, policy="aggregate_hit")
    assert row["hits"] == hit.sum()
    whole = [hit[sample[order] == s].all() for s in np.unique(sample)]
    assert (row["samples"], row["whole_samples"]) == (len(whole), sum(whole))


def test_lines_of_64_bytes_are_two_accesses_to_an_entry_of_128(file):
    document = cache_study(file, Request(policies=("lru",), sizes=(6400,), lines=("entry", "64"), train=0.0))
    entries, lines = one(document, policy="lru", line="entry"), one(document, policy="lru", line="64")
    assert lines["accesses"] == 2 * entries["accesses"]
    assert lines["ways"] == 2 * entries["ways"] == 100
    assert lines["hits"] == 2 * entries["hits"]


def test_small_entries_share_a_line(tmp_path):
    save_trace(trace_of([(64, 4)], [(0, [list(range(64))])]), tmp_path / "a.parquet")  # entries of 16 B
    document = cache_study(tmp_path / "a.parquet", Request(("lru",), (64,), lines=("64",), train=0.0))
    row = one(document, policy="lru")
    assert (row["accesses"], row["hits"], row["first_reads"]) == (64, 48, 16)


def test_a_cache_of_its_own_for_each_table_meets_no_other(trace, file):
    document = cache_study(file, Request(("lru",), (128 * 20,), scopes=("table",), train=0.0))
    for t in range(3):
        own = [entry for table, entry in keys(trace) if table == t]
        row = one(document, policy="lru", table=f"table{t}")
        assert row["hits"] == lru_hits(own, 20)
        assert one(document, policy="lru", cache=str(t))["hits"] == row["hits"]


@pytest.mark.parametrize("scope", ["llc", "dimm", "rank"])
def test_placed_caches_are_looked_up_by_where_the_tables_lie(trace, file, scope):
    config = load_config("rank8")
    request = Request(("lru",), (64 * 4 * 8,), (4,), ("64",), (scope,), train=0.0)
    document = cache_study(file, request, config)
    accesses = TraceAccesses(trace, config).of(scope, "64")
    sets, hits = 8, 0
    for cache in range(accesses.caches):
        for s in range(sets):
            at = accesses.index[accesses.item] % sets
            mine = (accesses.cache[accesses.item] == cache) & (at == s)
            hits += sum(twins.lru(accesses.item[mine].tolist(), 4))
    row = one(document, policy="lru")
    assert row["hits"] == hits
    assert row["caches"] == {"llc": 1, "dimm": 4, "rank": 8}[scope]
    if scope != "llc":
        assert sum(one(document, policy="lru", cache=str(c))["hits"] for c in range(row["caches"])) == hits


def test_the_rank_caches_of_a_simulation_hit_alike():
    from recnmp.simulate import simulate

    config = load_config("rank8", ["mlp.kind=none", "functional_check=off"])
    document = cache_study(
        config.trace.file, Request(("lru",), (128 << 10,), (4,), ("64",), ("rank",), 0.0), config
    )
    hits = one(document, policy="lru")
    assert simulate(config).nmp["cache_hit_rate"] == pytest.approx(hits["hit_share"], abs=1e-12)


def test_the_host_s_cache_of_a_simulation_hits_alike():
    from recnmp.simulate import simulate

    overrides = ["mlp.kind=none", "functional_check=off", "nmp.kind=host", "cache.rank=null"]
    config = load_config("rank8", [*overrides, "cache.llc.size_bytes=1048576"])
    document = cache_study(
        config.trace.file, Request(("lru",), (1 << 20,), (4,), ("64",), ("llc",), 0.0), config
    )
    hits = one(document, policy="lru")
    assert simulate(config).memory["host"]["llc_hit_rate"] == pytest.approx(hits["hit_share"], abs=1e-12)


def test_a_sampled_curve_is_near_the_exact_one_and_says_how_near(tmp_path):
    rng = np.random.default_rng(2)
    n, entries = 150_000, 40_000
    popular = np.arange(1, entries + 1) ** -0.8
    entry = np.searchsorted(np.cumsum(popular) / popular.sum(), rng.random(n))
    save_trace(trace_of([(entries + 1, 16)], [(0, [entry.tolist()])]), tmp_path / "a.parquet")
    exact = cache_study(tmp_path / "a.parquet", Request(("lru",), (64,), train=0.0))
    sampled = cache_study(tmp_path / "a.parquet", Request(("lru",), (64,), train=0.0, sampled=0.2))
    assert sampled["grid"] == []
    at = {row["entries"]: row["miss_ratio"] for row in rows(exact, cache="shared", table="all")}
    points = [row for row in rows(sampled, cache="shared", table="all") if row["entries"] in at]
    assert len(points) > 20
    for row in points:
        assert row["method"] == "sampled"
        assert abs(row["miss_ratio"] - at[row["entries"]]) < 0.04
        assert 0 < row["standard_error"] < 0.03
    near = [abs(row["miss_ratio"] - at[row["entries"]]) <= 3 * row["standard_error"] for row in points]
    assert np.mean(near) > 0.8
    again = cache_study(tmp_path / "a.parquet", Request(("lru",), (64,), train=0.0, sampled=0.2))
    other = cache_study(tmp_path / "a.parquet", Request(("lru",), (64,), train=0.0, sampled=0.2, seed=2))
    assert again["curves"] == sampled["curves"] != other["curves"]


def test_all_policies_run_where_none_is_named(file):
    request = Request(sizes=(6400,))
    assert [name for name, _ in request.chosen()] == policy_names()
    document = cache_study(file, request)
    assert {row["policy"] for row in document["grid"]} == set(policy_names())
    bound = one(document, policy="belady_bypass", start="cold")["hits"]
    for name in set(policy_names()) - {"aggregate_hit"}:  # which sees another order
        assert one(document, policy=name, start="cold")["hits"] <= bound
    without = Request(sizes=(6400,), ways=(4,), train=0.0)
    left = {row["policy"] for row in cache_study(file, without)["grid"]}
    assert left == set(policy_names()) - {"pinned", "aggregate_hit"}


def test_files_hold_what_the_document_says_and_are_the_same_twice(file, tmp_path):
    document = cache_study(file, Request(("lru", "sieve", "s3fifo:small_share=0.2"), (3200, 6400), (None, 4)))
    names = [
        "study.json",
        "curves.csv",
        "curves.parquet",
        "grid.csv",
        "grid.parquet",
        "study.svg",
        "study.png",
    ]
    assert [path.name for path in write_cache_study(document, tmp_path / "a")] == names
    plot_cache_study(document, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "a" / "study.svg").read_bytes()
    for table in ("curves", "grid"):
        origin = {"of": table}
        again = write_tidy(document[table], tmp_path / table, origin)
        once = [path.read_bytes() for path in again]
        assert [path.read_bytes() for path in write_tidy(document[table], tmp_path / table, origin)] == once
    for table in ("curves", "grid"):
        stored = pq.read_table(tmp_path / "a" / f"{table}.parquet")
        assert stored.to_pylist() == document[table]
        origin = json.loads(stored.schema.metadata[METADATA_KEY.encode()])
        assert origin["trace"]["digest"] == document["trace"]["digest"]
        lines = (tmp_path / "a" / f"{table}.csv").read_text().splitlines()
        assert len(lines) == 1 + len(document[table])
        assert lines[0].split(",") == list(document[table][0])
    told = json.loads((tmp_path / "a" / "study.json").read_text())
    assert told["request"]["sizes_bytes"] == [3200, 6400]
    assert told["provenance"]["trace_digest"] == told["trace"]["digest"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"scopes": ("rnk",)},
            "scope 'rnk' is not one of trace, table, llc, dimm, rank; did you mean 'rank'",
        ),
        ({"lines": ("128",)}, "line '128' is not one of entry, 64"),
        ({"train": 1.0}, "train is a share from 0 to below 1"),
        ({"sampled": 0.0}, "sampled is a share above 0"),
        ({"sizes": (0,)}, "at least one byte"),
        ({"policies": ("belday",)}, "did you mean 'belady'"),
        ({"policies": ("pinned",), "train": 0.0}, "policy pinned needs a profile: train is 0"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Request(**changes)


def test_ways_are_numbers_or_full():
    assert parse_ways(["4", "full"]) == (4, None)
    for text in ("0", "-1", "four", ""):
        with pytest.raises(ConfigError, match="ways are a number from 1 on, or full"):
            parse_ways([text])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (100,)}, "a cache of 100 B holds 0 items of 128 B"),
        ({"sizes": (128 * 3,), "ways": (4,)}, "holds 3 items of 128 B, not a set of 4 ways"),
        ({"policies": ("aggregate_hit",), "ways": (4,)}, "fully associative and for one cache only"),
        ({"scopes": ("rank",)}, "need a configuration"),
        ({"train": 0.01}, "the trace has 8 batches, train 0.01 leaves one part empty"),
    ],
)
def test_a_request_that_does_not_suit_the_trace_is_refused(file, changes, message):
    with pytest.raises(ConfigError, match=message):
        cache_study(file, Request(**{"policies": ("lru",), "sizes": (6400,)} | changes))


def test_own_caches_of_entries_need_entries_of_one_size(tmp_path):
    save_trace(trace_of([(9, 16), (9, 32)], [(0, [[1, 2]]), (1, [[3]])]), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"entries of 64, 128 B .* choose line 64"):
        cache_study(tmp_path / "a.parquet", Request(("lru",), (640,), scopes=("table",), train=0.0))
    document = cache_study(
        tmp_path / "a.parquet", Request(("lru",), (640,), (None,), ("64",), ("table",), 0.0)
    )
    assert one(document, policy="lru")["accesses"] == 4
