"""`study rankcache`: sizes, policies and use of RankCaches, with time and energy of the full model."""

from pathlib import Path

import click

from recnmp.cli._base import json_option, out_option, overrides_option, progress, show
from recnmp.cli.study import study


@study.command()
@click.argument("target", metavar="CONFIG|TRACE.parquet")
@click.option(
    "--size", "sizes", multiple=True, help="Bytes of every rank's cache; may be repeated, like all axes."
)
@click.option("--ways", multiple=True, help="Associativity, a number or full.")
@click.option("--policy", "policies", multiple=True, help="Replacement policy (`recnmp list caches`).")
@click.option("--order", "orders", multiple=True, help="Scheduling of packets: arrival, table_aware.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    help="Reads of an entry in its batch from which it may use the cache: a number, all, profiled.",
)
@click.option("--poolings", multiple=True, type=click.IntRange(1, 16), help="Poolings of a packet.")
@click.option(
    "--grid", is_flag=True, help="All combinations of what is given, instead of one axis at a time."
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Runs at a time; same results.",
)
@click.option(
    "--config", default="rank8", show_default=True, help="Memory system and RecNMP options for TRACE.parquet."
)
@overrides_option
@out_option
@json_option
def rankcache(
    target: str,
    *,
    sizes: tuple[str, ...],
    ways: tuple[str, ...],
    policies: tuple[str, ...],
    orders: tuple[str, ...],
    thresholds: tuple[str, ...],
    poolings: tuple[int, ...],
    grid: bool,
    processes: int,
    config: str,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Show what RankCaches are worth on CONFIG, or on a trace: hits, time and energy.

    Every axis is swept by itself from the configuration's own RankCache, and sizes under the paper's three orders.
    --out writes a tidy table (CSV and Parquet), a figure and where all comes from.
    """
    from recnmp.study.rankcache.request import Request, parse_sizes, parse_thresholds, parse_ways

    request = Request(
        parse_sizes(sizes),
        parse_ways(ways),
        policies,
        orders,
        parse_thresholds(thresholds),
        poolings,
        grid,
        processes,
    )
    from recnmp.study.rankcache.run import rankcache_study
    from recnmp.study.runs import checked_config, config_with_trace

    trace = target.endswith(".parquet")
    chosen = (
        config_with_trace(Path(target), config, overrides) if trace else checked_config(target, overrides)
    )
    with progress() as tell:
        document = rankcache_study(chosen, request, tell)
    from recnmp.report.rankcache_study import rankcache_study_lines, write_rankcache_study

    if out is not None:
        write_rankcache_study(document, out)
    show(document, rankcache_study_lines, as_json=as_json)
