"""`plot`: figures for a paper from results, sweeps, searches, studies and traces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from recnmp.cli._base import FILE, cli, progress

if TYPE_CHECKING:
    from recnmp.plot.plot import Plot

_ANY = click.Path(path_type=Path)


class _Kinds(click.Group):
    """Commands by kind of figure; what names a file instead asks what it can show."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        from recnmp._registry import did_you_mean

        if args and args[0] not in self.commands and not args[0].startswith("-"):
            if Path(args[0]).exists():
                return "list", self.commands["list"], args
            kinds = [name for name in self.commands if name != "list"]
            near = did_you_mean(args[0], kinds) or f"; kinds: {', '.join(kinds)}"
            ctx.fail(f"{args[0]}: neither a kind of figure nor a file{near}")
        return super().resolve_command(ctx, args)


@cli.group(cls=_Kinds)
def plot() -> None:
    """Draw a figure for a paper: KIND SOURCE... --out FILE; with a SOURCE alone, list what it can show.

    A SOURCE is a result or its folder, the folder of a sweep or search, a table (CSV or Parquet), a cache study, a
    roofline's JSON or a trace. The same source gives the same bytes.
    """


@plot.command("list")
@click.argument("sources", nargs=-1, required=True, type=_ANY)
def list_(sources: tuple[Path, ...]) -> None:
    """List the figures that SOURCES can show."""
    from recnmp.plot.kinds import KINDS, listing

    for kind, why in listing(sources):
        click.echo(f"{kind:<11}{KINDS[kind]}{f' (not by default: {why})' if why else ''}")


def _figure(function: Callable[..., "Plot"]) -> Callable[..., None]:
    """Give a command that returns a figure its sources, and the options that all figures have."""

    def command(
        *, out: Path, width: Literal["column", "page"], title: str | None, data: Path | None, **asked: Any
    ) -> None:
        from recnmp.report.style import check_suffix

        check_suffix(out)
        made = function(**asked)
        if title is not None:
            made = replace(made, sheet=replace(made.sheet, title=title))
        made.write(out, width, data)
        for path in (out, data):
            if path is not None:
                click.echo(path)

    options = (
        click.argument("sources", nargs=-1, required=True, type=_ANY),
        click.option(
            "--out", type=FILE, required=True, metavar="FILE", help="Figure to write: .svg, .pdf or .png."
        ),
        click.option(
            "--width",
            type=click.Choice(["column", "page"]),
            default="page",
            show_default=True,
            help="Of one column of a paper (3.3 in), or of its page (7 in).",
        ),
        click.option("--title", metavar="TEXT", help="Another title; '' for none."),
        click.option("--data", type=FILE, metavar="FILE.csv", help="Write the numbers of the figure, too."),
    )
    command.__name__, command.__doc__ = function.__name__, function.__doc__
    command.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(options):
        option(command)
    return command


_where = click.option(
    "--where", multiple=True, metavar="OPTION=VALUE", help="Only points with this value; may be repeated."
)
_metric = click.option(
    "--metric",
    default="sls.speedup_over_host",
    show_default=True,
    metavar="COLUMN",
    help="Figure of the table.",
)
_x = click.option("--x", metavar="OPTION", help="Option along the axis; by default the first that varies.")
_group = click.option(
    "--group",
    multiple=True,
    metavar="OPTION",
    help="Option side by side; may be repeated; by default all others.",
)


@plot.command()
@_figure
@_metric
@_x
@_group
@_where
@click.option("--ideal", is_flag=True, help="Mark as many times the host as the axis says, such as ranks.")
def speedup(
    sources: tuple[Path, ...],
    *,
    metric: str,
    x: str | None,
    group: tuple[str, ...],
    where: tuple[str, ...],
    ideal: bool,
) -> "Plot":
    """Bars of a figure by options, with 95 % confidence intervals where seeds are replicates.

    Beside options that vary there are `ranks` (of a channel) and `vector_bytes` (of a lookup, in whole bursts).
    """
    from recnmp.plot.bars import speedup as made
    from recnmp.plot.kinds import points_for

    return made(points_for("speedup", sources, where), metric, x, group, ideal=ideal)


@plot.command()
@_figure
@click.option(
    "--of",
    type=click.Choice(["time", "channel", "energy"]),
    default="time",
    show_default=True,
    help="A batch's time end to end, the channel's time, or the energy of a lookup.",
)
@click.option("--share", is_flag=True, help="Every stack is 100 %.")
@_where
def breakdown(
    sources: tuple[Path, ...],
    *,
    of: Literal["time", "channel", "energy"],
    share: bool,
    where: tuple[str, ...],
) -> "Plot":
    """Stacked bars of host and near memory: parts that add up."""
    from recnmp.plot.kinds import points_for
    from recnmp.plot.stacks import breakdown as made

    return made(points_for("breakdown", sources, where), of, share=share)


@plot.command()
@_figure
@click.option(
    "--percentile", type=click.Choice(["50", "95", "99"]), multiple=True, help="Of latency; may be repeated."
)
@_where
def latency(sources: tuple[Path, ...], *, percentile: tuple[str, ...], where: tuple[str, ...]) -> "Plot":
    """Latency of queries by offered load, host beside near memory, with the target if there is one."""
    from recnmp.plot.kinds import points_for
    from recnmp.plot.loads import latency as made

    return made(points_for("latency", sources, where), [int(one) for one in percentile])


@plot.command()
@_figure
def mrc(sources: tuple[Path, ...]) -> "Plot":
    """Miss-ratio curves of one or more traces, or of a cache study with its policies."""
    from recnmp.plot.kinds import sources_for
    from recnmp.plot.misses import misses

    with progress() as tell:
        return misses(sources_for("mrc", sources), tell)


@plot.command("roofline")
@_figure
def roofline_(sources: tuple[Path, ...]) -> "Plot":
    """Operators below their roofs, of what `recnmp roofline --json` wrote."""
    from recnmp.plot.kinds import roofline

    return roofline(sources)


@plot.command()
@_figure
@click.option(
    "--objective",
    multiple=True,
    metavar="COLUMN[:min|max]",
    help="Figure to be small or large; two or three. By default latency, energy and area near memory.",
)
@_where
def pareto(sources: tuple[Path, ...], *, objective: tuple[str, ...], where: tuple[str, ...]) -> "Plot":
    """All points by two or three objectives, and the front of those that no other beats."""
    from recnmp.plot.fronts import pareto as made
    from recnmp.plot.kinds import points_for

    return made(points_for("pareto", sources, where), objective)


@plot.command()
@_figure
@_x
@_group
@_where
def imbalance(
    sources: tuple[Path, ...], *, x: str | None, group: tuple[str, ...], where: tuple[str, ...]
) -> "Plot":
    """Loads of all ranks of a result; of several, how far the busiest is from the mean."""
    from recnmp.plot.kinds import points_for
    from recnmp.plot.ranks import imbalance as made

    return made(points_for("imbalance", sources, where), x, group)


@plot.command()
@_figure
@_metric
@_x
@click.option("--y", metavar="OPTION", help="Option upwards; by default the second that varies.")
@_where
def heatmap(
    sources: tuple[Path, ...], *, metric: str, x: str | None, y: str | None, where: tuple[str, ...]
) -> "Plot":
    """A figure by two options, its value in every cell."""
    from recnmp.plot.heat import heatmap as made
    from recnmp.plot.kinds import points_for

    return made(points_for("heatmap", sources, where), metric, x, y)
