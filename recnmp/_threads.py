"""How many threads a simulation may use, and work done by several of them. No result depends on their number."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from recnmp.errors import ConfigError

VARIABLE = "RECNMP_THREADS"
Made = TypeVar("Made")
_most: list[int] = []  # of this process, where somebody has said it


def available_cores(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the cores this process may run on, as its affinity and a container's quota (cgroups) have it."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _microseconds(groups / "cpu.max") or [
        *_microseconds(groups / "cpu" / "cpu.cfs_quota_us"),
        *_microseconds(groups / "cpu" / "cpu.cfs_period_us"),
    ]
    return max(1, min(cores, quota[0] // quota[1])) if len(quota) == 2 else cores


def _microseconds(file: Path) -> list[int]:
    """Return the numbers in a file of cgroups; none where it is not there, or where there is no limit."""
    try:
        words = file.read_text().split()
    except OSError:
        return []
    return [int(word) for word in words] if all(word.isdecimal() for word in words) else []


def limit_threads(count: int) -> None:
    """Let simulations in this process use ``count`` threads: for a process that shares its cores with others."""
    _most[:] = [max(count, 1)]


def most_threads() -> int:
    """Return how many threads a simulation may use: what was said last, else RECNMP_THREADS, else one per core.

    Raises ConfigError for a RECNMP_THREADS that is no number from 1 on.
    """
    asked = os.environ.get(VARIABLE, "")
    if _most or not asked:
        return _most[0] if _most else available_cores()
    if not (asked.isdecimal() and int(asked)):
        raise ConfigError(f"{VARIABLE}: {asked!r} asked, allowed: a number of threads, 1 or more")
    return int(asked)


def side_by_side(run: Callable[..., Made], *given: Iterable[Any]) -> list[Made]:
    """Return what ``run`` makes of each of ``given``, in order, as ``map`` does, in as many threads as allowed."""
    calls = list(zip(*given, strict=True))
    threads = min(most_threads(), len(calls))
    if threads <= 1:  # a thread costs as much as thousands of requests
        return [run(*call) for call in calls]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda call: run(*call), calls))


def process_pool(processes: int) -> ProcessPoolExecutor:
    """Return a pool of ``processes`` new processes that share the cores between them."""
    share = most_threads() // processes
    return ProcessPoolExecutor(processes, get_context("spawn"), limit_threads, (share,))
