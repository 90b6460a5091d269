"""`study`: what a design choice is worth on a trace."""

from pathlib import Path

import click

from recnmp.cli._base import FILE, cli, json_option, out_option, overrides_option, progress, show


@cli.group()
def study() -> None:
    """Study caches and memo tables on a trace."""


@study.command()
@click.argument("trace", type=FILE)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME[:OPTION=V,...]",
    help="Replacement policy; may be repeated, like the four below. By default all (`recnmp list policies`).",
)
@click.option("--size", "sizes", multiple=True, help="Bytes of each cache, such as '128 KiB'.")
@click.option("--ways", multiple=True, help="Associativity, a number or full (the default).")
@click.option(
    "--line", "lines", multiple=True, help="What a cache keeps: entry (the default), or lines of 64 bytes."
)
@click.option(
    "--scope", "scopes", multiple=True, help="Whose caches: trace (the default, one), table, llc, dimm, rank."
)
@click.option(
    "--train",
    type=float,
    default=0.5,
    show_default=True,
    help="Share of the batches that warms up and trains; the rest is judged. 0 judges all, from cold caches.",
)
@click.option(
    "--sampled", type=float, help="Share of the entries sampled for LRU curves of huge traces; no policies."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the sample.")
@click.option(
    "--config",
    default="rank8",
    show_default=True,
    help="Configuration whose memory and placement llc, dimm, rank use.",
)
@overrides_option
@out_option
@json_option
def cache(
    trace: Path,
    *,
    policies: tuple[str, ...],
    sizes: tuple[str, ...],
    ways: tuple[str, ...],
    lines: tuple[str, ...],
    scopes: tuple[str, ...],
    train: float,
    sampled: float | None,
    seed: int,
    config: str,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Show what caches are worth on TRACE: LRU misses at every size, tables that share, policies.

    Policies run over all sizes, ways, lines and scopes, cold and warm. --out writes tidy tables (CSV and
    Parquet), a figure and where all comes from.
    """
    from recnmp.config import load_config
    from recnmp.study.cache.request import PLACED, Request, parse_ways
    from recnmp.units import parse_bytes

    default = Request()
    request = Request(
        policies,
        tuple(parse_bytes(size) for size in sizes) or default.sizes,
        parse_ways(ways) or default.ways,
        lines or default.lines,
        scopes or default.scopes,
        train,
        sampled,
        seed,
    )
    placed = any(scope in PLACED for scope in request.scopes)
    if overrides and not placed:
        raise click.UsageError("--set is for the scopes llc, dimm and rank: no other one is placed")
    chosen = load_config(config, overrides) if placed else None
    from recnmp.study.cache.run import cache_study

    with progress() as tell:
        document = cache_study(trace, request, chosen, tell)
    from recnmp.report.cache_study import cache_study_lines, write_cache_study

    if out is not None:
        write_cache_study(document, out)
    show(document, cache_study_lines, as_json=as_json)


@study.command()
@click.argument("bags", type=FILE)
@click.option(
    "--train",
    default="0.5",
    show_default=True,
    metavar="SHARE|FILE",
    help="Share of the batches to learn from, the rest being judged; or a trace or bag file to learn from.",
)
@click.option(
    "--memory",
    default="1.25,1.5,2,9",
    show_default=True,
    help="Budgets: memory with sums over that of the tables, parted by commas.",
)
@click.option(
    "--partition",
    default="greedy",
    show_default=True,
    metavar="greedy|metis|FILE",
    help="What parts the entries; a FILE has a number for each entry of the one table.",
)
@click.option(
    "--part-size", type=int, default=128, show_default=True, help="Most entries of a part, but for a FILE."
)
@click.option(
    "--least",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Bags that an entry must be in to be in a cluster.",
)
@click.option(
    "--simulate/--no-simulate", default=True, show_default=True, help="Time and energy, or reads only."
)
@click.option(
    "--batches", type=click.IntRange(min=1), help="Judged batches that are simulated; all by default."
)
@click.option(
    "--dim", type=click.IntRange(min=1), default=64, show_default=True, help="Elements, for bag files."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=2048,
    show_default=True,
    help="Bags of a batch, for bag files.",
)
@click.option(
    "--config", default="rank8", show_default=True, help="Configuration whose memory and architecture run it."
)
@overrides_option
@out_option
@json_option
def memo(
    bags: Path,
    *,
    train: str,
    memory: str,
    partition: str,
    part_size: int,
    least: int,
    simulate: bool,
    batches: int | None,
    dim: int,
    batch_size: int,
    config: str,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Show what partial sums kept in memory are worth on BAGS, a trace or a MERCI bag file.

    Entries that occur together are clustered under each budget of memory, bags rewritten to read sums, and both
    run on the host and near memory. --out writes the rewritten traces, tidy tables (CSV and Parquet) and a
    figure.
    """
    from recnmp.config import load_config
    from recnmp.study.memo.request import Request, parse_memory, parse_partition, parse_train

    request = Request(
        parse_memory(memory),
        parse_train(train),
        parse_partition(partition),
        part_size,
        least,
        simulate,
        batches,
        dim,
        batch_size,
    )
    chosen = load_config(config, overrides)
    from recnmp.study.memo.run import memo_study

    with progress() as tell:
        document = memo_study(bags, request, chosen, out, tell)
    from recnmp.report.memo_study import memo_study_lines, write_memo_study

    if out is not None:
        write_memo_study(document, out)
    show(document, memo_study_lines, as_json=as_json)
