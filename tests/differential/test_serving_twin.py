"""Served batches end when a plain twin of the simulation says, bit for bit."""

import numpy as np
import pytest
from reference.serving_plain import serve_plainly

from recnmp.serving.graph import RESOURCES, Graph, model_graph
from recnmp.serving.load import Load, split
from recnmp.serving.queueing import Server

PARTS = ["bottom_mlp", "attention", "interaction", "cross", "top_mlp", "heads"]


def drawn_graph(rng: np.random.Generator) -> Graph:
    parts = [part for part in PARTS if rng.random() < 0.6]
    device = "cuda" if rng.random() < 0.3 else "cpu"
    return model_graph(
        [*parts, "h2d_features", "h2d_pooled"] if device == "cuda" else parts,
        "host" if rng.random() < 0.4 else "nmp",
        overlap="none" if rng.random() < 0.3 else "bottom_mlp",
        device_kind=device,
        pieces=int(rng.integers(1, 4)),
    )


def drawn_load(rng: np.random.Generator, models: int) -> Load:
    samples = rng.integers(1, 9, 40)
    # whole gaps, so that many events fall on one time
    gaps = rng.integers(0, 4, 40).astype(np.float64) if rng.random() < 0.5 else rng.exponential(2.0, 40)
    return Load(gaps, samples, rng.integers(0, models, 40), *split(samples, int(rng.integers(1, 6))))


@pytest.mark.parametrize("seed", range(150))
def test_every_batch_ends_when_the_twin_says(seed):
    rng = np.random.default_rng(seed)
    graph, models, threads = drawn_graph(rng), int(rng.integers(1, 4)), int(rng.integers(1, 4))
    load, cores = drawn_load(rng, models), int(rng.integers(1, 5))
    whole = rng.random() < 0.5
    base = rng.integers(0, 5, len(graph.names)) if whole else rng.exponential(2.0, len(graph.names))
    server = Server(graph, lambda n: tuple(n * t for t in base.tolist()), threads, models, cores)
    arrival = np.cumsum(load.gap)
    ends, busy = server.ends(load, arrival)

    query = load.query_of_batch
    plain, held = serve_plainly(
        arrival[query].tolist(),
        load.model[query].tolist(),
        [[n * t for t in base.tolist()] for n in load.batch_samples.tolist()],
        list(graph.needs),
        list(graph.resources),
        threads=threads,
        servers={name: cores if name == "core" else 1 for name in RESOURCES},
    )
    last = [max(end for end, of in zip(plain, query, strict=True) if of == n) for n in range(40)]
    assert ends.tolist() == last
    for name, total in zip(RESOURCES, busy, strict=True):
        assert total == pytest.approx(sum(b - a for a, b in held[name]), abs=1e-6)
