"""Queries served by host and near memory: what goes in, what a result says."""

from dataclasses import replace

import numpy as np
import pytest
from reference.traffic import JITTED

from recnmp.config import load_config
from recnmp.config.schema import ArrivalConfig
from recnmp.config.serving import ServingConfig
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.device import PartTiming
from recnmp.library.machine import Machine
from recnmp.mlp.timing import MlpTiming
from recnmp.resolve import resolve
from recnmp.serving.end_to_end import EndToEnd
from recnmp.serving.graph import model_graph
from recnmp.serving.load import draw_load, split
from recnmp.serving.queueing import Server
from recnmp.serving.section import check_serving
from recnmp.serving.served import Served
from recnmp.simulate import simulate

DENSE = {"bottom_mlp": 30.0, "interaction": 10.0, "top_mlp": 60.0}
PROFILE = ["mlp.kind=profile", "mlp.device=xeon_2core_shared_2026"]
SMALL = ["trace.batches=1", "functional_check=off"]


def timing(samples: int) -> MlpTiming:
    """A dense part whose time is 20 at once and the rest in proportion to the batch of 8."""
    return MlpTiming(
        model="small",
        batch_size=samples,
        parts={
            name: PartTiming(median_ns=ns * (0.2 + 0.1 * samples), iqr_ns=0.0, min_ns=1.0, repeats=3)
            for name, ns in DENSE.items()
        },
        method="profile",
        backend="fingers",
        threads=1,
        machine=Machine(cpu_model="Abacus", cores=1, system="Wood"),
        cpu_share=1.0,
    )


def served(threads: int = 1, tables: str = "shared", near: float | None = 100.0, **serving: object) -> Served:
    batch = EndToEnd(timing(8), 900.0, near, lookups=800.0)
    arrival = ArrivalConfig(threads=threads, order="round_robin" if threads > 1 else "batched", tables=tables)
    return Served(batch, timing, ServingConfig(queries=500, **serving), arrival)


@pytest.mark.parametrize(
    ("samples", "most", "sizes"),
    [(165, 64, [64, 64, 37]), (128, 64, [64, 64]), (3, 64, [3])],
)
def test_a_query_is_split_into_full_batches_and_what_is_left(samples, most, sizes):
    first, found = split(np.array([samples, samples]), most)
    assert found.tolist() == sizes * 2
    assert first.tolist() == [0, len(sizes)]


@pytest.mark.parametrize("overlap", ["bottom_mlp", "none"])
@pytest.mark.parametrize("side", ["host", "nmp"])
def test_one_batch_alone_takes_what_end_to_end_says(side, overlap):
    batch = replace(served().batch, overlap=overlap)
    one = replace(served(query_samples=8), batch=batch)
    expected = batch.host_ns if side == "host" else batch.nmp_ns
    assert one.server(side).alone_ns(8, 8) == pytest.approx(expected)
    graph = one.graph(side)
    assert graph.critical_path_ns(one.times(graph, side, 8)) == pytest.approx(expected)


def test_transfers_to_a_gpu_meet_as_end_to_end_says():
    parts = {"h2d_features": 5.0, "bottom_mlp": 30.0, "h2d_pooled": 7.0, "top_mlp": 60.0}
    mlp = replace(
        timing(8),
        parts={n: PartTiming(median_ns=t, iqr_ns=0, min_ns=t, repeats=3) for n, t in parts.items()},
        device_kind="cuda",
    )
    for near in (10.0, 100.0):
        batch = EndToEnd(mlp, 900.0, near)
        one = replace(served(), batch=batch, dense_at=lambda n: mlp)
        assert one.server("nmp").alone_ns(8, 8) == pytest.approx(batch.nmp_ns)
        assert one.server("host").alone_ns(8, 8) == pytest.approx(batch.host_ns)


def test_a_gather_is_in_proportion_to_samples_and_the_dense_part_as_it_was_measured():
    one = served()
    graph = one.graph("nmp")
    assert one.times(graph, "nmp", 4) == pytest.approx((18.0, 50.0, 6.0, 36.0))
    assert dict(zip(graph.names, one.times(graph, "perfect", 4), strict=True))["sls"] == 0.0


def test_pieces_hide_the_dense_part_behind_the_gather():
    whole, halves = (served(near=400.0, batch_pieces=n).server("nmp").alone_ns(8, 8) for n in (1, 2))
    # of a piece of 4: 18 beside 200 of gather, 42 after it; the second gather ends at 400
    assert whole == pytest.approx(470.0)
    assert halves == pytest.approx(442.0)
    assert served(near=400.0, batch_pieces=2).server("host").alone_ns(8, 8) == pytest.approx(1000.0)


def test_a_batch_smaller_than_its_pieces_still_ends():
    one = served(batch_pieces=4)
    assert one.server("nmp").alone_ns(1, 8) == pytest.approx(served().server("nmp").alone_ns(1, 8))


def test_splitting_a_query_over_threads_shortens_it_until_memory_is_the_limit():
    alone = [served(threads=n, query_samples=32).server("host").alone_ns(32, 8) for n in (1, 4)]
    assert alone[0] == pytest.approx(4 * 1000.0)
    # four gathers one after the other, the first after its bottom MLP, the last before its top
    assert alone[1] == pytest.approx(30.0 + 4 * 900.0 + 70.0)


def test_co_located_models_have_threads_of_their_own():
    one = served(threads=4, tables="separate", query_samples=32)
    assert one.models == 4
    assert set(one.load.model.tolist()) == {0, 1, 2, 3}
    # a query's batches wait for the one thread of their model
    assert one.server("host").alone_ns(32, 8) == pytest.approx(4 * 1000.0)


def test_measured_interference_slows_the_host_alone():
    one = served(threads=2, query_samples=8)
    slowed = replace(one, dense_at=lambda n: replace(timing(n), host_slowdown={"top_mlp": 1.5}))
    assert slowed.server("host").alone_ns(8, 8) - one.server("host").alone_ns(8, 8) == pytest.approx(30.0)
    assert slowed.server("nmp").alone_ns(8, 8) == one.server("nmp").alone_ns(8, 8)


def test_all_rates_stand_in_queries_samples_and_lookups():
    found = served(query_samples=16, p95_ms=0.02).to_dict()
    for side in ("host", "nmp"):
        for rates in (found[side]["throughput"], found[side]["within_p95"], *found[side]["at"]):
            assert rates["samples_per_s"] == pytest.approx(16 * rates["queries_per_s"])
            assert rates["lookups_per_s"] == pytest.approx(100 * rates["samples_per_s"])
    assert found["host"]["throughput"]["queries_per_s"] == pytest.approx(1e9 / 2000)
    assert found["nmp"]["throughput"]["queries_per_s"] == pytest.approx(1e9 / 340)
    assert found["throughput_without_sls"]["queries_per_s"] == pytest.approx(1e9 / 200)
    assert found["speedup_over_host"]["throughput"] == pytest.approx(2000 / 340)


def test_latency_grows_with_load_and_is_none_beyond_the_throughput():
    found = served(query_samples=8, queries_per_s=[1e5, 9e5, 2e6]).to_dict()["host"]["at"]
    light, heavy, beyond = (one["latency"] for one in found)
    assert light["mean_ns"] < heavy["mean_ns"]
    assert light["p50_ns"] <= light["p95_ns"] <= light["p99_ns"]
    assert beyond is None


def test_a_target_that_no_query_meets_allows_none():
    found = served(query_samples=8, p95_ms=0.0005).to_dict()
    assert found["host"]["within_p95"]["queries_per_s"] == 0.0
    assert found["nmp"]["within_p95"]["queries_per_s"] > 0.0
    assert found["speedup_over_host"]["within_p95"] is None


def test_without_near_memory_its_figures_are_none():
    found = served(near=None, query_samples=8).to_dict()
    assert found["nmp"] is found["speedup_over_host"] is None
    assert found["throughput_without_sls"]["queries_per_s"] == pytest.approx(1e9 / 100)


@pytest.mark.parametrize(("kind", "spread"), [("normal", 16.0), ("lognormal", 0.2)])
def test_sizes_of_queries_vary_within_their_bounds(kind, spread):
    config = ServingConfig(query_samples=165, query_sizes=kind, query_spread=spread, largest_query=200)
    drawn = draw_load(config, 64, models=1)
    assert drawn.samples.max() <= 200
    assert np.median(drawn.samples) == pytest.approx(165, abs=2)
    assert drawn.samples.std() > 5
    assert draw_load(config, 64, 1).samples.tolist() == drawn.samples.tolist()
    assert drawn.batch_samples.sum() == drawn.samples.sum()


def test_a_graph_too_large_for_the_simulation_is_an_error():
    with pytest.raises(RecnmpError, match="at most 62"):
        Server(model_graph(["top_mlp"], "nmp", pieces=40), lambda n: (1.0,) * 80)


@pytest.mark.parametrize(
    ("serving", "why"),
    [
        ("{query_sizes: normal}", "query_spread is for normal"),
        ("{query_spread: 3}", "query_spread is for normal"),
        ("{query_samples: 300, largest_query: 200}", "query_samples 300 is more than largest_query 200"),
        ("{batch_pieces: 5}", "must be at most 4"),
        ("{rate: 5}", "unknown"),
        ("{queries_per_s: [0]}", "must be more than 0"),
    ],
)
def test_options_that_make_no_sense_are_named(serving, why):
    with pytest.raises(ConfigError, match=f"end_to_end.serving.*{why}"):
        load_config("rank2", [f"end_to_end.serving={serving}"])


@pytest.mark.parametrize(
    ("more", "batch", "why"),
    [
        (
            ["mlp.kind=measured"],
            "{batch_samples: 32}",
            "batches of 32 samples need mlp.kind: profile, got measured",
        ),
        (
            PROFILE,
            "{query_samples: 2048, largest_query: 2048, batch_samples: 2048}",
            "batch size 2048 lies outside",
        ),
        (PROFILE, "{query_samples: 1, batch_pieces: 4}", ""),
    ],
)
def test_batches_that_have_no_times_are_refused_before_the_run(more, batch, why):
    config = load_config("rank2", [*more, f"end_to_end.serving={batch}"])
    resolve(config)
    if why:
        with pytest.raises(ConfigError, match=f"end_to_end.serving: .*{why}"):
            check_serving(config, resolve(config).device, 64)
    else:
        check_serving(config, resolve(config).device, 64)


def test_queries_need_a_dense_part():
    with pytest.raises(
        ConfigError, match=r"end_to_end\.serving: queries need a dense part, but mlp\.kind is none"
    ):
        resolve(load_config("rank2", ["mlp.kind=none", "end_to_end.serving={}"]))


@pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")
def test_serving_adds_to_a_result_and_changes_nothing_else_in_it(monkeypatch):
    more = ["end_to_end.serving={p95_ms: 3, query_sizes: lognormal, query_spread: 0.2, queries: 300}"]
    plain = simulate(load_config("rank2", [*PROFILE, *SMALL])).to_dict()
    config = load_config("rank2", [*PROFILE, *SMALL, *more])
    found = simulate(config).to_dict()
    assert plain["end_to_end"] | {"serving": found["end_to_end"]["serving"]} == found["end_to_end"]
    assert plain["end_to_end"]["serving"] is None
    assert found["sls"] == plain["sls"]
    # a stored profile: the same bytes on a machine that can tell nothing of itself
    for name in ("cpu_model", "available_cores", "llc_bytes"):
        monkeypatch.setattr(f"recnmp.library.machine.{name}", lambda *_: 1 / 0)
    assert repr(simulate(config).to_dict()["end_to_end"]) == repr(found["end_to_end"])


@pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")
def test_a_run_measured_here_serves_batches_of_the_trace():
    options = ["mlp.backend=numpy", "mlp.repeats=3", "end_to_end.serving={queries: 200}", *SMALL]
    found = simulate(load_config("rank2", options)).to_dict()["end_to_end"]
    assert found["serving"]["batches_per_query"] == 4.0
    assert found["serving"]["nmp"]["batch_alone_ns"] == pytest.approx(found["nmp_ns"])
