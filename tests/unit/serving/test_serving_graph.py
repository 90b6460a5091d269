"""A model's operators as a graph."""

import itertools

import numpy as np
import pytest

from recnmp._registry import library_names
from recnmp.library.model import load_model
from recnmp.mlp.dense import make_dense
from recnmp.mlp.in_numpy import NumpyArithmetic
from recnmp.mlp.operators import operators
from recnmp.serving.graph import NEEDS, RESOURCES, Graph, model_graph

MODELS = [name for name in library_names("models") if not load_model(name).untimed_because]


def chains(graph: Graph) -> list[list[int]]:
    """Every chain of operators, tried one by one."""
    n = len(graph.names)
    return [
        list(chain)
        for size in range(1, n + 1)
        for chain in itertools.combinations(range(n), size)
        if all(a in graph.needs[b] for a, b in itertools.pairwise(chain))
    ]


@pytest.mark.parametrize("side", ["host", "nmp"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("model", ["rm1", "dien", "mlperf_dlrm_v2", "ncf", "wide_deep"])
def test_the_critical_path_is_the_longest_of_all_chains(model, device, side):
    parts = [*load_model(model).parts, *(["h2d_features", "h2d_pooled"] if device == "cuda" else [])]
    graph = model_graph(parts, side, device_kind=device)
    times = np.random.default_rng(1).exponential(1.0, len(graph.names)).tolist()
    longest = max(sum(times[n] for n in chain) for chain in chains(graph))
    assert graph.critical_path_ns(times) == pytest.approx(longest)


@pytest.mark.parametrize("model", MODELS)
def test_what_an_operator_reads_is_computed_before_it_near_memory(model):
    """The graph's edges against the values that the timed operators themselves read and write."""
    graph = model_graph(load_model(model).parts, "nmp")
    made = {"features": set(), "pooled": {"sls"}}
    ancestors: dict[str, set[str]] = {}
    for name, needs in zip(graph.names, graph.needs, strict=True):
        above = {graph.names[n] for n in needs}
        ancestors[name] = above.union(*(ancestors[one] for one in above))
    for operator in operators(make_dense(load_model(model), 1), NumpyArithmetic()):
        read = set().union(*(made[value] for value in operator.reads))
        assert read <= ancestors[operator.name] | {operator.name}
        made[operator.writes] = read | {operator.name}
        # nothing waits for what it does not read
        assert ancestors[operator.name] <= read


def test_the_bottom_mlp_and_the_gather_start_together_where_they_may():
    assert model_graph(["bottom_mlp", "interaction", "top_mlp"], "nmp").needs == ((), (), (0, 1), (2,))
    for side, overlap in (("host", "bottom_mlp"), ("nmp", "none")):
        graph = model_graph(["bottom_mlp", "interaction", "top_mlp"], side, overlap=overlap)
        assert graph.needs == ((), (0,), (1,), (2,))


def test_pieces_of_a_batch_wait_for_nothing_of_each_other_near_memory():
    graph = model_graph(["bottom_mlp", "top_mlp"], "nmp", pieces=2)
    assert graph.names == ("bottom_mlp", "sls", "top_mlp") * 2
    assert graph.needs == ((), (), (0, 1), (), (), (3, 4))


def test_a_gather_of_the_host_holds_core_and_memory_one_near_memory_the_latter_alone():
    held = [
        dict(zip(g.names, g.resources, strict=True)) for g in (model_graph([], s) for s in ("host", "nmp"))
    ]
    assert held == [{"sls": ("core", "memory")}, {"sls": ("memory",)}]
    on_gpu = model_graph(["h2d_features", "h2d_pooled", "top_mlp"], "nmp", device_kind="cuda")
    assert on_gpu.resources == (("link",), ("memory",), ("link",), ("accelerator",))


def test_operators_hold_resources_in_one_order_so_that_none_waits_for_ever():
    for side in ("host", "nmp"):
        for held in model_graph(list(NEEDS), side).resources:
            assert list(held) == sorted(held, key=RESOURCES.index)
