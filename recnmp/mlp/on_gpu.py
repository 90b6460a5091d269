"""Time the dense part on a GPU: launches included, kernels alone, and what must be sent to it.

Three figures per batch, all by the GPU's own events:

- launch-inclusive: many eager launches in a row between two events. Where the host launches more slowly than
  the GPU computes, the gaps count, as they do in service.
- kernel-only: the same calls recorded into a CUDA graph, which one launch replays.
- transfers: dense features, then pooled vectors as one block, from pinned host memory.

Weights stay in the GPU's caches between calls. Clocks are read, not set.
"""

import subprocess
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from recnmp.errors import ConfigError
from recnmp.mlp.dense import Dense, Floats
from recnmp.mlp.operators import Arithmetic, inputs, operators, run
from recnmp.mlp.process import Samples
from recnmp.mlp.sampling import WARM_UP

LAUNCHES = 100
"""Eager launches between two events."""

IN_GRAPH = 20
"""Calls recorded into one graph, so that the launch of the graph itself hardly counts."""

REPLAYS = 5
"""Replays of a graph between two events."""

Call = Callable[[], Any]


class Gpu(Protocol):
    """What timing needs of a GPU."""

    name: str

    def elapsed_ns(self, work: Call) -> float:
        """Return the GPU's time from before to after the work that ``work`` launches."""

    def recorded(self, call: Call, times: int) -> Call:
        """Return a function that replays ``times`` calls, recorded after warm-up, by one launch."""

    def sender(self, array: Floats, like: Any) -> Call:
        """Return a function that sends ``array`` from pinned memory, as the type of ``like``, to the GPU."""


def time_on_gpu(dense: Dense, arithmetic: Arithmetic, gpu: Gpu, repeats: int) -> Samples:
    """Time transfers and operators one by one; a sample is the mean of a row of calls [ns]."""
    chain, values = operators(dense, arithmetic), inputs(dense, arithmetic)
    _, given = run(chain, values)
    parts: dict[str, list[float]] = {}
    kernel_only: dict[str, list[float]] = {}
    if dense.features.size:
        parts["h2d_features"] = _in_a_row(gpu.sender(dense.features, values["features"]), gpu, repeats)
    pooled = np.concatenate(dense.pooled, axis=1)
    parts["h2d_pooled"] = _in_a_row(gpu.sender(pooled, values["pooled"][0]), gpu, repeats)
    for operator in chain:
        call = _bound(operator.call, given[operator.name])
        parts[operator.name] = _in_a_row(call, gpu, repeats)
        kernel_only[operator.name] = _replayed(call, gpu, repeats)
    # the CPU only launches: its share of the time means nothing here
    return Samples(arithmetic.backend, parts, 0, 1, kernel_only=kernel_only, gpu=gpu.name)


def _bound(call: Callable[..., Any], given: tuple[Any, ...]) -> Call:
    return lambda: call(*given)


def _in_a_row(call: Call, gpu: Gpu, repeats: int) -> list[float]:
    def row() -> None:
        for _ in range(LAUNCHES):
            call()

    for _ in range(WARM_UP):
        call()
    return [gpu.elapsed_ns(row) / LAUNCHES for _ in range(repeats)]


def _replayed(call: Call, gpu: Gpu, repeats: int) -> list[float]:
    replay = gpu.recorded(call, IN_GRAPH)

    def row() -> None:
        for _ in range(REPLAYS):
            replay()

    replay()
    return [gpu.elapsed_ns(row) / (REPLAYS * IN_GRAPH) for _ in range(repeats)]


class CudaGpu:
    """The first CUDA device; ``torch`` is the library, which a test may replace. Implements `Gpu`."""

    def __init__(self, torch: Any = None) -> None:
        if torch is None:
            import torch
        if not torch.cuda.is_available():
            raise ConfigError("device cuda: this PyTorch sees no CUDA device; allowed here: cpu")
        self._torch, self._cuda = torch, torch.cuda
        self.name = str(torch.cuda.get_device_name())

    def elapsed_ns(self, work: Call) -> float:
        """Record an event, do the work, record another and wait for it."""
        start, end = (self._cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e6

    def recorded(self, call: Call, times: int) -> Call:
        """Warm up on a stream of its own, as capture asks for, then record."""
        stream = self._cuda.Stream()
        stream.wait_stream(self._cuda.current_stream())
        with self._cuda.stream(stream):
            for _ in range(WARM_UP):
                call()
        self._cuda.current_stream().wait_stream(stream)
        graph = self._cuda.CUDAGraph()
        with self._cuda.graph(graph):
            for _ in range(times):
                call()
        replay: Call = graph.replay
        return replay

    def sender(self, array: Floats, like: Any) -> Call:
        """Pin a copy of ``array`` and allocate its place on the device."""
        pinned = self._torch.from_numpy(np.ascontiguousarray(array)).to(like.dtype).pin_memory()
        there = self._torch.empty_like(pinned, device=like.device)
        return lambda: there.copy_(pinned, non_blocking=True)


def gpu_clocks(run_: Callable[..., Any] = subprocess.run) -> dict[str, str]:
    """Return what the driver says of the first GPU now: clocks in MHz, power state, driver; or that it does not."""
    keys = ("clocks.sm", "clocks.mem", "pstate", "driver_version")
    command = ["nvidia-smi", f"--query-gpu={','.join(keys)}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        done = run_(command, capture_output=True, text=True, timeout=20, check=True)
        values = [value.strip() for value in done.stdout.splitlines()[0].split(",")]
        return dict(zip((f"gpu {key}" for key in keys), values, strict=True))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return {"gpu clocks.sm": "unknown"}
