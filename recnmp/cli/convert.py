"""`trace import` and `trace export`: foreign formats."""

from collections.abc import Callable
from pathlib import Path

import click

from recnmp.cli._base import FILE, counted, progress
from recnmp.cli.trace import trace


def _format_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="A=V",
            help="Set an option of the format; repeatable.",
        ),
        click.option(
            "--roles",
            type=FILE,
            metavar="FILE.yaml",
            help="Options of the format as YAML; for log, which column is what.",
        ),
        click.option(
            "--format",
            "kind",
            required=True,
            metavar="F",
            help="Format of the file; see `recnmp list formats`.",
        ),
    ):
        command = option(command)
    return command


@trace.command("import")
@click.argument("files", type=FILE, nargs=-1, required=True)
@_format_options
@click.option(
    "--out", type=FILE, metavar="FILE", help="Trace to write; by default the first file's .parquet."
)
@click.option(
    "--strict", is_flag=True, help="The first bad row is an error; else it is left out and counted."
)
def import_(
    files: tuple[Path, ...],
    kind: str,
    roles: Path | None,
    overrides: tuple[str, ...],
    out: Path | None,
    strict: bool,
) -> None:
    """Read foreign FILES, in the order given, and write a trace.

    Formats: avazu, criteo, dlrm_datasets, fbgemm_tbe, log, merci, movielens, npz, oracle_general; docs/formats.md
    tells their options. Traces of DRAM requests are read by `recnmp memory replay`.
    """
    from recnmp.trace.convert import find_format, format_options, import_trace

    options = format_options(find_format(kind, "read").ReadOptions, roles, overrides)
    file = out or Path(f"{files[0].name.partition('.')[0]}.parquet")
    with progress() as show:
        done = import_trace(kind, files, file, options, strict=strict, progress=show)
    if done.bad_rows:
        click.echo(f"recnmp: warning: {done.bad_rows:,} of {done.rows:,} rows left out:", err=True)
        for line in done.first_bad:
            click.echo(f"recnmp: warning: {line}", err=True)
    if done.backwards:
        click.echo(
            f"recnmp: warning: time goes back at {done.backwards:,} rows; their order is kept", err=True
        )
    counts = {"lookup": done.lookups, "bag": done.bags, "batch": done.batches, "row": done.rows}
    click.echo(f"{file}: {', '.join(counted(counts | {'bad row': done.bad_rows}))}")


@trace.command()
@click.argument("file", type=FILE)
@_format_options
@click.option("--out", type=FILE, required=True, metavar="FILE", help="File to write; .gz or .zst packs it.")
def export(file: Path, kind: str, roles: Path | None, overrides: tuple[str, ...], out: Path) -> None:
    """Write trace FILE in another format.

    Formats of lookups: dlrm_datasets, fbgemm_tbe, npz, oracle_general. Formats of the DRAM reads they make, tables in
    random pages: dramsim3, dramsys_stl, ramulator1, ramulator2.
    """
    from recnmp.placement.export import export_trace
    from recnmp.trace.convert import find_format, format_options

    module = find_format(kind, "write", "request_lines")
    model = module.WriteOptions if hasattr(module, "write") else module.RequestOptions
    options = format_options(model, roles, overrides)
    with progress() as show:
        requests = export_trace(kind, file, out, options, show)
    told = "" if requests is None else f", {requests:,} requests"
    click.echo(f"{out}: {kind}{told}")
