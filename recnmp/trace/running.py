"""Targets run under capture: from a name on the command line to a trace, its proof and what capture cost."""

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recnmp.errors import ConfigError
from recnmp.trace.skeleton import write_skeleton
from recnmp.trace.storage import save_trace
from recnmp.trace.targets import Target, find_target
from recnmp.trace.trace import Trace
from recnmp.units import TableDtype

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Overhead:
    """What capture cost [s].

    ``start_s`` is the time to begin, mostly that of loading PyTorch's compiler to hold it back; ``own_s`` that
    of reading, recording and checking calls; ``captured_s`` that of the whole run after the start.
    ``uncaptured_s`` is a run without capture, just before and after one to warm up; None unless asked for.
    """

    start_s: float
    own_s: float
    captured_s: float
    uncaptured_s: float | None = None

    @property
    def factor(self) -> float | None:
        """Captured over uncaptured time."""
        return None if self.uncaptured_s is None else self.captured_s / self.uncaptured_s

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; ``factor`` None where it was not measured."""
        return {
            "start_s": round(self.start_s, 6),
            "own_s": round(self.own_s, 6),
            "captured_s": round(self.captured_s, 6),
            "uncaptured_s": None if self.uncaptured_s is None else round(self.uncaptured_s, 6),
            "factor": None if self.factor is None else round(self.factor, 3),
        }


@dataclass(frozen=True)
class Captured:
    """A captured run.

    Attributes:
        trace: its lookups.
        check: calls and bags that the replay reproduced, and the largest difference; None if not checked.
        overhead: what capture cost.
        notes: what whoever reads the trace should know of the run.
    """

    trace: Trace
    check: dict[str, Any] | None
    overhead: Overhead
    notes: tuple[str, ...]


def capture_target(
    target: str,
    *,
    arguments: Sequence[str] = (),
    out: Path | None = None,
    batches: int | None = None,
    batch_size: int | None = None,
    seed: int = 1,
    check: bool = True,
    progress: Progress | None = None,
) -> Trace:
    """Run ``target`` under capture and return its trace; arguments and errors as for ``run_captured``."""
    return run_captured(
        target,
        arguments=arguments,
        out=out,
        batches=batches,
        batch_size=batch_size,
        seed=seed,
        check=check,
        progress=progress,
    ).trace


def run_captured(
    target: str,
    *,
    arguments: Sequence[str] = (),
    out: Path | None = None,
    model_out: Path | None = None,
    batches: int | None = None,
    batch_size: int | None = None,
    seed: int = 1,
    check: bool = True,
    table_dtype: TableDtype | None = None,
    measure_overhead: bool = False,
    progress: Progress | None = None,
) -> Captured:
    """Run ``target`` under capture and return its trace and all about it.

    Args:
        target: ``zoo:NAME`` (a file of library/models), ``SCRIPT.py [ARGUMENTS]``, or ``MODULE:FACTORY``,
            where ``FACTORY()`` returns a model and an iterable of inputs (tuple: positional, dict: by name).
        arguments: further arguments of a script.
        out: trace file to write.
        model_out: model file to write, for ``model:`` of a configuration; its dense part is left to the user.
        batches: batches to run; all when None, 8 for the zoo.
        batch_size: samples in a batch of the zoo, 64 when None; a script or factory has its own.
        seed: of the zoo's inputs; for scripts and factories, of the random generators of Python, NumPy and
            PyTorch before the start.
        check: replay every call by NumPy and compare it with the model's own result.
        table_dtype: as what to record tables of types that a trace does not have; an error when None.
        measure_overhead: run the target twice more, without capture, and say in the trace how long both took.
        progress: called with a line of text when a batch begins.

    Raises ConfigError for a target that does not exist or options that do not fit it, RecnmpError when it
    fails, makes no embedding lookups, or the check finds a difference.
    """
    for file in (out, model_out):
        if file is not None and not Path(file).parent.is_dir():
            raise ConfigError(f"{file}: there is no folder {Path(file).parent} to write to")
    what = find_target(target, batches=batches, batch_size=batch_size, seed=seed, arguments=arguments)
    if measure_overhead and what.ends_early:
        raise ConfigError(f"{target}: the overhead of a script is that of its whole run; leave out --batches")
    uncaptured = None
    if measure_overhead:
        _timed(what, seed, None)
        _, uncaptured = _timed(what, seed, None)
    captured, layers = _run(what, target, seed, uncaptured, progress, check=check, table_dtype=table_dtype)
    if out is not None:
        save_trace(captured.trace, out)
    if model_out is not None:
        write_skeleton(captured.trace, layers, model_out)
    return captured


def _run(
    what: Target, target: str, seed: int, uncaptured: float | None, progress: Progress | None, **how: Any
) -> tuple[Captured, list[tuple[int, int]]]:
    from recnmp.trace.capture import Capture  # PyTorch

    def on_batch(number: int) -> None:
        if progress is not None:
            progress(f"{target}: batch {number + 1}" + (f" of {what.batches}" if what.batches else ""))

    capture = Capture(what.batches, on_batch, **how)
    start, seconds = _timed(what, seed, capture)
    overhead = Overhead(start, capture.own_seconds, seconds, uncaptured)
    about: dict[str, Any] = {}
    proof = capture.proof
    if proof is not None and what.uses_global_seed:  # a zoo trace is the same bytes wherever it is made
        about["replayed_calls"] = proof.calls
    if capture.recorded_as:
        about["recorded_as"] = capture.recorded_as
    if uncaptured is not None:
        about["overhead"] = overhead.to_dict()
    trace = capture.trace({**what.meta, **({"capture": about} if about else {})})
    checked = None
    if proof is not None:
        checked = {
            "calls": proof.calls,
            "bags": proof.bags,
            "incomparable_bags": proof.incomparable,
            "largest_difference": proof.largest_difference,
        }
    return Captured(trace, checked, overhead, tuple(capture.notes)), capture.linear_layers


def _timed(what: Target, seed: int, capture: Any) -> tuple[float, float]:
    """Return the seconds of the start and of a run, under ``capture`` unless that is None."""
    watched: Any = contextlib.nullcontext() if capture is None else capture
    before = begin = time.perf_counter()
    with watched:
        begin = time.perf_counter()
        if what.uses_global_seed:
            _seed(seed)
        what.run((lambda: None) if capture is None else capture.new_batch)
    return begin - before, time.perf_counter() - begin


def _seed(seed: int) -> None:
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the script's own draws, wherever it makes them
    torch.manual_seed(seed)
