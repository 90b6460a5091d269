"""`report`: a result as one HTML file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recnmp.cli._base import FILE, cli, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@cli.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--out", type=FILE, metavar="FILE.html", help="File to write; by default report.html beside the result."
)
@click.option("--trace", type=FILE, metavar="FILE", help="Where the trace is, if no longer where it was.")
@click.option(
    "--no-trace", is_flag=True, help="Leave out the trace's reuse, which takes a pass over its file."
)
def report(result: Path, out: Path | None, trace: Path | None, no_trace: bool) -> None:
    """Write RESULT (a result.json, or the folder that holds one) as one HTML file.

    The file needs no network and no script. Reuse of the trace and signs that a generator made it are in it where
    the trace is still the one that was replayed.
    """
    from recnmp.errors import ConfigError
    from recnmp.report.html_page import report_page, write_report
    from recnmp.report.result import load_result

    if trace is not None and no_trace:
        raise click.UsageError("--trace and --no-trace exclude each other")
    if result.is_dir() and (result / "manifest.json").is_file() and not (result / "result.json").is_file():
        raise ConfigError(f"{result}: a sweep; a report is of one result")
    document = load_result(result)
    path = out or (result if result.is_dir() else result.parent) / "report.html"
    with progress() as show:
        inspection, note = (None, "Left out.") if no_trace else _inspected(document, trace, show)
    write_report(report_page(document, inspection, note), path)
    click.echo(path)


def _inspected(
    document: "Mapping[str, Any]", given: Path | None, show: "Callable[[str], None] | None"
) -> "tuple[Mapping[str, Any] | None, str]":
    """Return the inspection of the trace that was replayed, or None, and what a reader must know about it.

    Raises ConfigError for a ``given`` file that is not that trace.
    """
    from recnmp.errors import ConfigError
    from recnmp.report.html_elements import Source
    from recnmp.trace.inspect import inspect_trace
    from recnmp.trace.storage import read_header

    replayed = Source(document).section("config.trace")
    file = given or Path(str(replayed.get("file") or ""))
    try:
        if not file.is_file():
            raise ConfigError(f"{file.name or 'its file'}: no such file")
        if read_header(file).digest != document["provenance"].get("trace_digest"):
            raise ConfigError(f"{file.name}: not the trace that was replayed, by its digest")
        inspection = inspect_trace(file, progress=show)
    except ConfigError as error:
        if given is not None:
            raise
        return None, str(error)
    whole = not replayed.get("first_batch") and replayed.get("batches") is None
    return inspection, "" if whole else "Of the whole file; the run replayed a part of it."
