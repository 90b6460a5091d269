"""What `sweep` and `search` share: where points are run, and how progress is told."""

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from recnmp.cli._base import progress

SECONDS_BETWEEN_LINES = 30.0
"""How often progress is told where standard error is no terminal."""


def where_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a cluster to ``command``, which gets them as ``where``."""

    @click.option(
        "--cluster",
        default="local",
        show_default=True,
        metavar="WHERE",
        help="local, none (this process), tcp://HOST:PORT of a running Dask scheduler, or slurm:PROFILE.yaml.",
    )
    @click.option(
        "--workers", type=click.IntRange(1, 1024), help="Workers of the local cluster; one per core."
    )
    @click.option(
        "--memory", metavar="SIZE", help="Bound for each local worker, such as '2 GiB'; its share by default."
    )
    @functools.wraps(command)
    def with_where(*, cluster: str, workers: int | None, memory: str | None, **options: Any) -> None:
        from recnmp.sweep.runner import Where
        from recnmp.units import parse_bytes

        where = Where(cluster, workers, parse_bytes(memory) if memory is not None else None)
        command(where=where, **options)

    return with_where


@contextmanager
def told_seldom() -> Iterator[Callable[[str], None]]:
    """Yield what tells progress on standard error: always the newest on a terminal, now and then a line elsewhere."""
    last = "", -SECONDS_BETWEEN_LINES

    def seldom(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last[1] >= SECONDS_BETWEEN_LINES:
            click.echo(text, err=True)
            last = "", now
        else:
            last = text, last[1]

    with progress() as tell:
        try:
            yield tell or seldom
        finally:
            if last[0] and not sys.stderr.isatty():
                click.echo(last[0], err=True)
