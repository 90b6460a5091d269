"""`report`: a result, a sweep or a search as one HTML file."""

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
    """Write RESULT (a result.json, or the folder of one, of a sweep or of a search) as one HTML file.

    The file needs no network and no script. Reuse of the trace and signs that a generator made it are in it where
    the trace is still the one that was replayed.
    """
    from recnmp.report.html_page import report_page, write_report
    from recnmp.report.result import RESULT_FILE, load_result
    from recnmp.sweep.store import is_sweep

    if trace is not None and no_trace:
        raise click.UsageError("--trace and --no-trace exclude each other")
    folder = result if result.is_dir() else result.parent
    with progress() as show:
        if is_sweep(result) and not (folder / RESULT_FILE).is_file():
            page = _sweep_page(folder, trace, not no_trace, show)
        else:
            document = load_result(result)
            inspection, note = (None, "Left out.") if no_trace else _inspected(document, trace, show)
            page = report_page(document, inspection, note)
    path = out or folder / "report.html"
    write_report(page, path)
    click.echo(path)


def _sweep_page(folder: Path, given: Path | None, inspect: bool, show: "Callable[[str], None] | None") -> str:
    """Return the page of the sweep in ``folder``; a ``given`` trace is one of those that it replayed."""
    from recnmp.errors import ConfigError
    from recnmp.overview.page import sweep_page
    from recnmp.overview.read import read_swept
    from recnmp.trace.storage import read_header

    swept = read_swept(folder)
    files = {trace.digest: trace.file for trace in swept.traces}
    if given is not None:
        digest = read_header(given).digest
        if digest not in files:
            raise ConfigError(f"{given.name}: none of the traces that were replayed, by its digest")
        files[digest] = given
    found = {digest: _of_file(file, digest, show) for digest, file in files.items()} if inspect else {}
    return sweep_page(swept, found)


def _inspected(
    document: "Mapping[str, Any]", given: Path | None, show: "Callable[[str], None] | None"
) -> "tuple[Mapping[str, Any] | None, str]":
    """Return the inspection of the trace that was replayed, or None, and what a reader must know about it.

    Raises ConfigError for a ``given`` file that is not that trace.
    """
    from recnmp.errors import ConfigError
    from recnmp.report.html_elements import Source

    replayed = Source(document).section("config.trace")
    file = given or Path(str(replayed.get("file") or ""))
    inspection, why = _of_file(file, document["provenance"].get("trace_digest"), show)
    if inspection is None and given is not None:
        raise ConfigError(why)
    whole = not replayed.get("first_batch") and replayed.get("batches") is None
    return inspection, why if whole or why else "Of the whole file; the run replayed a part of it."


def _of_file(
    file: Path, digest: str | None, show: "Callable[[str], None] | None"
) -> "tuple[Mapping[str, Any] | None, str]":
    """Return the inspection of the trace in ``file``, or None and why there is none: it must have this digest."""
    from recnmp.errors import ConfigError
    from recnmp.trace.inspect import inspect_trace
    from recnmp.trace.storage import read_header

    try:
        if not file.is_file():
            raise ConfigError(f"{file.name or 'its file'}: no such file")
        if read_header(file).digest != digest:
            raise ConfigError(f"{file.name}: not the trace that was replayed, by its digest")
        return inspect_trace(file, progress=show), ""
    except ConfigError as error:
        return None, str(error)
