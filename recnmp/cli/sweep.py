"""`sweep` and `compare`: many runs from one configuration, and what changed between two results."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recnmp.cli._base import DIR, cli, json_option, overrides_option, progress, show
from recnmp.errors import RecnmpError

if TYPE_CHECKING:
    from recnmp.sweep.plan import Plan
    from recnmp.sweep.run import Done

SECONDS_BETWEEN_LINES = 30.0
"""How often progress is told where standard error is no terminal."""


@cli.command()
@click.argument("config")
@overrides_option
@click.option(
    "--out", type=DIR, metavar="DIR", help="Folder of the sweep; what is done there is not run again."
)
@click.option(
    "--cluster",
    default="local",
    show_default=True,
    metavar="WHERE",
    help="local, none (this process), tcp://HOST:PORT of a running Dask scheduler, or slurm:PROFILE.yaml.",
)
@click.option("--workers", type=click.IntRange(1, 1024), help="Workers of the local cluster; one per core.")
@click.option(
    "--memory", metavar="SIZE", help="Bound for each local worker, such as '2 GiB'; its share by default."
)
@click.option("--retry", is_flag=True, help="Run points that failed once more.")
@click.option("--dry-run", is_flag=True, help="List the points and which are missing; run nothing.")
def sweep(
    config: str,
    *,
    overrides: tuple[str, ...],
    out: Path | None,
    cluster: str,
    workers: int | None,
    memory: str | None,
    retry: bool,
    dry_run: bool,
) -> None:
    """Run every point of CONFIG's `sweep` section that DIR lacks.

    Each point is kept as it ends; after an end of any kind the same command goes on from there. DIR gets tables as
    CSV and Parquet, a manifest, and a result.json of every point.
    """
    from recnmp.sweep.plan import make_plan
    from recnmp.units import parse_bytes

    if dry_run:
        _list(make_plan(config, overrides), out, retry)
        return
    if out is None:
        raise click.UsageError("--out DIR is needed; --dry-run alone does without")
    from recnmp.sweep.run import Where, run_sweep

    where = Where(cluster, workers, parse_bytes(memory) if memory is not None else None)
    with told_seldom() as tell:
        done = run_sweep(config, out, overrides, where=where, retry=retry, progress=tell)
    _report(done, out)


@cli.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@json_option
def compare(before: Path, after: Path, as_json: bool) -> None:
    """Show what changed from BEFORE to AFTER: configuration and figures.

    Both are results (a result.json or its folder), or both sweeps (their folders).
    """
    from recnmp.sweep.compare import compare as compared
    from recnmp.sweep.compare import lines

    document = compared(before, after)
    show(document, lines, as_json=as_json)


def _list(plan: "Plan", out: Path | None, retry: bool) -> None:
    from recnmp.sweep.store import Store

    missing = 0
    for point in plan.points:
        lacks = out is None or not Store(out).has(point.key, errors=not retry)
        missing += lacks
        options = {**point.options, **({} if point.seed is None else {"seed": point.seed})}
        told = " ".join(f"{name}={json.dumps(value)}" for name, value in options.items())
        click.echo(f"{point.key}  {'to run' if lacks else 'done':<6}  {told}")
    click.echo(f"{len(plan.points)} points, {missing} to run", err=True)


def _report(done: "Done", out: Path) -> None:
    click.echo(f"{done.points} points: {done.run} run now, {done.points - len(done.failed)} of all done")
    for key, error in done.failed.items():
        click.echo(f"failed: {key}: {error.splitlines()[0]} ({out}/errors/{key}.txt)")
    click.echo(f"tables: {', '.join(path.name for path in done.tables)} in {out}")
    if done.failed:
        raise RecnmpError(f"{len(done.failed)} of {done.points} points failed; `--retry` runs them again")


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
