"""Whatever the server and its queries, some things hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.serving.graph import model_graph
from recnmp.serving.load import Load, split
from recnmp.serving.queueing import Server

COUNT = st.integers(1, 4)
TIMES = st.lists(st.floats(0, 1e6), min_size=4, max_size=4)


def drawn(side: str, times: list[float], threads: int, models: int, cores: int) -> Server:
    graph = model_graph(["bottom_mlp", "interaction", "top_mlp"], side)
    return Server(graph, lambda n: tuple(n * t for t in times), threads, models, cores)


def load(seed: int, models: int) -> Load:
    rng = np.random.default_rng(seed)
    samples = rng.integers(1, 9, 60)
    return Load(rng.exponential(1.0, 60), samples, rng.integers(0, models, 60), *split(samples, 4))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["host", "nmp"]), TIMES, COUNT, COUNT, COUNT, st.integers(0, 99))
def test_no_query_is_faster_than_its_critical_path_and_no_resource_busier_than_always(
    side, times, threads, models, cores, seed
):
    server, queries = drawn(side, times, threads, models, cores), load(seed, models)
    arrival = np.cumsum(queries.gap) * 1e6
    end, busy = server.ends(queries, arrival)
    largest = np.minimum(queries.samples, 4)
    path = np.array([server.graph.critical_path_ns(server.times(int(n))) for n in largest])
    assert np.all(end - arrival >= path * (1 - 1e-9) - 1e-3)
    assert np.all(busy <= end.max() * np.array([cores, 1, 1, 1]) * (1 + 1e-9))


@settings(max_examples=60, deadline=None)
@given(TIMES.filter(lambda t: sum(t) > 1), COUNT, COUNT, COUNT, st.integers(0, 99))
def test_no_server_delivers_more_than_its_cores_or_its_memory_allow(times, threads, models, cores, seed):
    queries, (bottom, sls, *rest) = load(seed, models), times
    work = float(queries.samples.mean())
    for side, core_ns in (("host", sum(times)), ("nmp", bottom + sum(rest))):
        most, _ = drawn(side, times, threads, models, cores).throughput(queries)
        for limit in (cores / core_ns if core_ns else np.inf, 1 / sls if sls else np.inf):
            assert most * work / 1e9 <= limit * (1 + 1e-9)
