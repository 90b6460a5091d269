"""The page of all commands, from the commands themselves."""

import inspect
import re
from collections.abc import Iterator

import click

from recnmp.cli import cli

_HEAD = """# Commands

Every command with its arguments and options, as `--help` tells them; this page is generated from the program. What
ends well exits with 0, a run that fails with 1, what cannot be done as asked with 2 and one line that says why.
CONFIG is a YAML file or one of `recnmp list configs`; [Configuration](configuration.md) has its options.
"""


def commands_page() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_HEAD, *_lines(click.Context(cli, info_name="recnmp", **cli.context_settings))])


def _lines(context: click.Context) -> Iterator[str]:
    command = context.command
    if context.parent:
        level = "##" if context.parent.parent is None else "###"
        yield f"{level} {context.command_path}\n"
        yield f"{_paragraphs(command.help or '')}\n"
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from _lines(click.Context(inner, context, name, **command.context_settings))
        return
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    for argument in command.params:
        if isinstance(argument, click.Argument) and isinstance(argument.type, click.Choice):
            name = argument.human_readable_name.strip("[]")
            yield f"{name} is one of {', '.join(map(_code, argument.type.choices))}.\n"
    found = [option.get_help_record(context) for option in command.params]
    records = [record for record in found if record and record[1]]  # an argument is told of above
    if records:
        yield "| option | |"
        yield "|---|---|"
        yield from (f"| {_code(names)} | {_cell(text)} |" for names, text in records)
        yield ""


def _paragraphs(text: str) -> str:
    """Return a help text as Markdown; paragraphs that click shall not wrap keep their lines."""
    blocks = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(f"```text\n{b[2:]}\n```" if b.startswith("\b\n") else _escape(b) for b in blocks)


def _code(names: str) -> str:
    return "`" + names.replace("|", "\\|") + "`"


def _cell(text: str) -> str:
    return _escape(" ".join(text.split())).replace("|", "\\|")


def _escape(text: str) -> str:
    """Return text in which nothing but code between backticks means more than itself."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<*_\[])", r"\\\1", part) for part in parts)
