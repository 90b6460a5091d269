"""How the parts of one inference meet: end-to-end latency and throughput of host and near memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recnmp.errors import RecnmpError
from recnmp.mlp.timing import BEFORE_SLS, PARTS, MlpTiming


@dataclass(frozen=True)
class EndToEnd:
    """One batch of a model from dense features and indices to predictions [ns].

    ``sls_host_ns`` and ``sls_nmp_ns`` are the embedding gather-reduce of one batch on the host and near
    memory (None when only the host ran). The host does everything in turn: bottom MLP, SLS, interaction, top
    MLP and whatever else the model has. Near memory, overlap ``bottom_mlp`` lets the host compute the bottom
    MLP (with a GPU, send it its features, too) while memory gathers, so the longer of the two counts; ``none``
    does them in turn. One batch is in flight at a time.

    ``lookups`` are those of the batch, None where rates of lookups are not wanted.

    ``mlp.host_slowdown`` is how much longer parts take on a host whose co-located models gather through its
    caches. Near memory nothing gathers through them, so there it has no effect.

    Not modelled: data copies between the parts, and memory traffic of the MLPs that would slow the gather.
    Several batches in flight, and queries that wait, are `recnmp.serving.served`'s.
    """

    mlp: MlpTiming
    sls_host_ns: float
    sls_nmp_ns: float | None = None
    overlap: Literal["bottom_mlp", "none"] = "bottom_mlp"
    lookups: float | None = None

    def __post_init__(self) -> None:
        for name in ("sls_host_ns", "sls_nmp_ns"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise RecnmpError(f"end to end: {name} is {value}, not a time")

    @property
    def host_ns(self) -> float:
        """Latency of a batch on the host [ns]."""
        return sum(self._dense_parts(self.mlp.host_slowdown).values()) + self.sls_host_ns

    @property
    def hidden_ns(self) -> float | None:
        """Time that near-memory SLS and bottom MLP run side by side [ns]."""
        if self.sls_nmp_ns is None:
            return None
        return min(self.mlp.before_sls_ns, self.sls_nmp_ns) if self.overlap == "bottom_mlp" else 0.0

    @property
    def nmp_ns(self) -> float | None:
        """Latency of a batch with SLS near memory [ns]."""
        if self.sls_nmp_ns is None or self.hidden_ns is None:
            return None
        return self.mlp.total_ns + self.sls_nmp_ns - self.hidden_ns

    @property
    def speedup_over_host(self) -> float | None:
        """Host latency over near-memory latency."""
        return None if self.nmp_ns is None else self.host_ns / self.nmp_ns

    @property
    def amdahl_bound(self) -> float:
        """Speed-up over the host if SLS took no time at all: what the dense part alone allows."""
        return self.host_ns / self.mlp.total_ns

    @property
    def bound_reached(self) -> float | None:
        """Share of ``amdahl_bound`` that near memory reaches."""
        return None if self.nmp_ns is None else self.mlp.total_ns / self.nmp_ns

    def operator_ns(self, side: Literal["host", "nmp"]) -> dict[str, float]:
        """Return the time of every operator of a batch [ns], ``sls`` among them, as the graph names them."""
        slowdown = self.mlp.host_slowdown if side == "host" else {}
        dense = {name: part.median_ns * slowdown.get(name, 1.0) for name, part in self.mlp.parts.items()}
        sls_ns = self.sls_host_ns if side == "host" else self.sls_nmp_ns
        if sls_ns is None:
            raise RecnmpError("end to end: nothing was gathered near memory")
        return dense | {"sls": sls_ns}

    def samples_per_s(self, latency_ns: float) -> float:
        """Return samples per second at ``latency_ns`` per batch, one batch in flight."""
        return self.mlp.batch_size / latency_ns * 1e9

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, in a fixed order; without near memory its values are None."""
        nmp_ns = self.nmp_ns
        return {
            "host_ns": self.host_ns,
            "nmp_ns": nmp_ns,
            "speedup_over_host": self.speedup_over_host,
            "amdahl_bound": self.amdahl_bound,
            "samples_per_s": {
                "host": self.samples_per_s(self.host_ns),
                "nmp": None if nmp_ns is None else self.samples_per_s(nmp_ns),
            },
            "queries_per_s": self._per_s(1.0),
            "lookups_per_s": self._per_s(self.lookups),
            "bound_reached": self.bound_reached,
            "batch_size": self.mlp.batch_size,
            "batches_in_flight": 1,
            "interference": self.mlp.interference or "off",
            "breakdown": {"host": self._host_parts(), "nmp": self._nmp_parts()},
        }

    def _per_s(self, of_a_batch: float | None) -> dict[str, float | None]:
        times = {"host": self.host_ns, "nmp": self.nmp_ns}
        return {
            side: None if None in (ns, of_a_batch) else (of_a_batch or 0.0) / (ns or 0.0) * 1e9
            for side, ns in times.items()
        }

    def _dense_parts(self, slowdown: Mapping[str, float]) -> dict[str, float]:
        """Return what each part takes; bottom MLP, interaction and top MLP of a model without them take 0."""
        known = dict.fromkeys(("bottom_mlp", "interaction", "top_mlp"), 0.0)
        times = known | {name: part.median_ns for name, part in self.mlp.parts.items()}
        return {f"{name}_ns": times[name] * slowdown.get(name, 1.0) for name in PARTS if name in times}

    def _host_parts(self) -> dict[str, Any]:
        return self._in_order(self._dense_parts(self.mlp.host_slowdown), self.sls_host_ns) | {
            "overlap": "none",
            "sls_share": self.sls_host_ns / self.host_ns,
        }

    def _nmp_parts(self) -> dict[str, Any] | None:
        if self.sls_nmp_ns is None or self.hidden_ns is None or self.nmp_ns is None:
            return None
        exposed = self.sls_nmp_ns - self.hidden_ns
        return self._in_order(self._dense_parts({}), self.sls_nmp_ns) | {
            "overlap": self.overlap,
            "sls_share": exposed / self.nmp_ns,
            "hidden_ns": self.hidden_ns,
            "exposed_sls_ns": exposed,
        }

    @staticmethod
    def _in_order(dense: Mapping[str, float], sls_ns: float) -> dict[str, Any]:
        before = {name: ns for name, ns in dense.items() if name.removesuffix("_ns") in BEFORE_SLS}
        return before | {"sls_ns": sls_ns} | dict(dense)
