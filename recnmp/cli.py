"""The command line: parsing and printing, nothing else.

Standard output carries the result alone. Exit codes: 0 done, 1 the run failed, 2 what was asked cannot be
done, 130 interrupted. Everything but click is imported by the command that needs it: help answers at once.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

import recnmp
from recnmp.errors import RecnmpError

if TYPE_CHECKING:
    from recnmp.config import Config
    from recnmp.report.result import Result

_KINDS = ("models", "standards", "devices", "caches", "nmp", "configs", "traces")


class _Program(click.Group):
    """A command group that ends every failure meant for the user with lines, not a traceback."""

    def invoke(self, ctx: click.Context) -> None:
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except RecnmpError as error:
            _fail(str(error), error.exit_code)
        except BrokenPipeError:
            # whoever read our output has seen enough; leave nothing for the interpreter to flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
        except KeyboardInterrupt:
            _fail("interrupted", 130)


def _fail(message: str, exit_code: int) -> NoReturn:
    for line in message.splitlines():
        click.echo(f"recnmp: error: {line}", err=True)
    raise click.exceptions.Exit(exit_code) from None


_overrides = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="A.B=V",
    help="Override an option of CONFIG; may be repeated.",
)
_DIR, _FILE = click.Path(file_okay=False, path_type=Path), click.Path(dir_okay=False, path_type=Path)
_out = click.option("--out", type=_DIR, metavar="DIR", help="Write the result into this folder, too.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(recnmp.__version__, prog_name="recnmp")
def cli() -> None:
    """Simulate embedding gather-reduce near memory, from a real trace to end-to-end time."""


@cli.command()
@click.argument("config")
@_overrides
@_out
@_json
def simulate(config: str, overrides: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Simulate CONFIG on the host and near memory.

    CONFIG is a YAML file or the name of one that ships with the package (see `recnmp list configs`).
    """
    from recnmp.config import load_config

    _print(_simulate(load_config(config, overrides), out), as_json)


@cli.command()
@click.argument("config")
@_overrides
@_json
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
@_json
def list_(kind: str | None, as_json: bool) -> None:
    """List what is installed, of one KIND or of all."""
    from recnmp._registry import library_names, plugin_names
    from recnmp.config.load import config_names, trace_names

    names = {library: library_names(library) for library in ("models", "standards", "devices")}
    names |= {"caches": plugin_names("cache"), "nmp": plugin_names("nmp")}
    names |= {"configs": config_names(), "traces": trace_names()}
    if as_json:
        click.echo(json.dumps({kind: names[kind]} if kind else names, indent=2))
        return
    for line in names[kind] if kind else (f"{k:<10} {' '.join(v) or '-'}" for k, v in names.items()):
        click.echo(line)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of a configuration, for editors."""
    from recnmp.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@cli.command()
@click.argument("result", type=click.Path(path_type=Path))
@_out
@_json
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


@cli.group()
def trace() -> None:
    """Capture and inspect traces of embedding accesses."""


@trace.command()
@click.argument("target")
@click.option(
    "--out", type=_FILE, metavar="FILE", help="Trace to write; by default TARGET's name with .parquet."
)
@click.option("--batches", type=click.IntRange(min=1), help="Batches to run; by default all, 8 of the zoo.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Samples in a batch of the zoo.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the inputs.")
def capture(target: str, out: Path | None, batches: int | None, batch_size: int | None, seed: int) -> None:
    """Run TARGET and write every embedding access that it makes.

    TARGET is zoo:NAME (see `recnmp list models`), 'SCRIPT.py ARGUMENTS', or MODULE:FACTORY where FACTORY()
    returns a model and its inputs. The model runs as it is; what it prints goes to standard error.
    """
    from recnmp.trace.capture import capture_target

    first = (target.split() or [""])[0]
    file = out or Path(f"{Path(first.rpartition(':')[2]).stem}.parquet")
    with _progress() as progress:
        captured = capture_target(
            target, out=file, batches=batches, batch_size=batch_size, seed=seed, progress=progress
        )
    counts = {"lookup": captured.lookups, "bag": captured.bags, "table": len(captured.tables)}
    click.echo(f"{file}: {', '.join(_counted(counts | {'batch': captured.batches}))}")


@trace.command()
@click.argument("file", type=_FILE)
@_json
def inspect(file: Path, as_json: bool) -> None:
    """Show what is in trace FILE: tables, lookups, pooling, reuse."""
    from recnmp.trace.inspect import inspect_trace, print_inspection

    info = inspect_trace(file)
    if as_json:
        click.echo(json.dumps(info, indent=2))
    else:
        print_inspection(info, sys.stdout)


def _simulate(config: "Config", out: Path | None) -> "Result":
    from recnmp.simulate import simulate as run

    with _progress() as progress:
        result = run(config, progress=progress)
    if out is not None:
        result.save(out)
    return result


def _print(result: "Result", as_json: bool) -> None:
    from recnmp.report.tables import print_result

    if as_json:
        click.echo(result.to_json())
    else:
        print_result(result, sys.stdout)


def _counted(counts: Mapping[str, int]) -> Iterator[str]:
    for noun, n in counts.items():
        yield f"{n:,} {noun}{'' if n == 1 else 'es' if noun.endswith('ch') else 's'}"


def _summary(config: "Config") -> str:
    memory, cache = config.memory, config.cache.rank
    counts = {"channel": memory.channels, "DIMM": memory.dimms_per_channel, "rank": memory.ranks_per_dimm}
    shape = " x ".join(_counted(counts))
    rank_cache = f"rank cache {cache.kind} {cache.size_bytes} B" if cache else "no rank cache"
    return (
        f"{config.model}, {memory.standard}, {shape}, {config.nmp.kind}, {rank_cache}, mlp {config.mlp.kind}"
    )


@contextmanager
def _progress() -> Iterator[Callable[[str], None] | None]:
    """Yield what shows a line of progress on a terminal; None where standard error is none."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(escape(text))


def main() -> None:
    """Run the command line; the entry point of the ``recnmp`` program."""
    cli(prog_name="recnmp")
