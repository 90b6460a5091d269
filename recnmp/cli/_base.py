"""What every command shares: the program, common options, how it fails and shows progress."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click

import recnmp
from recnmp.errors import RecnmpError


class Program(click.Group):
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


overrides_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="A.B=V",
    help="Override an option of CONFIG; may be repeated.",
)
DIR, FILE = click.Path(file_okay=False, path_type=Path), click.Path(dir_okay=False, path_type=Path)
out_option = click.option("--out", type=DIR, metavar="DIR", help="Write the result into this folder, too.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(recnmp.__version__, prog_name="recnmp")
def cli() -> None:
    """Simulate embedding gather-reduce near memory, from a real trace to end-to-end time."""


@contextmanager
def progress() -> Iterator[Callable[[str], None] | None]:
    """Yield what shows a line of progress on a terminal; None where standard error is none."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("starting") as status:
        yield lambda text: status.update(escape(text))


def counted(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield ``3 tables``, ``1 batch``, ... for ``{"table": 3, "batch": 1}``."""
    for noun, n in counts.items():
        yield f"{n:,} {noun}{'' if n == 1 else 'es' if noun.endswith('ch') else 's'}"


def show(
    document: Mapping[str, Any], lines: Callable[[Mapping[str, Any]], Iterable[str]], *, as_json: bool
) -> None:
    """Print a document as one of JSON, or as the text that ``lines`` makes of it."""
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        return
    for text in lines(document):
        click.echo(text)
