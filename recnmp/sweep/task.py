"""One point on a worker: a configuration in, a result document or a failure out."""

import os
import resource
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recnmp._threads import limit_threads
from recnmp.config import load_config_dict
from recnmp.errors import RecnmpError
from recnmp.simulate import simulate
from recnmp.sweep.traces import shared_trace
from recnmp.sweep.version import code_version


@dataclass(frozen=True)
class Task:
    """What a worker needs: small, for traces are read where the work is done."""

    key: str
    config: dict[str, Any]
    trace_digest: str
    code: str
    unpacked: str | None
    """Folder of unpacked traces; None: read the trace's own file."""


@dataclass(frozen=True)
class Outcome:
    """What a point came to: a result ``document``, or the ``error`` in a line and its ``traceback``.

    ``worker`` has the process id, the seconds the point took and the most memory the process ever held.
    """

    key: str
    document: dict[str, Any] | None
    error: str | None = None
    traceback: str | None = None
    worker: dict[str, Any] | None = None


class OtherVersionError(RecnmpError):
    """A worker has another version of the program than whoever asks: no figure of it may be kept."""


def ready() -> str:
    """Return the worker's version of the program; to be asked for it, a worker must have loaded it."""
    return code_version()


def run_on_one_core(task: Task) -> Outcome:
    """Do ``run_task`` on a worker, which has one core."""
    limit_threads(1)
    return run_task(task)


def run_task(task: Task) -> Outcome:
    """Simulate one point; whatever goes wrong in it is part of the outcome.

    Raises OtherVersionError alone: that is no fault of the point.
    """
    if code_version() != task.code:
        raise OtherVersionError("a worker runs another version of recnmp; install the same one everywhere")
    started = time.perf_counter()
    document = error = told = None
    folder = Path(task.unpacked) if task.unpacked else None
    try:
        config = load_config_dict(task.config, "point")
        document = simulate(
            config, read=lambda file, *batches: shared_trace(file, task.trace_digest, folder, *batches)
        ).to_dict()
    except Exception as caught:
        error = str(caught) if isinstance(caught, RecnmpError) else f"{type(caught).__name__}: {caught}"
        told = traceback.format_exc()
    worker = {
        "pid": os.getpid(),
        "seconds": time.perf_counter() - started,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    return Outcome(task.key, document, error, told, worker)
