"""`simulate`, `validate`, `list`, `schema` and `rerun`: configurations and their results."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recnmp.cli._base import FILE, cli, counted, json_option, out_option, overrides_option, progress
from recnmp.errors import ConfigError, RecnmpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recnmp.config import Config
    from recnmp.nmp.base import SlsRun
    from recnmp.report.result import Result
    from recnmp.resolve import Parts

    Recorder = Callable[[Parts, SlsRun, SlsRun | None], None]

_KINDS = (
    "models",
    "standards",
    "mappings",
    "devices",
    "hosts",
    "energy",
    "tiers",
    "caches",
    "policies",
    "nmp",
    "configs",
    "traces",
    "synthetic",
    "formats",
)


@cli.command()
@click.argument("config")
@overrides_option
@out_option
@json_option
@click.option(
    "--timeline",
    type=FILE,
    metavar="FILE",
    help="Write a window of the run for Perfetto, .json or .json.gz; records commands (memory.audit).",
)
@click.option(
    "--timeline-window",
    "window",
    metavar="START:END",
    help="The window in us of the run, or packets=N for the first ones.  [default: some megabytes]",
)
def simulate(
    config: str,
    overrides: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    timeline: Path | None,
    window: str | None,
) -> None:
    """Simulate CONFIG on the host and near memory.

    CONFIG is a YAML file or the name of one that ships with the package (see `recnmp list configs`).
    """
    from recnmp.config import load_config

    if timeline is None:
        if window is not None:
            raise ConfigError("--timeline-window: without --timeline nothing is written")
        _print(_simulate(load_config(config, overrides), out), as_json)
    else:
        recorded = load_config(config, (*overrides, "memory.audit=true"))
        _print(_simulate(recorded, out, _timeline_writer(timeline, window)), as_json)


def _timeline_writer(out: Path, window: str | None) -> "Recorder":
    """Return what writes the timeline of a recorded run into ``out``, once all that can be checked before is."""
    from recnmp.report.timeline import check_out, parse_window, write_timeline

    check_out(out)
    asked = parse_window(window)

    def write(parts: "Parts", host: "SlsRun", near: "SlsRun | None") -> None:
        written = write_timeline(out, asked, parts.spec, host, near, parts.config.nmp.kind)
        click.echo(f"timeline: {written}", err=True)

    return write


@cli.command()
@click.argument("config")
@overrides_option
@json_option
def validate(config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check CONFIG and what it names; --json prints every option."""
    from recnmp.config import config_to_dict, load_config

    resolved = load_config(config, overrides)
    from recnmp.resolve import resolve  # heavy, and not needed to say what is wrong with the file

    resolve(resolved)
    click.echo(
        json.dumps(config_to_dict(resolved), indent=2) if as_json else f"ok: {config}: {_summary(resolved)}"
    )


@cli.command("list")
@click.argument("kind", type=click.Choice(_KINDS), metavar="[KIND]", required=False)
@json_option
def list_(kind: str | None, as_json: bool) -> None:
    """List what is installed, of one KIND or of all."""
    from recnmp._registry import library_names, plugin_names
    from recnmp.cache.policy import hardware_policies
    from recnmp.config.load import config_names, trace_names

    libraries = ("models", "standards", "mappings", "devices", "hosts", "energy", "tiers", "synthetic")
    names = {library: library_names(library) for library in libraries}
    names |= {
        "caches": hardware_policies(),
        "policies": plugin_names("cache.policies"),
        "nmp": plugin_names("nmp"),
        "formats": plugin_names("trace.formats"),
    }
    names |= {"configs": config_names(), "traces": trace_names()}
    if kind == "energy":
        _list_energy(names[kind], as_json)
        return
    if as_json:
        click.echo(json.dumps({kind: names[kind]} if kind else names, indent=2))
        return
    for line in names[kind] if kind else (f"{k:<10} {' '.join(v) or '-'}" for k, v in names.items()):
        click.echo(line)


def _list_energy(names: list[str], as_json: bool) -> None:
    """List what the files of ``library/energy`` hold, and where that comes from."""
    from recnmp.library.energy import load_energy

    rows = []
    for name in names:
        file = load_energy(name)
        standard = getattr(file, "standard", None)
        rows.append({"name": name, "kind": file.kind, "standard": standard, "source": file.source})
    if as_json:
        click.echo(json.dumps({"energy": rows}, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:<26} {row['kind']:<10} {row['standard'] or '-':<11} {row['source']}")


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, for editors."""
    from recnmp.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@cli.command()
@click.argument("result", type=click.Path(path_type=Path))
@out_option
@json_option
def rerun(result: Path, out: Path | None, as_json: bool) -> None:
    """Repeat the run of RESULT and compare.

    RESULT is a result.json or its folder. The sls, memory and nmp values and the digest of the trace must be
    identical; measured times may differ.
    """
    from recnmp.config import load_config_dict
    from recnmp.report.differences import differences
    from recnmp.report.result import load_result

    before = load_result(result)
    again = _simulate(load_config_dict(before["config"], str(result)), out)
    _print(again, as_json)
    changed = differences(before, again.to_dict())
    if changed:
        raise RecnmpError("\n".join(f"{result}: not reproduced: {line}" for line in changed))
    click.echo("reproduced: sls, memory, nmp and the trace digest are identical", err=as_json)


def _simulate(config: "Config", out: Path | None, recorded: "Recorder | None" = None) -> "Result":
    from recnmp.simulate import simulate as run

    with progress() as show:
        result = run(config, progress=show, recorded=recorded)
    if out is not None:
        result.save(out)
    return result


def _print(result: "Result", as_json: bool) -> None:
    from recnmp.report.tables import print_result

    if as_json:
        click.echo(result.to_json())
    else:
        print_result(result, sys.stdout)


def _summary(config: "Config") -> str:
    memory, cache = config.memory, config.cache.rank
    counts = {"channel": memory.channels, "DIMM": memory.dimms_per_channel, "rank": memory.ranks_per_dimm}
    shape = " x ".join(counted(counts))
    rank_cache = f"rank cache {cache.kind} {cache.size_bytes} B" if cache else "no rank cache"
    return (
        f"{config.model}, {memory.standard}, {shape}, {config.nmp.kind}, {rank_cache}, mlp {config.mlp.kind}"
    )
