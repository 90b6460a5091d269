"""Waiting times and throughput of served queries against closed forms of queueing theory."""

import math

import numpy as np
import pytest
from reference.traffic import JITTED

from recnmp.config.serving import ServingConfig
from recnmp.serving.graph import Graph, model_graph
from recnmp.serving.load import Load, draw_load
from recnmp.serving.queueing import Server

pytestmark = pytest.mark.skipif(not JITTED, reason="hundreds of thousands of queries need compiled kernels")
SERVICE = 1000.0
ONE_GATHER = Graph(("sls",), ((),), (("memory",),))
ONE_LAYER = Graph(("top_mlp",), ((),), (("core",),))


def load(queries: int = 400_000, samples: int = 1, **more: object) -> Load:
    return draw_load(ServingConfig(query_samples=samples, queries=queries, seed=11, **more), 1, models=1)


def after(mean: float, most: int) -> float:
    """Probability that a Poisson variable of this mean is at least ``most``."""
    terms = (math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(most))
    return 1.0 - math.fsum(terms)


def md1_wait_within(time: float, rate: float) -> float:
    """P(wait <= time) of M/D/1 with service 1 (Erlang)."""
    terms = (
        (-rate * (time - k)) ** k / math.factorial(k) * math.exp(rate * (time - k))
        for k in range(int(time) + 1)
    )
    return (1 - rate) * math.fsum(terms)


def mdc_mean_wait(servers: int, load: float) -> float:
    """Mean wait of M/D/c in services (Crommelin 1934)."""
    a = servers * load
    return math.fsum(
        after(i * a, i * servers) - after(i * a, i * servers + 1) * servers / a
        for i in range(1, 800 // servers)
    )


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_one_gather_at_a_time_waits_as_md1(busy):
    found = Server(ONE_GATHER, lambda n: (SERVICE,), threads=64).at(load(), busy / SERVICE * 1e9)
    waits = busy / (2 * (1 - busy))
    assert mdc_mean_wait(1, busy) == pytest.approx(waits, abs=1e-6)
    assert found.mean_ns / SERVICE - 1 == pytest.approx(waits, rel=0.03)
    assert found.busy["memory"] == pytest.approx(busy, rel=0.01)
    for percent in (95, 99):
        wait = found.percentile_ns[percent] / SERVICE - 1
        assert md1_wait_within(wait, busy) == pytest.approx(percent / 100, abs=0.003)


@pytest.mark.parametrize(("servers", "busy"), [(2, 0.5), (2, 0.8), (4, 0.8)])
@pytest.mark.parametrize("limit", ["cores", "threads"])
def test_cores_or_threads_wait_as_mdc(servers, busy, limit):
    threads, cores = (servers, 64) if limit == "threads" else (64, servers)
    server = Server(ONE_LAYER, lambda n: (SERVICE,), threads=threads, cores=cores)
    found = server.at(load(), servers * busy / SERVICE * 1e9)
    assert found.mean_ns / SERVICE - 1 == pytest.approx(mdc_mean_wait(servers, busy), rel=0.04)


def test_even_arrivals_below_the_service_rate_never_wait():
    found = Server(ONE_GATHER, lambda n: (SERVICE,)).at(load(1000, arrivals="even"), 0.99 / SERVICE * 1e9)
    assert found.mean_ns == found.percentile_ns[99] == pytest.approx(SERVICE, abs=0.1)


def test_batches_of_a_query_on_one_core_are_one_long_service():
    """M/D/1 again: q batches of a query that arrive together are a service of q times the length."""
    found = Server(ONE_LAYER, lambda n: (SERVICE,)).at(load(100_000, samples=4), 0.5 / (4 * SERVICE) * 1e9)
    assert found.mean_ns / (4 * SERVICE) == pytest.approx(1.5, rel=0.03)


@pytest.mark.parametrize(("threads", "cores"), [(1, 1), (2, 2), (3, 2), (8, 4)])
def test_the_throughput_is_that_of_the_bottleneck(threads, cores):
    """Dense 3, gather 1: a thread takes 4, cores give one batch every 3 / cores, memory one every 1."""
    graph = model_graph(["top_mlp"], "nmp")
    server = Server(graph, lambda n: (SERVICE, 3 * SERVICE), threads=threads, cores=cores)
    most = min(threads / 4, cores / 3, 1.0)
    rate, held = server.throughput(load(4000))
    assert rate / 1e9 * SERVICE == pytest.approx(most, rel=0.01)
    assert held == ("memory" if most == 1.0 else "core")


def test_the_rate_within_a_bound_of_md1_is_where_the_closed_form_says():
    server = Server(ONE_GATHER, lambda n: (SERVICE,), threads=64)
    rate = server.within(load(100_000), 3 * SERVICE) / 1e9 * SERVICE
    assert md1_wait_within(2.0, rate) == pytest.approx(0.95, abs=0.005)
    assert server.within(load(1000), 0.99 * SERVICE) == 0.0


def test_the_mean_gap_of_a_poisson_process_is_one_and_varies_as_much():
    gaps = load().gap
    assert gaps.mean() == pytest.approx(1.0, rel=0.01)
    assert np.std(gaps) == pytest.approx(1.0, rel=0.01)
