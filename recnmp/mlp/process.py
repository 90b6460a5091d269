"""The fresh process that times the dense part of models, ``recnmp.mlp.measured``: started, asked, ended."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from recnmp._registry import PACKAGE
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.device import available_cores
from recnmp.library.model import RecModel
from recnmp.mlp.dense import make_dense

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class Samples(NamedTuple):
    """One process's samples for one model and batch size: ns per call by part, and the clocks' totals."""

    backend: str
    parts: dict[str, list[float]]
    cpu_ns: int
    wall_ns: int


class Point(NamedTuple):
    """What to time: a model at a batch size."""

    model: RecModel
    batch_size: int


def choose_backend(backend: str, torch_installed: bool | None = None) -> str:
    """Return ``torch`` or ``numpy``; raises ConfigError for a torch that is asked for and not installed."""
    if torch_installed is None:
        torch_installed = importlib.util.find_spec("torch") is not None
    if backend == "auto":
        return "torch" if torch_installed else "numpy"
    if backend not in ("torch", "numpy"):
        raise ConfigError(f"mlp.backend: unknown backend {backend!r}; allowed: auto, numpy, torch")
    if backend == "torch" and not torch_installed:
        raise ConfigError(
            "mlp.backend: torch is not installed; pip install 'recnmp[torch]', or use auto or numpy"
        )
    return backend


class FreshProcess:
    """A new process that has loaded its matrix library and waits for the word to time ``points``."""

    def __init__(self, points: Sequence[Point], *, backend: str, threads: int, repeats: int) -> None:
        cores = available_cores()
        if not 1 <= threads <= cores:
            raise ConfigError(
                f"mlp.threads: {threads} asked, allowed: 1 to {cores} (the cores of this machine)"
            )
        if repeats < 3 or any(point.batch_size < 1 for point in points):
            raise ConfigError(
                "timing the dense part needs at least 3 repeats and a batch of at least 1 sample"
            )
        for point in points:
            make_dense(point.model, 1)  # a model that cannot be built is the user's error, not the process's
        request = {
            "backend": choose_backend(backend),
            "threads": threads,
            "repeats": repeats,
            "points": [[point.model.model_dump(mode="json"), point.batch_size] for point in points],
        }
        environment = dict(os.environ) | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *filter(None, sys.path)])
        command = [sys.executable, "-P", "-m", "recnmp.mlp.measured"]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
        except OSError as error:
            raise RecnmpError(f"timing the dense part failed: {error}") from None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            # the process has died and says why when it is asked; nothing unsent may be left to fail again
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdin = None

    def samples(self) -> list[Samples]:
        """Time every point now; raises RecnmpError when the process fails."""
        try:
            output, errors = self._process.communicate("now\n")
            if self._process.returncode == 0:
                return [Samples(**answer) for answer in json.loads(output.splitlines()[-1])]
            reason = (
                errors.strip().rpartition("\n")[2] or f"its process ended with {self._process.returncode}"
            )
        except OSError as error:
            reason = str(error)
        except (ValueError, IndexError, TypeError):
            reason = "its process gave no answer"
        raise RecnmpError(f"timing the dense part failed: {reason}")

    def close(self) -> None:
        """End the process, whether or not it has timed anything."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()


def sample_in_fresh_process(
    points: Sequence[Point], *, backend: str, threads: int, repeats: int
) -> list[Samples]:
    """Time every point in one new process; raises as `measure_mlp` does."""
    process = FreshProcess(points, backend=backend, threads=threads, repeats=repeats)
    try:
        return process.samples()
    finally:
        process.close()
