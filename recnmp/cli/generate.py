"""`trace synth` and `trace fit`: traces from descriptions, descriptions from traces."""

import json
from pathlib import Path
from typing import Any

import click

from recnmp.cli._base import FILE, counted, json_option, progress
from recnmp.cli.trace import trace
from recnmp.errors import ConfigError


@trace.command()
@click.argument("spec")
@click.option("--out", "-o", type=FILE, metavar="FILE", help="Trace to write; by default SPEC's name.")
@click.option("--batches", type=click.IntRange(min=1), help="Batches instead of the description's.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Samples of a batch instead of its own.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed instead of the description's.")
@json_option
def synth(spec: str, out: Path | None, as_json: bool, **changes: int | None) -> None:
    """Write the trace that SPEC describes.

    SPEC is a YAML file or the name of one that ships with the package (see `recnmp list synthetic`): tables, the
    law by which their entries are popular, pooling factors, batches and the seed.
    """
    from recnmp.trace.generate import load_spec, synthesise

    described = load_spec(spec)
    described = described.model_copy(
        update={key: value for key, value in changes.items() if value is not None}
    )
    file = out or Path(f"{Path(spec).stem}.parquet")
    with progress() as show:
        made = synthesise(described, file, show)
    if as_json:
        click.echo(json.dumps({"file": str(file), "seed": described.seed} | vars(made), indent=2))
        return
    counts = {"lookup": made.lookups, "bag": made.bags, "table": made.tables, "batch": made.batches}
    click.echo(f"{file}: {', '.join(counted(counts))}")
    if made.uniform_calls:
        click.echo(
            f"  {made.uniform_calls:,} calls of fbgemm tables are uniform: a bag found too few different entries"
        )


@trace.command()
@click.argument("file", type=FILE)
@click.option(
    "--out",
    "-o",
    type=FILE,
    metavar="FILE",
    help="Description to write; by default FILE.fit.yaml.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Its seed.")
@json_option
def fit(file: Path, out: Path | None, seed: int, as_json: bool) -> None:
    """Fit every table of trace FILE and write the description that regenerates its like.

    Fitted are how often entries are read, how long bags are, and whether popularity drifts; no other order in time.
    """
    from recnmp.trace.generate import fit_spec, spec_yaml

    path = out or file.with_suffix(".fit.yaml")
    if path.resolve() == file.resolve():
        raise ConfigError(f"{path}: the description would replace the trace; name another file with --out")
    with progress() as show:
        fitted = fit_spec(file, show, seed)
    path.write_text(spec_yaml(fitted.spec))
    rows: list[dict[str, Any]] = [
        {"table": table.name, "largest_difference": difference}
        | table.popularity.model_dump(exclude_none=True)
        for table, difference in zip(fitted.spec.tables, fitted.largest_difference, strict=True)
    ]
    if as_json:
        click.echo(json.dumps({"file": str(path), "tables": rows}, indent=2))
        return
    click.echo(f"{path}: {', '.join(counted({'table': len(rows), 'batch': fitted.spec.batches}))}")
    for row in rows:
        drift = f", drift {row['drift']:.3g} a batch" if row["drift"] else ""
        click.echo(
            f"  {row['table']}: alpha {row['alpha']:.3f}, q {row['q']:.3g}, population {row['population']:,}{drift}; "
            f"reuse bins within {row['largest_difference']:.3f}"
        )
