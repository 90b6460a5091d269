"""`trace capture` and `trace inspect`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from recnmp._registry import library_names
from recnmp.cli._base import FILE, cli, counted, json_option, progress
from recnmp.units import TableDtype

if TYPE_CHECKING:
    from recnmp.trace.running import Captured

EVERY_MODEL = "zoo:all"


@cli.group()
def trace() -> None:
    """Capture, inspect and convert traces of embedding accesses."""


@trace.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Trace to write; by default TARGET's name with .parquet.",
)
@click.option(
    "--model", type=FILE, metavar="FILE", help="Model file to write: the tables that were captured."
)
@click.option("--batches", type=click.IntRange(min=1), help="Batches to run; by default all, 8 of the zoo.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Samples in a batch of the zoo.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the inputs.")
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Replay every call by NumPy and compare it with the model's own result.",
)
@click.option(
    "--table-dtype",
    type=click.Choice(get_args(TableDtype)),
    help="Record tables of types that a trace does not have (FP16, 4 bits, ...) as of this one.",
)
@click.option(
    "--overhead", is_flag=True, help="Run TARGET twice more, without capture, and compare the times."
)
@json_option
def capture(
    target: str,
    arguments: tuple[str, ...],
    *,
    out: Path | None,
    model: Path | None,
    overhead: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run TARGET and write every embedding access that it makes.

    TARGET is zoo:NAME (see `recnmp list models`; zoo:all is all of them, and FILE a folder), SCRIPT.py followed
    by its own arguments (after -- where they are named like options here), or MODULE:FACTORY where FACTORY()
    returns a model and its inputs. The model runs as it is; what it prints goes to standard error.
    """
    from recnmp.trace.capture import run_captured

    if target == EVERY_MODEL and model is not None:
        raise click.UsageError(f"--model is of one target: {EVERY_MODEL} has its models in the library")
    documents = []
    for each, file in _targets(target, out):
        with progress() as show:
            captured = run_captured(
                each,
                arguments=arguments,
                out=file,
                model_out=model,
                measure_overhead=overhead,
                progress=show,
                **options,
            )
        documents.append(_capture_document(file, captured))
        for line in () if as_json else _capture_lines(file, captured):
            click.echo(line)
    if as_json:
        click.echo(json.dumps(documents if target == EVERY_MODEL else documents[0], indent=2))


def _targets(target: str, out: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield every target that ``target`` stands for, and the file of its trace."""
    if target != EVERY_MODEL:
        first = (target.split() or [""])[0]
        if out is not None and out.is_dir():
            raise click.UsageError(f"--out {out} is a folder: {target} writes one file")
        yield target, out or Path(f"{Path(first.rpartition(':')[2]).stem}.parquet")
        return
    folder = out or Path("zoo")
    folder.mkdir(parents=True, exist_ok=True)
    for name in library_names("models"):
        yield f"zoo:{name}", folder / f"{name}.parquet"


def _capture_lines(file: Path, captured: "Captured") -> Iterator[str]:
    """Yield what is to be known of a captured run."""
    made, cost = captured.trace, captured.overhead
    counts = {"lookup": made.lookups, "bag": made.bags, "table": len(made.tables), "batch": made.batches}
    yield f"{file}: {', '.join(counted(counts))}"
    if captured.check is None:
        yield "  not checked against the model's own results"
    else:
        checked = ", ".join(counted({"call": captured.check["calls"], "bag": captured.check["bags"]}))
        largest = captured.check["largest_difference"]
        yield f"  replayed by NumPy: {checked} equal the model's own, largest difference {largest:.3g}"
    share = cost.own_s / cost.captured_s if cost.captured_s else 0.0
    whole = (
        "" if cost.factor is None else f", {cost.factor:.2f} x the {cost.uncaptured_s:.3f} s without capture"
    )
    yield f"  capture: {share:.0%} of a run of {cost.captured_s:.3f} s{whole}, and {cost.start_s:.3f} s to start"
    yield from (f"  {note}" for note in captured.notes)


def _capture_document(file: Path, captured: "Captured") -> dict[str, Any]:
    made = captured.trace
    return {
        "file": str(file),
        "lookups": made.lookups,
        "bags": made.bags,
        "tables": len(made.tables),
        "batches": made.batches,
        "check": captured.check,
        "overhead": captured.overhead.to_dict(),
        "notes": list(captured.notes),
    }


@trace.command()
@click.argument("file", type=FILE)
@click.option("--cache", metavar="SIZE", help="Size of the cache to be studied with it, such as '8 MiB'.")
@click.option("--figure", type=FILE, metavar="F", help="Draw a page, as .svg, .png or .pdf.")
@json_option
def inspect(file: Path, cache: str | None, figure: Path | None, as_json: bool) -> None:
    """Show what is in trace FILE, and whether to believe it.

    Tables, lookups, pooling, reuse, popularity, hits by size of an LRU cache, what the order is worth, and signs
    that a generator made it. With --cache also whether the trace is long enough for that cache.
    """
    from recnmp.trace.inspect import inspect_trace, print_inspection
    from recnmp.units import parse_bytes

    cache_bytes = None if cache is None else parse_bytes(cache)
    if figure is not None:
        from recnmp.report.style import check_suffix
        from recnmp.report.trace_page import plot_inspection

        check_suffix(figure)
    with progress() as show:
        info = inspect_trace(file, cache_bytes, show)
    if figure is not None:
        plot_inspection(info, figure, file.name)
    if as_json:
        click.echo(json.dumps(info, indent=2))
    else:
        print_inspection(info, sys.stdout)
