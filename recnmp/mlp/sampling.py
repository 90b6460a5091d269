"""Samples of how long a call takes on the CPU, and of every operator of a dense part."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from recnmp.mlp.operators import Operator, run
from recnmp.mlp.process import Samples

WARM_UP = 10
"""Untimed calls before the first sample."""

SAMPLE_NS = 500_000
"""A sample lasts at least this long: shorter calls are repeated within it, and the clock costs little."""


class Clocks(NamedTuple):
    """Wall clock and CPU clock of this process [ns]."""

    wall: Callable[[], int] = time.perf_counter_ns
    cpu: Callable[[], int] = time.process_time_ns


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


def time_parts(
    chain: Sequence[Operator],
    values: Mapping[str, Any],
    repeats: int,
    clocks: Clocks,
    backend: str,
) -> Samples:
    """Time the operators one by one, each on what it reads when all of them run on ``values``."""
    _, given = run(chain, values)
    wall, cpu = clocks.wall(), clocks.cpu()
    parts = {
        operator.name: time_call(_bound(operator, given[operator.name]), repeats, clocks.wall)
        for operator in chain
    }
    return Samples(backend, parts, clocks.cpu() - cpu, max(clocks.wall() - wall, 1), started_ns=wall)


def _bound(operator: Operator, given: tuple[Any, ...]) -> Callable[[], Any]:
    return lambda: operator.call(*given)
