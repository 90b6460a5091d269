"""`roofline`: the operators of models below the roofs of a device, and the roof that memory lifts."""

import json
from pathlib import Path

import click

from recnmp.cli._base import FILE, cli, json_option, overrides_option
from recnmp.cli._measured import chosen_models
from recnmp.cli.measure import numbers


@cli.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    default=("rm1", "rm2", "rm3"),
    show_default="rm1,rm2,rm3",
    metavar="M",
    help="Model of the library or YAML file; several with commas or by repeating.",
)
@click.option("--device", required=True, metavar="NAME", help="Device profile of the library, or a file.")
@click.option(
    "--batch",
    "batches",
    default="1,16,64,256",
    show_default=True,
    callback=numbers,
    help="Batch sizes drawn.",
)
@click.option(
    "--config", default="rank8", show_default=True, help="Configuration whose memory lifts the roof."
)
@overrides_option
@click.option("--out", type=FILE, metavar="FIGURE", help="Draw the roofline into this SVG, PNG or PDF.")
@json_option
def roofline(
    models: tuple[str, ...],
    device: str,
    batches: list[int],
    *,
    config: str,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Show what bounds every operator: arithmetic, bytes, measured times, and the roofs above them.

    Roofs of the device are those that `recnmp measure roof` found. The modelled memory's follow from its standard:
    the host's over its channels, and the one lifted by all ranks reading for themselves.
    """
    from recnmp.config import load_config
    from recnmp.library.device import load_device
    from recnmp.mlp.roofline import roofline as found
    from recnmp.report.style import check_suffix

    if out is not None:
        check_suffix(out)
    memory = load_config(config, list(overrides)).memory
    document = found(load_device(device), chosen_models(models), batches, memory)
    from recnmp.report.roofline import draw_roofline, roofline_lines

    if out is not None:
        draw_roofline(document, out)
    if as_json:
        click.echo(json.dumps(document, indent=2, allow_nan=False))
        return
    for line in roofline_lines(document):
        click.echo(line)
