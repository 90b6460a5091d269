"""Samples of how long a call takes on the CPU, and of every operator of a dense part."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

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


def time_call(call: Callable[[], Any], repeats: int, clock: Callable[[], int]) -> list[float]:
    """Return ``repeats`` samples of the time of ``call`` [ns] by ``clock``, after warm-up."""
    shortest = SAMPLE_NS
    for _ in range(WARM_UP):
        start = clock()
        call()
        shortest = min(shortest, max(clock() - start, 1))
    calls = math.ceil(SAMPLE_NS / shortest)
    samples = []
    for _ in range(repeats):
        start = clock()
        for _ in range(calls):
            call()
        samples.append((clock() - start) / calls)
    return samples


def time_parts(
    chain: Sequence[Operator],
    values: Mapping[str, Any],
    repeats: int,
    clocks: Clocks,
    backend: str,
    by: Literal["wall", "cpu"] = "wall",
) -> Samples:
    """Time the operators one by one, each on what it reads when all of them run on ``values``."""
    _, given = run(chain, values)
    clock = clocks.cpu if by == "cpu" else clocks.wall
    wall, cpu = clocks.wall(), clocks.cpu()
    parts = {
        operator.name: time_call(_bound(operator, given[operator.name]), repeats, clock) for operator in chain
    }
    return Samples(backend, parts, clocks.cpu() - cpu, max(clocks.wall() - wall, 1), started_ns=wall)


def _bound(operator: Operator, given: tuple[Any, ...]) -> Callable[[], Any]:
    return lambda: operator.call(*given)
