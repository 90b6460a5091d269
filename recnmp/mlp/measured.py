"""Time the dense part of a model for real on this CPU, by torch where it is installed, else by NumPy.

Each measurement runs in a fresh process: thread counts of matrix libraries can only be set honestly before
they start, a process that has just simulated is not a quiet one, and the caller's own settings stay as they
are. Waiting threads sleep (``OMP_WAIT_POLICY=PASSIVE``), since spinning ones slow a shared machine down by
orders of magnitude.
"""

import gc
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from recnmp.library.device import PARTS, this_machine
from recnmp.library.model import RecModel
from recnmp.mlp.dense import Dense, DenseFunctions, Layer, make_dense, numpy_functions
from recnmp.mlp.process import FreshProcess, Point, Samples
from recnmp.mlp.timing import MlpTiming, part_from_samples

WARM_UP = 10
"""Untimed calls before the first sample."""

SAMPLE_NS = 500_000
"""A sample lasts at least this long: shorter calls are repeated within it, and the clock costs little."""


class Clocks(NamedTuple):
    """Wall clock and CPU clock of this process [ns]."""

    wall: Callable[[], int] = time.perf_counter_ns
    cpu: Callable[[], int] = time.process_time_ns


def measure_mlp(
    model: RecModel, batch_size: int, *, backend: str = "auto", threads: int = 1, repeats: int = 30
) -> MlpTiming:
    """Time bottom MLP, interaction and top MLP of ``model`` for one batch, separately, in a fresh process.

    ``backend`` is ``torch``, ``numpy`` or ``auto`` (torch when installed); both do the same arithmetic in
    FP32. ``threads`` is the matrix library's. Each part gets ``repeats`` samples after warm-up.
    Raises ConfigError for a backend that is not installed or more threads than cores, RecnmpError when the
    measurement fails. Not modelled: caches emptied by the gather between two batches.
    """
    with Measurement(model, batch_size, backend=backend, threads=threads, repeats=repeats) as measurement:
        return measurement.time()


class Measurement:
    """A measurement that is prepared beside other work and taken when the machine is quiet again.

    The arguments and errors are those of `measure_mlp`; leaving the context ends the process.
    """

    def __init__(
        self, model: RecModel, batch_size: int, *, backend: str = "auto", threads: int = 1, repeats: int = 30
    ) -> None:
        self._point, self._threads = Point(model, batch_size), threads
        self._process = FreshProcess([self._point], backend=backend, threads=threads, repeats=repeats)

    def __enter__(self) -> "Measurement":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def time(self) -> MlpTiming:
        """Take the measurement, once."""
        return timing_from_samples(self._point, [self._process.samples()[0]], self._threads)


def timing_from_samples(point: Point, runs: Sequence[Samples], threads: int) -> MlpTiming:
    """Pool the samples of one or more processes on this machine into one timing."""
    pooled = {name: part_from_samples([ns for run in runs for ns in run.parts[name]]) for name in PARTS}
    return MlpTiming(
        model=point.model.name,
        batch_size=point.batch_size,
        bottom_mlp=pooled["bottom_mlp"],
        interaction=pooled["interaction"],
        top_mlp=pooled["top_mlp"],
        method="measured",
        backend=runs[0].backend,
        threads=threads,
        machine=this_machine(),
        cpu_share=round(sum(run.cpu_ns for run in runs) / sum(run.wall_ns * threads for run in runs), 3),
    )


def time_call(call: Callable[[], Any], repeats: int, wall: Callable[[], int]) -> list[float]:
    """Return ``repeats`` samples of the time of ``call`` [ns], after warm-up."""
    shortest = SAMPLE_NS
    for _ in range(WARM_UP):
        start = wall()
        call()
        shortest = min(shortest, max(wall() - start, 1))
    calls = math.ceil(SAMPLE_NS / shortest)
    samples = []
    for _ in range(repeats):
        start = wall()
        for _ in range(calls):
            call()
        samples.append((wall() - start) / calls)
    return samples


def time_parts(functions: DenseFunctions, dense: Dense, repeats: int, clocks: Clocks) -> Samples:
    """Time the three parts one by one on the inputs in ``dense``."""
    features = functions.native(dense.features)
    pooled = [functions.native(vector) for vector in dense.pooled]
    bottom = functions.bottom_mlp(features)
    top_input = functions.interaction(bottom, pooled)
    calls: dict[str, Callable[[], Any]] = {
        "bottom_mlp": lambda: functions.bottom_mlp(features),
        "interaction": lambda: functions.interaction(bottom, pooled),
        "top_mlp": lambda: functions.top_mlp(top_input),
    }
    wall, cpu = clocks.wall(), clocks.cpu()
    parts = {name: time_call(call, repeats, clocks.wall) for name, call in calls.items()}
    return Samples(functions.backend, parts, clocks.cpu() - cpu, max(clocks.wall() - wall, 1))


def torch_functions(dense: Dense) -> DenseFunctions:
    """Return the three parts as torch modules in evaluation mode, with the weights in ``dense``."""
    import torch

    def sequential(layers: Sequence[Layer], last: type[torch.nn.Module]) -> torch.nn.Module:
        modules: list[torch.nn.Module] = []
        for layer in layers:
            linear = torch.nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
            linear.weight = torch.nn.Parameter(torch.from_numpy(layer.weight), requires_grad=False)
            linear.bias = torch.nn.Parameter(torch.from_numpy(layer.bias), requires_grad=False)
            modules += [linear, torch.nn.ReLU()]
        return torch.nn.Sequential(*modules[:-1], *[last()] * bool(modules)).eval()

    def cat(bottom: torch.Tensor, pooled: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([bottom, *pooled], dim=1)

    vectors = dense.model.n_tables + 1
    later, earlier = torch.tril_indices(vectors, vectors, offset=-1)

    def dot(bottom: torch.Tensor, pooled: Sequence[torch.Tensor]) -> torch.Tensor:
        stacked = torch.stack([bottom, *pooled], dim=1)  # (B, T + 1, dim)
        products = torch.bmm(stacked, stacked.transpose(1, 2))
        return torch.cat([bottom, products[:, later, earlier]], dim=1)

    return DenseFunctions(
        backend=f"torch {torch.__version__}",
        native=torch.from_numpy,
        bottom_mlp=sequential(dense.bottom, torch.nn.ReLU),
        interaction=dot if dense.model.interaction == "dot" else cat,
        top_mlp=sequential(dense.top, torch.nn.Sigmoid),
    )


def _answer(request: dict[str, Any], wait: Callable[[], Any]) -> list[Samples]:
    """Do in the fresh process what `FreshProcess` asks for: load, ``wait``, time."""
    points = [Point(RecModel.model_validate(model), batch) for model, batch in request["points"]]
    dense = [make_dense(point.model, point.batch_size) for point in points]
    gc.disable()
    if request["backend"] == "numpy":
        wait()
        return [time_parts(numpy_functions(d), d, request["repeats"], Clocks()) for d in dense]
    import torch

    torch.set_num_threads(request["threads"])
    torch.set_num_interop_threads(1)
    with torch.inference_mode():
        functions = [torch_functions(d) for d in dense]
        wait()
        return [time_parts(f, d, request["repeats"], Clocks()) for f, d in zip(functions, dense, strict=True)]


if __name__ == "__main__":
    answers = _answer(json.loads(sys.stdin.readline()), sys.stdin.readline)
    sys.stdout.write(json.dumps([answer._asdict() for answer in answers]) + "\n")
