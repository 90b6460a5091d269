"""`memory replay`, `memory curve` and `memory compare`: the DRAM engine alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from recnmp.cli._base import FILE, cli, json_option, progress
from recnmp.errors import RecnmpError

_SETUP = (
    click.option("--standard", default="ddr4_2400", show_default=True, help="See `recnmp list standards`."),
    click.option("--ranks", type=click.IntRange(1), default=1, show_default=True, help="Ranks of a channel."),
    click.option("--policy", default="frfcfs", show_default=True, help="frfcfs, frfcfs_rowhit or dramsim3."),
    click.option(
        "--command-queue", type=click.IntRange(1), help="dramsim3: requests in a command queue [8]."
    ),
    click.option("--command-queue-per", metavar="P", help="dramsim3: bank or rank has such a queue [bank]."),
    click.option(
        "--refresh",
        default="simultaneous",
        show_default=True,
        help="off, simultaneous, staggered or, on DDR5, same_bank.",
    ),
    click.option("--page-policy", default="open", show_default=True, help="open or closed."),
    click.option(
        "--row-hit-cap",
        type=click.IntRange(1),
        metavar="N",
        help="Column commands after which a row no longer stays open for hits; no cap when absent.",
    ),
    click.option(
        "--forward-writes/--no-forward-writes",
        default=True,
        show_default=True,
        help="Queued writes answer reads.",
    ),
    click.option(
        "--merge-reads/--no-merge-reads",
        default=None,
        help="Waiting reads answer reads of the same burst; inflates bandwidth where rows are hot. By default "
        "only dramsim3 does.",
    ),
    click.option(
        "--read-queue", type=click.IntRange(1, 4096), default=32, show_default=True, help="Reads held."
    ),
    click.option(
        "--write-queue", type=click.IntRange(1, 4096), default=32, show_default=True, help="Writes held."
    ),
)
_TRACE = (
    click.option(
        "--format", "kind", required=True, metavar="F", help="Format of TRACE: ramulator, dramsim3 or recnmp."
    ),
    click.option(
        "--mapping",
        default="RoBaBgRaCoCh",
        show_default=True,
        help="Address fields from most to least significant bit: Ro row, Ba bank, Bg bank group, Ra rank, "
        "Co column, Ch channel; or a name (`recnmp list mappings`), or your own YAML file.",
    ),
    click.option(
        "--channels", type=click.IntRange(1), default=1, show_default=True, help="Independent channels."
    ),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Replay the first N requests only."),
    click.option(
        "--quirk", "quirks", multiple=True, metavar="Q", help="Follow a peer's defect: ramulator-rd-wr-gap."
    ),
)


def _options(*groups: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    """Return a decorator that adds options in the order given."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return add


@cli.group()
def memory() -> None:
    """Use the DRAM engine alone: replay request traces, measure curves, compare with a peer."""


@memory.command()
@click.argument("trace", type=FILE)
@_options(_TRACE, _SETUP)
@click.option(
    "--audit", "judge", is_flag=True, help="Re-check every command; violations end with exit code 1."
)
@click.option("--commands", type=FILE, metavar="F.csv", help="Write every DRAM command.")
@click.option("--requests", type=FILE, metavar="F.csv", help="Write when each request was accepted and done.")
@click.option(
    "--ram2bin",
    "viewer",
    type=FILE,
    metavar="F",
    help="Write every DRAM command as F.ch0.ram2bin, ... for the browser viewer of Ramulator 2.1.",
)
@click.option(
    "--csv", "table", type=FILE, metavar="F.csv", help="Write the figures, a line of names and one of values."
)
@json_option
def replay(
    trace: Path,
    kind: str,
    limit: int | None,
    judge: bool,
    commands: Path | None,
    requests: Path | None,
    viewer: Path | None,
    table: Path | None,
    as_json: bool,
    **setup: Any,
) -> None:
    """Replay the requests of TRACE, one burst each.

    Formats, plain or gzip: ramulator ('LD 0x40', 'R 0,1,2,3,100,32' or '0x40 R' lines, offered as fast as they
    are accepted, one per clock), dramsim3 ('0x40 READ 30': not before clock 30 of this memory) and recnmp (an
    embedding trace, its tables in random pages).

    The trace may be of any length, memory does not grow with it (policy dramsim3 holds it whole). Logs wait beside
    the files they go to until the run is over.
    """
    from recnmp.memory.logs import write_figures
    from recnmp.memory.run import replay_trace
    from recnmp.memory.setup import Setup
    from recnmp.report.memory import replay_lines

    done = replay_trace(
        trace,
        kind,
        Setup(**setup),
        limit=limit,
        judge=judge,
        commands=commands,
        requests=requests,
        viewer=viewer,
    )
    if table is not None:
        write_figures(done.document, table)
    _print(done.document, replay_lines, as_json)
    if done.document["audit_violations"]:
        raise RecnmpError(
            f"audit: {done.document['audit_violations']} violations of {done.document['standard']}: "
            f"{done.first_violations[0]}"
        )


def _print(document: dict[str, Any], lines: Callable[[dict[str, Any]], Any], as_json: bool) -> None:
    for line in (json.dumps(document, indent=2),) if as_json else lines(document):
        click.echo(line)


@memory.command()
@click.argument("trace", type=FILE)
@click.option(
    "--ramulator",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="A Python interpreter that can import ramulator, or the folder that holds that package.",
)
@_options(_TRACE, _SETUP)
@json_option
def compare(trace: Path, ramulator: Path, kind: str, limit: int | None, as_json: bool, **setup: Any) -> None:
    """Run TRACE here and on your own Ramulator 2.1, and show both with ratios.

    Both start with the first request of each channel and stop when its last one is accepted. Times of arrival
    are dropped. Several channels are several runs of Ramulator, whose own front end would let them wait for each
    other.
    """
    from recnmp.memory.peer import compare as run
    from recnmp.memory.setup import Setup
    from recnmp.report.memory import comparison_lines

    _print(run(trace, kind, Setup(**setup), ramulator, limit=limit), comparison_lines, as_json)


@memory.command()
@_options(_SETUP)
@click.option(
    "--read-share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Share of the requests that are reads.",
)
@click.option(
    "--points", type=click.IntRange(2, 1000), default=12, show_default=True, help="Loads of each traffic."
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of traffic and gaps."
)
@click.option("--csv", "table", type=FILE, metavar="F.csv", help="Write the points.")
@click.option("--figure", type=FILE, metavar="F", help="Draw the curve, as .svg or .png.")
@json_option
def curve(
    read_share: float,
    points: int,
    seed: int,
    table: Path | None,
    figure: Path | None,
    as_json: bool,
    **setup: Any,
) -> None:
    """Measure read latency against bandwidth: random and streaming traffic on one channel, from idle to full.

    Requests come open loop with exponential gaps. What the standard's own numbers promise is printed beside.
    """
    from recnmp.memory.curve import measure_curve, write_curve
    from recnmp.memory.setup import Setup
    from recnmp.report.memory import curve_lines

    if figure is not None:
        from recnmp.report.plots import plot_curve
        from recnmp.report.style import check_suffix

        check_suffix(figure)
    with progress() as show:
        document = measure_curve(Setup(**setup), read_share, points, seed, show)
    if table is not None:
        write_curve(document, table)
    if figure is not None:
        plot_curve(document, figure)
    _print(document, curve_lines, as_json)
