"""Time the dense part of a model for real: on this CPU by torch or NumPy, or on its GPU by torch."""

import gc
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from recnmp.errors import ConfigError
from recnmp.library.machine import this_machine
from recnmp.library.model import RecModel
from recnmp.mlp.dense import Dense, make_dense
from recnmp.mlp.in_numpy import NumpyArithmetic
from recnmp.mlp.operators import Arithmetic, inputs, operators
from recnmp.mlp.process import REFUSED, FreshProcess, How, Point, Samples
from recnmp.mlp.sampling import Clocks, time_parts
from recnmp.mlp.timing import MlpTiming, part_from_samples


def measure_mlp(
    model: RecModel, batch_size: int, *, backend: str = "auto", threads: int = 1, repeats: int = 30
) -> MlpTiming:
    """Time every operator of ``model``'s dense part for one batch, separately, in a fresh process on this CPU.

    ``backend`` is ``torch``, ``numpy`` or ``auto`` (torch when installed); both do the same arithmetic in
    FP32. ``threads`` is the matrix library's. Each part gets ``repeats`` samples after warm-up.
    Raises ConfigError for a backend that is not installed or more threads than cores, RecnmpError when the
    measurement fails. Not modelled: caches emptied by the gather between two batches.
    """
    with Measurement(model, batch_size, How(backend, threads, repeats)) as measurement:
        return measurement.time()


class Measurement:
    """A measurement that is prepared beside other work and taken when the machine is quiet again.

    The errors are those of `measure_mlp`; leaving the context ends the process.
    """

    def __init__(self, model: RecModel, batch_size: int, how: How) -> None:
        self._point, self._how = Point(model, batch_size), how
        self._process = FreshProcess([self._point], how)

    def __enter__(self) -> "Measurement":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def time(self) -> MlpTiming:
        """Take the measurement, once."""
        return timing_from_samples(self._point, [self._process.samples()[0]], self._how)


def timing_from_samples(point: Point, runs: Sequence[Samples], how: How) -> MlpTiming:
    """Pool the samples of one or more processes on this machine into one timing."""

    def pooled(of_run: Callable[[Samples], dict[str, list[float]]]) -> dict[str, Any]:
        return {
            name: part_from_samples([ns for run in runs for ns in of_run(run)[name]])
            for name in of_run(runs[0])
        }

    busy = sum(run.cpu_ns for run in runs) / sum(run.wall_ns * how.threads for run in runs)
    return MlpTiming(
        model=point.model.name,
        batch_size=point.batch_size,
        parts=pooled(lambda run: run.parts),
        kernel_only=pooled(lambda run: run.kernel_only or {}) or None,
        method="measured",
        backend=runs[0].backend,
        threads=how.threads,
        machine=this_machine(runs[0].gpu),
        cpu_share=None if how.device == "cuda" else round(busy, 3),
        device_kind=how.device,
        dtype=how.dtype,
        compiled=how.compiled,
        clock=how.clock,
    )


def _answer(request: dict[str, Any], wait: Callable[[], Any]) -> list[Samples]:
    """Do in the fresh process what `FreshProcess` asks for: load, ``wait``, time."""
    points = [Point(RecModel.model_validate(model), batch) for model, batch in request["points"]]
    dense = [make_dense(point.model, point.batch_size) for point in points]
    how = How(**request["how"])
    gc.disable()
    if how.backend == "numpy":
        wait()
        return [_on_cpu(d, NumpyArithmetic(), how) for d in dense]
    import torch

    torch.set_num_threads(how.threads)
    torch.set_num_interop_threads(1)
    from recnmp.mlp.in_torch import TorchArithmetic

    if how.device == "cuda":
        from recnmp.mlp.on_gpu import CudaGpu, time_on_gpu

        gpu = CudaGpu()
        arithmetic: Arithmetic = TorchArithmetic(how.dtype, "cuda", how.compiled)
        wait()
        with torch.inference_mode():
            return [time_on_gpu(d, arithmetic, gpu, how.repeats) for d in dense]
    arithmetic = TorchArithmetic(how.dtype, "cpu", how.compiled)
    wait()
    with torch.inference_mode():
        return [_on_cpu(d, arithmetic, how) for d in dense]


def _on_cpu(dense: Dense, arithmetic: Arithmetic, how: How) -> Samples:
    chain, values = operators(dense, arithmetic), inputs(dense, arithmetic)
    return time_parts(chain, values, how.repeats, Clocks(), arithmetic.backend, how.clock)


def main() -> None:
    """Answer the request on standard input."""
    try:
        answers = _answer(json.loads(sys.stdin.readline()), sys.stdin.readline)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(REFUSED) from None
    sys.stdout.write(json.dumps([answer._asdict() for answer in answers]) + "\n")


if __name__ == "__main__":
    main()
