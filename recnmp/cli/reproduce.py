"""`reproduce`: published results run again, beside ours."""

import os
from pathlib import Path

import click

from recnmp.cli._base import cli, json_option, out_option, progress


@cli.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--quick", is_flag=True, help="Shorter traces: minutes instead of many.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    help="Runs at a time; by default 2, 1 on a machine of one core.",
)
@out_option
@json_option
def reproduce(name: str | None, quick: bool, processes: int | None, out: Path | None, as_json: bool) -> None:
    """Run the experiments of NAME (such as recnmp-isca20) and compare with what was published; all without NAME.

    Every number stands beside the published one, how sure that is, and the reuse of its trace; gaps above 15 % have
    a reason. --out writes a page, tables and figures.
    """
    from recnmp.reproduce.scoreboard import check_name, names
    from recnmp.reproduce.scoreboard import reproduce as run

    wanted = [check_name(name)] if name else names()
    processes = processes or min(2, os.cpu_count() or 1)
    with progress() as show:
        documents = [run(one, quick=quick, processes=processes, progress=show or str) for one in wanted]
    from recnmp.report.scoreboard import rows_json, scoreboard_lines, write_scoreboard

    for document in documents:
        if out is not None:
            write_scoreboard(document, out)
    if as_json:
        click.echo(rows_json({"rows": [row for document in documents for row in document["rows"]]}))
        return
    for document in documents:
        for line in scoreboard_lines(document):
            click.echo(line)
