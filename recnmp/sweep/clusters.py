"""Where points are run: in this process, on an embedded cluster, a running one, or one that Slurm starts.

All but the first need Dask's ``distributed`` (extra ``dist``). A worker that dies loses the point it was at, which
another worker then starts anew; a point that kills worker after worker is given up and counts as failed.
"""

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recnmp._threads import available_cores
from recnmp.errors import ConfigError, RecnmpError
from recnmp.sweep.slurm import read_profile, slurm_cluster
from recnmp.sweep.task import Outcome, Task, ready, run_on_one_core, run_task

Run = Callable[[Sequence[Task]], Iterator[Outcome]]

JOIN_SECONDS = 600
"""How long the first worker of a cluster may take to come up; a queue may be full."""

CONNECT_SECONDS = 20


@contextmanager
def workers(
    cluster: str, count: int | None = None, memory_bytes: int | None = None
) -> Generator[tuple[Run, Callable[[], int]]]:
    """Yield a function that runs tasks, and one that says how many workers there are.

    ``cluster`` is ``local``, ``none``, ``tcp://HOST:PORT`` or ``slurm:PROFILE.yaml``; ``count`` and ``memory_bytes``
    (of each worker) are for ``local``. Raises ConfigError for what cannot be meant, RecnmpError where no
    worker comes up.
    """
    if cluster != "local" and (count is not None or memory_bytes is not None):
        raise ConfigError(f"--workers and --memory are for the embedded cluster, not for --cluster {cluster}")
    if cluster == "none":
        yield (lambda tasks: map(run_task, tasks)), lambda: 1
        return
    kind = cluster.partition(":")[0]
    if kind not in ("local", "tcp", "tls", "slurm"):
        raise ConfigError(f"--cluster {cluster}: must be local, none, tcp://HOST:PORT or slurm:PROFILE.yaml")
    profile = read_profile(Path(cluster.partition(":")[2])) if kind == "slurm" else None
    _needs("distributed", f"--cluster {cluster}")
    with contextlib.ExitStack() as stack:
        if profile is not None:
            _needs("dask_jobqueue", f"--cluster {cluster}")
            address: Any = stack.enter_context(slurm_cluster(profile))
        else:
            address = stack.enter_context(_embedded(count, memory_bytes)) if kind == "local" else cluster
        yield from _connected(address, stack)


def _connected(address: Any, stack: contextlib.ExitStack) -> Iterator[tuple[Run, Callable[[], int]]]:
    distributed = importlib.import_module("distributed")
    try:
        client = stack.enter_context(
            distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        )
    except (OSError, ValueError) as error:
        told = " ".join(str(error).split())
        raise RecnmpError(f"--cluster {address}: no scheduler answers: {told}") from None
    try:
        client.wait_for_workers(1, timeout=JOIN_SECONDS)
    except TimeoutError:
        raise RecnmpError(f"no worker came up within {JOIN_SECONDS} s") from None
    try:
        client.run(ready)  # loads the program where it will run; workers that come later load it themselves
    except ImportError as error:
        raise RecnmpError(f"a worker cannot load recnmp: {error}; install it everywhere") from None
    yield (lambda tasks: _run(client, tasks)), lambda: len(client.nthreads())


@contextmanager
def _embedded(count: int | None, memory_bytes: int | None) -> Iterator[Any]:
    dask, distributed = importlib.import_module("dask"), importlib.import_module("distributed")
    # a worker that dies is news for the log of a cluster, not for who started the sweep: its point is run again
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 3}),
        distributed.LocalCluster(
            n_workers=count or available_cores(),
            threads_per_worker=1,
            memory_limit=memory_bytes or "auto",
            dashboard_address=None,
            scheduler_kwargs={
                "dashboard_address": "127.0.0.1:0"
            },  # else it warns where two sweeps run at once
            host="127.0.0.1",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


def _run(client: Any, tasks: Sequence[Task]) -> Iterator[Outcome]:
    """Yield outcomes as they come in; the scheduler forgets each at once."""
    distributed = importlib.import_module("distributed")
    futures = client.map(run_on_one_core, tasks, key=[f"recnmp-{task.key}" for task in tasks], pure=True)
    keys = {future.key: task.key for future, task in zip(futures, tasks, strict=True)}
    waiting = distributed.as_completed(futures, loop=client.loop)
    del futures
    for future in waiting:
        error = future.exception() if future.status == "error" else None
        if isinstance(error, distributed.scheduler.KilledWorker):
            told = "its workers died: killed, or over their memory limit"
            yield Outcome(keys[future.key], None, told, f"{told}\n{error}\n")
        elif isinstance(error, RecnmpError):
            raise error
        elif error is not None or future.status != "finished":
            raise RecnmpError(f"the cluster failed: {error or future.status}")
        else:
            yield future.result()
        future.release()


def _needs(module: str, what: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"{what} needs {module}: pip install 'recnmp[dist]'; --cluster none needs nothing")
