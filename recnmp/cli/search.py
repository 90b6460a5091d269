"""`search`: designs looked for, and those that no other beats."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recnmp.cli._base import DIR, cli, overrides_option
from recnmp.cli._points import told_seldom, where_options

if TYPE_CHECKING:
    from recnmp.search.request import Request
    from recnmp.search.run import Done
    from recnmp.sweep.runner import Where

SHOWN = 20
"""Designs of a front that are printed."""


@cli.command()
@click.argument("config")
@overrides_option
@click.option(
    "--out", type=DIR, metavar="DIR", help="Folder of the search; what is done there is not run again."
)
@where_options
@click.option("--retry", is_flag=True, help="Run designs that failed once more.")
@click.option("--dry-run", is_flag=True, help="Show the space and the objectives; run nothing.")
def search(
    config: str,
    *,
    overrides: tuple[str, ...],
    out: Path | None,
    where: "Where",
    retry: bool,
    dry_run: bool,
) -> None:
    """Look for designs in the space of CONFIG's `search` section that no other design beats.

    Each design is kept as it ends; after an end of any kind the same command goes on from there. DIR gets
    all trials and the front as CSV and Parquet, a figure, a manifest, and a result.json of every design.
    """
    from recnmp.search.request import make_request

    if dry_run:
        for line in _space(make_request(config, overrides)):
            click.echo(line)
        return
    if out is None:
        raise click.UsageError("--out DIR is needed; --dry-run alone does without")
    from recnmp.search.run import run_search

    with told_seldom() as tell:
        done = run_search(config, out, overrides, where=where, retry=retry, progress=tell)
    for line in _front(done, out):
        click.echo(line)


def _space(request: "Request") -> Iterator[str]:
    for one in request.space.dimensions:
        listed = [json.dumps(node.plain()) for node in one.nodes or ()]
        if len(listed) > 8:
            listed = [*listed[:3], "...", listed[-1]]
        values = ", ".join(listed) if listed else f"{one.low} to {one.high}{', logarithmic' * one.log}"
        when = "".join(f"; {option} is {json.dumps(value)}" for option, value in (one.when or {}).items())
        yield f"{one.option}: {values}{when.replace(';', ' where', 1)}"
    points = request.space.combinations
    yield f"{points:,} combinations at most" if points is not None else "no end of combinations"
    for objective in request.objectives:
        yield f"objective: {objective.column}, {objective.best}"
    for name, bound in request.config.constraints.items():
        for word, value in (("at most", bound.at_most), ("at least", bound.at_least)):
            if value is not None:
                yield f"constraint: {name}, {word} {value:g}"
    count = "all" if request.trials is None else request.trials
    yield f"trials: {count} by {request.config.sampler}, seed {request.config.seed}"


def _front(done: "Done", out: Path) -> Iterator[str]:
    found = done.found
    counts = {name: found.count(name) for name in ("done", "infeasible", "error")}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    yield f"{len(found.trials)} trials: {told}; {done.run} points run now"
    yield from _failures(found.trials, out)
    if not found.front:
        yield "no front: every design breaks a constraint"
    else:
        yield f"front: {len(found.front)} designs that no other beats"
        yield from _table(done)
        more = len(found.front) - SHOWN
        if more > 0:
            yield f"  ... {more} more in pareto.csv"
    if found.share_of_last_tenth is not None:
        yield f"the last tenth of the trials added {found.share_of_last_tenth:.1%} of the front's volume"
    yield f"files: {', '.join(path.name for path in done.files)} in {out}"


def _table(done: "Done") -> Iterator[str]:
    """Yield the front by its objectives and the options that differ on it, and what is the same in all of it."""
    found, request = done.found, done.request
    settings = {row["trial"]: done.settings(row) for row in found.front}
    names = [name for name in request.space.names if len({one[name] for one in settings.values()}) > 1]
    yield from (f"  ({n}) {one.column}, {one.best}" for n, one in enumerate(request.objectives, 1))
    yield from (f"  ({chr(ord('a') + n)}) {name}" for n, name in enumerate(names[:26]))
    head = ["trial", *(f"({n + 1})" for n in range(len(request.objectives)))]
    head += [f"({chr(ord('a') + n)})" for n in range(len(names[:26]))]
    rows = [head]
    for row in [*found.front[:SHOWN], found.baseline]:
        told = settings.get(row["trial"]) or done.settings(row)
        values = [row[one.column] for one in request.objectives]
        rows.append(
            [
                str(row["trial"] or "as is"),
                *(f"{value:.5g}" for value in values),
                *(told[name] for name in names[:26]),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for line in rows:
        yield "  " + "  ".join(f"{text:>{width}}" for text, width in zip(line, widths, strict=True))
    same = [name for name in request.space.names if name not in names]
    if same:
        first = settings[found.front[0]["trial"]]
        yield "  the same in all of them: " + ", ".join(f"{name} {first[name]}" for name in same)


def _failures(trials: list[dict[str, Any]], out: Path) -> Iterator[str]:
    """Yield each error once, with how many trials have it."""
    errors = [row["error"].splitlines()[0] for row in trials if row["error"]]
    for error in list(dict.fromkeys(errors))[:5]:
        yield f"failed: {errors.count(error)} x {error}"
    if len(set(errors)) > 5:
        yield f"failed: {len(set(errors)) - 5} more errors in {out}/trials.csv"
