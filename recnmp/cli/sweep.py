"""`sweep` and `compare`: many runs from one configuration, and what changed between two results."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recnmp.cli._base import DIR, cli, json_option, overrides_option, show
from recnmp.cli._points import told_seldom, where_options
from recnmp.errors import RecnmpError

if TYPE_CHECKING:
    from recnmp.sweep.plan import Plan
    from recnmp.sweep.run import Done
    from recnmp.sweep.runner import Where


@cli.command()
@click.argument("config")
@overrides_option
@click.option(
    "--out", type=DIR, metavar="DIR", help="Folder of the sweep; what is done there is not run again."
)
@where_options
@click.option("--retry", is_flag=True, help="Run points that failed once more.")
@click.option("--dry-run", is_flag=True, help="List the points and which are missing; run nothing.")
def sweep(
    config: str,
    *,
    overrides: tuple[str, ...],
    out: Path | None,
    where: "Where",
    retry: bool,
    dry_run: bool,
) -> None:
    """Run every point of CONFIG's `sweep` section that DIR lacks.

    Each point is kept as it ends; after an end of any kind the same command goes on from there. DIR gets tables as
    CSV and Parquet, a manifest, and a result.json of every point.
    """
    from recnmp.sweep.plan import make_plan

    if dry_run:
        _list(make_plan(config, overrides), out, retry)
        return
    if out is None:
        raise click.UsageError("--out DIR is needed; --dry-run alone does without")
    from recnmp.sweep.run import run_sweep

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
