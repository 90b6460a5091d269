"""Queries served by the host and near memory: the ``serving`` part of a result."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal

from recnmp.config.schema import ArrivalConfig
from recnmp.config.serving import ServingConfig
from recnmp.mlp.timing import MlpTiming
from recnmp.serving.end_to_end import EndToEnd
from recnmp.serving.graph import Graph, model_graph
from recnmp.serving.load import Load, draw_load
from recnmp.serving.queueing import Latencies, Server

Side = Literal["host", "nmp", "perfect"]

_LOADS = (0.2, 0.5, 0.8)
"""Shares of the host's throughput at which latencies are told where no loads are asked for."""


@dataclass(frozen=True)
class Served:
    """What a server makes of queries, given one batch's times.

    Attributes:
        batch: a batch of the trace, end to end, with its lookups.
        dense_at: the dense part's times of batches of other sizes.
        serving, arrival: as configured.

    A gather takes time in proportion to its samples. Not modelled: network, batching of several queries together,
    time to split a query and to join its results, packets of near memory that batches would share.
    """

    batch: EndToEnd
    dense_at: Callable[[int], MlpTiming]
    serving: ServingConfig
    arrival: ArrivalConfig

    @property
    def batch_samples(self) -> int:
        """Samples of a batch at most."""
        return self.serving.batch_samples or self.batch.mlp.batch_size

    @property
    def models(self) -> int:
        """Co-located models, each with its own thread; 1 where all threads serve one."""
        return self.arrival.threads if self.arrival.tables == "separate" else 1

    @property
    def cores(self) -> int:
        """Cores that compute."""
        return self.serving.cores or self.arrival.threads

    @cached_property
    def load(self) -> Load:
        """The queries."""
        return draw_load(self.serving, self.batch_samples, self.models)

    def graph(self, side: Side) -> Graph:
        """Return the operators of a batch; ``perfect`` is near memory without SLS's time."""
        mlp = self.batch.mlp
        return model_graph(
            tuple(mlp.parts),
            "host" if side == "host" else "nmp",
            overlap=self.batch.overlap,
            device_kind=mlp.device_kind,
            pieces=1 if side == "host" else self.serving.batch_pieces,
        )

    def server(self, side: Side) -> Server:
        """Return the server that gathers on this side."""
        graph = self.graph(side)
        threads = self.arrival.threads // self.models
        times = cache(lambda samples: self.times(graph, side, samples))
        return Server(graph, times, threads, self.models, self.cores)

    def times(self, graph: Graph, side: Side, samples: int) -> tuple[float, ...]:
        """Return the time of every operator of ``graph`` [ns] for a batch of so many ``samples``."""
        pieces = [(samples + n) // graph.pieces for n in range(graph.pieces)][::-1]
        names = graph.names[: len(graph.names) // graph.pieces]
        found = [self._operator_ns(side, piece) for piece in pieces]
        return tuple(times.get(name, 0.0) for times in found for name in names)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, in a fixed order; without near memory its values are None."""
        near = self.batch.sls_nmp_ns is not None
        sides: tuple[Side, ...] = ("host", "nmp") if near else ("host",)
        servers = {side: self.server(side) for side in sides}
        most = {side: server.throughput(self.load) for side, server in servers.items()}
        shown = {side: self._side(servers[side], *most[side], most["host"][0]) for side in sides}
        return {
            "threads": self.arrival.threads,
            "models": self.models,
            "cores": self.cores,
            "batch_samples": self.batch_samples,
            "batch_pieces": self.serving.batch_pieces,
            "query_samples_mean": float(self.load.samples.mean()),
            "batches_per_query": len(self.load.batch_samples) / len(self.load.samples),
            "queries": self.serving.queries,
            "seed": self.serving.seed,
            "arrivals": self.serving.arrivals,
            "p95_target_ns": self.serving.p95_ms and self.serving.p95_ms * 1e6,
            "host": shown["host"],
            "nmp": shown.get("nmp"),
            "throughput_without_sls": self.rates(self.server("perfect").throughput(self.load)[0]),
            "speedup_over_host": _ratios(shown["host"], shown["nmp"]) if near else None,
        }

    def rates(self, queries_per_s: float) -> dict[str, float]:
        """Return a rate in all three units."""
        samples = queries_per_s * float(self.load.samples.mean())
        per_sample = (self.batch.lookups or 0.0) / self.batch.mlp.batch_size
        return {
            "queries_per_s": queries_per_s,
            "samples_per_s": samples,
            "lookups_per_s": samples * per_sample,
        }

    def _side(self, server: Server, most: float, bottleneck: str, host_most: float) -> dict[str, Any]:
        target = self.serving.p95_ms
        loads = self.serving.queries_per_s or [share * host_most for share in _LOADS]
        samples = self.serving.query_samples
        return {
            "critical_path_ns": server.graph.critical_path_ns(server.times(self.batch_samples)),
            "batch_alone_ns": server.alone_ns(self.batch_samples, self.batch_samples),
            "query_alone_ns": server.alone_ns(samples, self.batch_samples),
            "throughput": self.rates(most),
            "bottleneck": bottleneck,
            "within_p95": None if target is None else self.rates(server.within(self.load, target * 1e6)),
            "at": [self._at(rate, server.at(self.load, rate) if rate < most else None) for rate in loads],
        }

    def _at(self, rate: float, found: Latencies | None) -> dict[str, Any]:
        """Return latencies at a rate; None where the server cannot keep up, for they would grow without end."""
        latencies = found and {
            "mean_ns": found.mean_ns,
            **{f"p{p}_ns": ns for p, ns in found.percentile_ns.items()},
            "busy": dict(found.busy),
        }
        return self.rates(rate) | {"latency": latencies}

    def _operator_ns(self, side: Side, samples: int) -> dict[str, float]:
        """Return the times of a batch of so many ``samples`` [ns]; none for none."""
        if not samples:
            return {}
        share, near = samples / self.batch.mlp.batch_size, self.batch.sls_nmp_ns
        near = 0.0 if side == "perfect" else near and near * share
        batch = replace(
            self.batch,
            mlp=self.dense_at(samples),
            sls_host_ns=self.batch.sls_host_ns * share,
            sls_nmp_ns=near,
        )
        return batch.operator_ns("host" if side == "host" else "nmp")


def _ratios(host: dict[str, Any], near: dict[str, Any]) -> dict[str, float | None]:
    """Return near memory's gains; of rates within a target none where the host never meets it."""
    within = host["within_p95"] and host["within_p95"]["queries_per_s"]
    return {
        "query_alone": host["query_alone_ns"] / near["query_alone_ns"],
        "throughput": near["throughput"]["queries_per_s"] / host["throughput"]["queries_per_s"],
        "within_p95": near["within_p95"]["queries_per_s"] / within if within else None,
    }
