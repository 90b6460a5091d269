"""`trace capture` and `trace inspect`."""

import json
import sys
from pathlib import Path

import click

from recnmp.cli._base import FILE, cli, counted, json_option, progress


@cli.group()
def trace() -> None:
    """Capture and inspect traces of embedding accesses."""


@trace.command()
@click.argument("target")
@click.option(
    "--out", type=FILE, metavar="FILE", help="Trace to write; by default TARGET's name with .parquet."
)
@click.option("--batches", type=click.IntRange(min=1), help="Batches to run; by default all, 8 of the zoo.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Samples in a batch of the zoo.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the inputs.")
def capture(target: str, out: Path | None, batches: int | None, batch_size: int | None, seed: int) -> None:
    """Run TARGET and write every embedding access that it makes.

    TARGET is zoo:NAME (see `recnmp list models`), 'SCRIPT.py ARGUMENTS', or MODULE:FACTORY where FACTORY()
    returns a model and its inputs. The model runs as it is; what it prints goes to standard error.
    """
    from recnmp.trace.capture import capture_target

    first = (target.split() or [""])[0]
    file = out or Path(f"{Path(first.rpartition(':')[2]).stem}.parquet")
    with progress() as show:
        captured = capture_target(
            target, out=file, batches=batches, batch_size=batch_size, seed=seed, progress=show
        )
    counts = {"lookup": captured.lookups, "bag": captured.bags, "table": len(captured.tables)}
    click.echo(f"{file}: {', '.join(counted(counts | {'batch': captured.batches}))}")


@trace.command()
@click.argument("file", type=FILE)
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Show what is in trace FILE: tables, lookups, pooling, reuse."""
    from recnmp.trace.inspect import inspect_trace, print_inspection

    info = inspect_trace(file)
    if as_json:
        click.echo(json.dumps(info, indent=2))
    else:
        print_inspection(info, sys.stdout)
