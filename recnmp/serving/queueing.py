"""Latency and throughput of a server under load, by a simulation of its events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.serving import _kernels
from recnmp.serving.graph import RESOURCES, Graph
from recnmp.serving.load import Load

PERCENTILES = (50, 95, 99)
_WARM_UP = 0.1
_STEPS = 20


@dataclass(frozen=True)
class Latencies:
    """What queries wait at one load.

    Attributes:
        queries_per_s: offered.
        mean_ns: mean latency [ns], from a query's arrival to the end of its last batch, warm-up left out.
        percentile_ns: latencies [ns] that so many per cent of the queries do not exceed.
        busy: share of the time that each resource is held.
    """

    queries_per_s: float
    mean_ns: float
    percentile_ns: Mapping[int, float]
    busy: Mapping[str, float]


@dataclass(frozen=True)
class Server:
    """Threads that take batches through a model's operators.

    Attributes:
        graph: operators of a batch.
        times: from the samples of a batch to the time of every operator [ns].
        threads: batches in flight, of each model.
        models: co-located models, each with threads of its own.
        cores: of the host.

    A thread takes a batch when one waits, first come first served, and has it until its last operator ends. Every
    resource serves operators in the order in which they became ready: cores one each, the memory system one gather at
    a time, in the time that it takes on average beside the others in flight. A gather of the host holds its core
    while it waits for the memory system, as a thread that misses its caches does.

    Raises RecnmpError for a graph of more than 62 operators.
    """

    graph: Graph
    times: Callable[[int], tuple[float, ...]]
    threads: int = 1
    models: int = 1
    cores: int = 1

    def __post_init__(self) -> None:
        if len(self.graph.names) > 62:
            raise RecnmpError(f"serving: {len(self.graph.names)} operators in flight of a batch, at most 62")

    def alone_ns(self, samples: int, batch_samples: int) -> float:
        """Return the latency [ns] of one query of ``samples`` with nothing else to do."""
        whole, rest = divmod(samples, batch_samples)
        sizes = np.array([batch_samples] * whole + [rest] * (rest > 0), np.int64)
        none = np.zeros(len(sizes), np.int64)
        return float(self._run(none.astype(np.float64), sizes, none)[0].max())

    def ends(
        self, load: Load, arrival: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return when every query ends [ns], shape (Q,), and the time that each of `RESOURCES` is held [ns]."""
        query = load.query_of_batch
        end, busy = self._run(arrival[query], load.batch_samples, load.model[query])
        return np.maximum.reduceat(end, load.first_batch), busy

    def at(self, load: Load, queries_per_s: float) -> Latencies:
        """Return latencies under ``load`` at a rate; they grow with its length where the rate is too high."""
        arrival = np.cumsum(load.gap) * (1e9 / queries_per_s)
        end, busy = self.ends(load, arrival)
        latency = np.round(
            (end - arrival)[int(_WARM_UP * len(end)) :], 1
        )  # no more digits than clocks of hours have
        # an order statistic, not a mean of two: the same on every machine
        found = np.quantile(latency, [p / 100 for p in PERCENTILES], method="inverted_cdf")
        held = busy / (end.max() * self._counts())
        return Latencies(
            queries_per_s,
            float(latency.mean()),
            {p: float(ns) for p, ns in zip(PERCENTILES, found, strict=True)},
            {name: float(share) for name, share in zip(RESOURCES, held, strict=True)},
        )

    def throughput(self, load: Load) -> tuple[float, str]:
        """Return the most queries/s of this load, all waiting from the start, and the resource held longest.

        Of Q queries, a rate too low by ``threads`` / Q at most: the last ones leave threads idle.
        """
        end, busy = self.ends(load, np.zeros(len(load.gap)))
        rate = len(end) / end.max() * 1e9
        share = busy / (end.max() * self._counts())
        # where several are as busy, the one that operators take last holds up those before it
        return float(rate), RESOURCES[int(np.flatnonzero(share >= share.max() * 0.999)[-1])]

    def within(self, load: Load, p95_ns: float) -> float:
        """Return the most queries/s whose 95th percentile of latency stays within ``p95_ns``; 0 where none does.

        By bisection below the throughput, with the same arrivals, closer in time, at every rate.
        """
        low, high = 0.0, self.throughput(load)[0]
        for _ in range(_STEPS):
            rate = (low + high) / 2
            late = self.at(load, rate).percentile_ns[95] > p95_ns
            low, high = (low, rate) if late else (rate, high)
        return low

    def _counts(self) -> NDArray[np.int64]:
        return np.array([self.cores if name == "core" else 1 for name in RESOURCES], np.int64)

    def _run(
        self, arrival: NDArray[np.float64], samples: NDArray[np.int64], model: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the end of every batch and the time that each resource is held [ns]."""
        sizes, size_class = np.unique(samples, return_inverse=True)
        ns = np.array([self.times(int(size)) for size in sizes])
        ops = np.array([_as_numbers(*op) for op in zip(self.graph.needs, self.graph.resources, strict=True)])
        batch = np.stack([model, size_class, np.full(len(model), -1), np.zeros(len(model))], 1).astype(
            np.int64
        )
        lane = np.array([[-1] * self.models, [self.threads] * self.models])
        for which in range(self.models):
            (of_lane,) = np.nonzero(model == which)
            if len(of_lane):
                lane[_kernels.HEAD, which] = of_lane[0]
                batch[of_lane[:-1], _kernels.NEXT] = of_lane[1:]
        counts = self._counts()
        server = np.stack([counts, np.zeros_like(counts), np.zeros_like(counts)])
        room = self.threads * self.models * len(ops) + 1
        busy, end = np.zeros(len(RESOURCES)), np.zeros(len(model))
        queue = np.zeros((len(RESOURCES), room), np.int64)
        heap = np.zeros(room), np.zeros(room, np.int64)
        _kernels.serve(arrival, batch, ops, ns, lane, server, queue, *heap, busy, end)
        return end, busy


def _as_numbers(needs: tuple[int, ...], resources: tuple[str, ...]) -> tuple[int, int, int]:
    held = [RESOURCES.index(name) for name in resources]
    return sum(1 << n for n in needs), held[0], held[1] if len(held) > 1 else -1
