"""`study hot`: what hot entries are worth, and where to place them."""

from pathlib import Path

import click

from recnmp.cli._base import FILE, json_option, out_option, overrides_option, progress, show
from recnmp.cli.study import study


@study.command()
@click.argument("trace", type=FILE)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    help="Bytes for hot entries of all tables together, such as '1 MiB', or a share of all tables, such as 5%; may "
    "be repeated. By default 0.5% to 50%.",
)
@click.option(
    "--sample",
    type=float,
    default=1.0,
    show_default=True,
    help="Share of the profiled samples that is counted.",
)
@click.option(
    "--profiler",
    default="plain",
    show_default=True,
    help="plain, or fae: FAE's own draws (with replacement) and order of equal counts.",
)
@click.option(
    "--train",
    type=float,
    default=0.5,
    show_default=True,
    help="Share of the batches that is profiled; the rest is judged. 0 profiles and judges all.",
)
@click.option(
    "--windows",
    type=int,
    default=8,
    show_default=True,
    help="Parts of the trace over which profiles age; 0: none.",
)
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    metavar="NAME|FILE.yaml",
    help="Faster memory for hot entries (`recnmp list tiers`), simulated on CONFIG; may be repeated.",
)
@click.option(
    "--replicate", is_flag=True, help="Simulate copies of hot entries in every rank of CONFIG, too."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the draw.")
@click.option(
    "--config", default="rank8", show_default=True, help="Memory system that tiers and copies are asked of."
)
@overrides_option
@out_option
@json_option
def hot(
    trace: Path,
    *,
    budgets: tuple[str, ...],
    sample: float,
    profiler: str,
    train: float,
    windows: int,
    tiers: tuple[str, ...],
    replicate: bool,
    seed: int,
    config: str,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Show how much of TRACE its hot entries serve, for how long, and what the memory system replies.

    The most read entries of all tables share one budget. --tier and --replicate simulate the judged part with hot
    entries elsewhere. --out writes tidy tables (CSV and Parquet), a figure and where all comes from.
    """
    from recnmp.study.hot.request import SHARES, Request, parse_budget

    asked = tuple(parse_budget(one) for one in budgets) or SHARES
    request = Request(asked, sample, train, profiler, windows, tiers, replicate, seed)
    if overrides and not request.asks_memory:
        raise click.UsageError("--set is for --tier and --replicate: nothing else asks the memory system")
    from recnmp.study.hot.run import hot_study
    from recnmp.study.runs import config_with_trace

    chosen = config_with_trace(trace, config, overrides) if request.asks_memory else None
    with progress() as tell:
        document = hot_study(trace, request, chosen, tell)
    from recnmp.report.hot_study import hot_study_lines, write_hot_study

    if out is not None:
        write_hot_study(document, out)
    show(document, hot_study_lines, as_json=as_json)
