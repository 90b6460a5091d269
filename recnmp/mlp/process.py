"""The fresh process that times something on this machine: started, asked, ended.

Each measurement runs in a process of its own: thread counts of matrix libraries can only be set honestly before
they start, a process that has just simulated is not a quiet one, and the caller's own settings stay as they
are. Waiting threads sleep (``OMP_WAIT_POLICY=PASSIVE``), since spinning ones slow a shared machine down by
orders of magnitude.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from recnmp._registry import PACKAGE
from recnmp._threads import available_cores
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.device import ArithmeticDtype
from recnmp.library.model import RecModel
from recnmp.mlp.dense import make_dense

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

RUNNING = "running"
"""What a process that was told to go says once it does its work."""

REFUSED = 2
"""Exit status of a process that cannot do what was asked, as of the command line."""


class How(NamedTuple):
    """How the dense part is timed; ``clock`` cpu leaves out when other work had the core, for one thread."""

    backend: str = "auto"
    threads: int = 1
    repeats: int = 30
    device: Literal["cpu", "cuda"] = "cpu"
    dtype: ArithmeticDtype = "fp32"
    compiled: bool = False
    clock: Literal["wall", "cpu"] = "wall"


class Samples(NamedTuple):
    """One process's samples for one model and batch size: ns per call by part, and the clocks' totals.

    ``kernel_only`` are samples without launches, of a GPU, which ``gpu`` names; ``started_ns`` is of the
    monotonic clock that all processes of a machine share.
    """

    backend: str
    parts: dict[str, list[float]]
    cpu_ns: int
    wall_ns: int
    started_ns: int = 0
    kernel_only: dict[str, list[float]] | None = None
    gpu: str | None = None


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


def check_threads(threads: int, name: str = "mlp.threads") -> None:
    """Raise ConfigError for a number of threads that this machine has no cores for."""
    cores = available_cores()
    if not 1 <= threads <= cores:
        raise ConfigError(f"{name}: {threads} asked, allowed: 1 to {cores} (the cores of this machine)")


def checked(how: How) -> How:
    """Return ``how`` with its backend chosen; raises ConfigError for what cannot be done here."""
    check_threads(how.threads)
    chosen = how._replace(backend=choose_backend(how.backend))
    for wanted, name in ((how.device, "device"), (how.dtype, "dtype"), (how.compiled, "compiled")):
        if chosen.backend == "numpy" and wanted not in ("cpu", "fp32", False):
            raise ConfigError(
                f"{name} {wanted}: NumPy computes in fp32 on the CPU, uncompiled; torch may do it"
            )
    if how.clock == "cpu" and (how.threads > 1 or how.device == "cuda"):
        raise ConfigError("clock cpu: that of one thread on the CPU; allowed here: wall")
    return chosen


class Asked:
    """A new process of ``module``, which reads ``request`` as a line of JSON, prepares, and waits for a line.

    Its answer is the last line of its standard output. ``what`` names the work in errors.
    """

    def __init__(self, module: str, request: Mapping[str, Any], *, threads: int, what: str) -> None:
        self._what = what
        environment = dict(os.environ) | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *filter(None, sys.path)])
        command = [sys.executable, "-P", "-m", module]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
        except OSError as error:
            raise RecnmpError(f"{what} failed: {error}") from None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            # the process has died and says why when it is asked; nothing unsent may be left to fail again
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.stdin = None

    def go(self) -> None:
        """Tell the process to begin, and wait until it says that it does; raises as `answer` when it ends."""
        assert self._process.stdout is not None
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write("go\n")
                self._process.stdin.flush()
        if self._process.stdout.readline().strip() != RUNNING:
            self.answer()
            raise RecnmpError(f"{self._what} failed: its process gave no answer")

    def answer(self) -> Any:
        """Say the word, and return the answer.

        Raises ConfigError when the process refuses what was asked, RecnmpError when it fails.
        """
        try:
            output, errors = self._process.communicate("now\n")
            if self._process.returncode == 0:
                return json.loads(output.splitlines()[-1])
            reason = (
                errors.strip().rpartition("\n")[2] or f"its process ended with {self._process.returncode}"
            )
            if self._process.returncode == REFUSED:
                raise ConfigError(reason)
        except OSError as error:
            reason = str(error)
        except (ValueError, IndexError):
            reason = "its process gave no answer"
        raise RecnmpError(f"{self._what} failed: {reason}")

    def close(self) -> None:
        """End the process, whether or not it has answered."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()


class FreshProcess:
    """A new process that has loaded its matrix library and waits for the word to time ``points``."""

    def __init__(self, points: Sequence[Point], how: How) -> None:
        how = checked(how)
        if how.repeats < 3 or any(point.batch_size < 1 for point in points):
            raise ConfigError(
                "timing the dense part needs at least 3 repeats and a batch of at least 1 sample"
            )
        for point in points:
            make_dense(point.model, 1)  # a model that cannot be built is the user's error, not the process's
        request = {
            "how": how._asdict(),
            "points": [[point.model.model_dump(mode="json"), point.batch_size] for point in points],
        }
        self._asked = Asked("recnmp.mlp.measured", request, threads=how.threads, what="timing the dense part")

    def samples(self) -> list[Samples]:
        """Time every point now; raises RecnmpError when the process fails."""
        try:
            return [Samples(**answer) for answer in self._asked.answer()]
        except TypeError:
            raise RecnmpError("timing the dense part failed: its process gave no answer") from None

    def close(self) -> None:
        """End the process, whether or not it has timed anything."""
        self._asked.close()


def sample_in_fresh_process(points: Sequence[Point], how: How) -> list[Samples]:
    """Time every point in one new process; raises as `measure_mlp` does."""
    process = FreshProcess(points, how)
    try:
        return process.samples()
    finally:
        process.close()
