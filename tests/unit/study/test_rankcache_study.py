import json
from pathlib import Path

import numpy as np
import pytest
from builders import trace_of

from recnmp.config import load_config
from recnmp.errors import ConfigError
from recnmp.report.rankcache_rows import own_point
from recnmp.report.rankcache_study import rankcache_study_lines, write_rankcache_study
from recnmp.simulate import simulate
from recnmp.study.rankcache import Request, rankcache_study
from recnmp.study.rankcache.request import Point, parse_thresholds, parse_ways
from recnmp.study.runs import config_with_trace
from recnmp.trace.storage import save_trace

SMALL = Request(
    sizes=(4096, 65536), ways=(1, "full"), policies=("sieve",), thresholds=("all", 2), poolings=(1, 8)
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("rankcache") / "a.parquet"
    rng = np.random.default_rng(1)
    calls = [(n % 8, [(rng.zipf(1.4, 6) % 1_000_000).tolist() for _ in range(8)]) for n in range(32)]
    save_trace(trace_of([(1_000_000, 32)] * 8, calls, per_batch=8), path)
    return config_with_trace(path, "rank2", ["mlp.kind=none"])


@pytest.fixture(scope="module")
def document(config):
    return rankcache_study(config, SMALL)


def rows(document, **wanted):
    return [row for row in document["points"] if wanted.items() <= row.items()]


def test_every_axis_is_swept_from_the_configuration_s_own_cache(document):
    assert [(row["axis"], row["step"]) for row in document["points"]] == [
        ("none", "arrival, 1"),
        ("none", "arrival, 8"),
        ("none", "table_aware, 1"),
        ("none", "table_aware, 8"),
        *[
            ("size_bytes", step)
            for step in ("arrival order", "table-aware", "table-aware, profiled")
            for _ in range(2)
        ],
        *[("ways", "")] * 2,
        ("policy", ""),
        *[("threshold", "")] * 2,
        *[("poolings", order) for order in ("arrival", "table_aware") for _ in range(2)],
    ]
    assert document["request"]["base"] == vars(Point())
    assert {row["size_bytes"] for row in rows(document, axis="policy")} == {128 << 10}
    assert {row["hit_rate"] for row in rows(document, axis="none")} == {0.0}
    assert own_point(document)["axis"] == "threshold"


def test_a_point_is_what_a_simulation_of_it_says(config, document):
    data = simulate(config.model_copy(update={"trace": config.trace})).to_dict()
    own = own_point(document)
    lookups = document["trace"]["lookups"]
    assert own["hit_rate"] == data["nmp"]["cache_hit_rate"] > 0.3
    batches = data["trace"]["batches"]
    assert own["ns_per_lookup"] * lookups / batches == pytest.approx(data["sls"]["nmp_ns"])
    assert document["host"]["ns_per_lookup"] * lookups / batches == pytest.approx(data["sls"]["host_ns"])
    energy = data["energy"]["recnmp_isca20"]["nmp"]["total_nj_per_lookup"]
    assert own["recnmp_isca20_nj_per_lookup"] == pytest.approx(energy)
    assert own["idd_nj_per_lookup"] == pytest.approx(data["energy"]["idd"]["nmp"]["total_nj_per_lookup"])
    assert document["functional_check"]["status"] == "passed"


def test_time_and_energy_are_told_against_the_same_packets_without_a_cache(document):
    for row in rows(document, axis="poolings"):
        bare = rows(document, axis="none", order=row["order"], poolings=row["poolings"])[0]
        assert row["time_share"] == pytest.approx(row["ns_per_lookup"] / bare["ns_per_lookup"])
        key = "recnmp_isca20_nj_per_lookup"
        assert row["energy_share"] == pytest.approx(row[key] / bare[key])
        assert row["energy_share"] < 1
    small, large = rows(document, axis="size_bytes", step="arrival order")
    assert small["hit_rate"] < large["hit_rate"]
    allowed, twice = rows(document, axis="threshold")
    assert twice["cacheable_share"] < allowed["cacheable_share"] == 1


def test_a_grid_is_every_combination_and_no_process_changes_it(config, tmp_path):
    asked = {"sizes": (4096, 8192), "ways": (2, 4), "policies": ("lru", "fifo"), "grid": True}
    one = rankcache_study(config, Request(**asked))
    assert len(rows(one, axis="grid")) == 8
    assert len({(r["size_bytes"], r["ways"], r["policy"]) for r in rows(one, axis="grid")}) == 8
    few = asked | {"sizes": (4096,), "ways": (2,)}
    alone, together = (rankcache_study(config, Request(**few, processes=n)) for n in (1, 2))
    assert alone["points"] == together["points"]
    write_rankcache_study(one, tmp_path)
    assert "8 KiB 4 fifo arrival all 8" in "\n".join(rankcache_study_lines(one))


def test_a_study_is_told_and_written(document, tmp_path):
    json.dumps(document, allow_nan=False)
    text = "\n".join(rankcache_study_lines(document))
    assert text.startswith("a.parquet: 1,536 lookups of 8 tables, 1 x 1 x 2 ranks of ddr4_2400\n")
    assert "\npoolings of a packet, table-aware" in text
    names = {path.name for path in write_rankcache_study(document, tmp_path)}
    assert names == {"study.json", "points.csv", "points.parquet", "study.svg", "study.png"}
    assert "points" not in json.loads((tmp_path / "study.json").read_text())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"orders": ("tableaware",)}, "did you mean 'table_aware'"),
        ({"policies": ("belady",)}, "belady is not one of arc"),
        ({"policies": ("lur",)}, "did you mean 'lru'"),
    ],
)
def test_what_cannot_be_asked_is_said(asked, message):
    with pytest.raises(ConfigError, match=message):
        Request(**asked)


def test_points_that_are_not_possible_and_architectures_without_caches_are_refused(config):
    with pytest.raises(ConfigError, match="whole sets of 4 ways"):
        rankcache_study(config, Request(sizes=(1000,)))
    for kind in ("axdimm", "host"):
        with pytest.raises(ConfigError, match=f"nmp.kind {kind} has no RankCaches"):
            rankcache_study(load_config(kind), Request())
    assert parse_ways(["4", "full"]) == (4, "full")
    assert parse_thresholds(["all", "3"]) == ("all", 3)
    for text in ("0", "x", "1.5"):
        with pytest.raises(ConfigError, match="a number from 1 on"):
            parse_thresholds([text])


def test_a_trace_that_is_not_there_is_said():
    with pytest.raises(ConfigError, match=r"nothing\.parquet: no such file"):
        config_with_trace(Path("nothing.parquet"), "rank2")
