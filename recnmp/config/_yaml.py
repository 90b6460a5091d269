"""YAML text as a tree whose every value knows its place: YAML 1.2 core scalars, safe tags only.

PyYAML reads YAML 1.1, where ``1e6`` is text, ``no`` is false, ``010`` is eight, ``12:30`` is 750 and the last
of two equal keys wins silently. Here PyYAML only scans; scalars and mappings are built below.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.reader import Reader

from recnmp.errors import ConfigError

Scalar = str | int | float | bool | None

MAX_VALUES = 1_000_000
"""Values a document may have once its aliases are written out; a small file can name billions."""

_TAG = "tag:yaml.org,2002:"
_CORE = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "merge": r"<<",
}
_EXACT_INT = 2**53


@dataclass(frozen=True)
class Place:
    """Where a value was written: a file's line and column, or the text of an override."""

    source: str
    line: int = 0
    column: int = 0
    folder: Path = Path()
    """Folder from which file names written here start."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def at(self, line: int, column: int) -> "Place":
        """Return a place in the same source, counted from 0; an override has no lines worth counting."""
        return replace(self, line=line + 1, column=column + 1) if self.line else self


class Entry(NamedTuple):
    """One key of a mapping: where the key stands and what it holds."""

    place: Place
    node: "Node"


@dataclass(frozen=True)
class Node:
    """A value and its place; a mapping holds an Entry per key, a sequence a Node per item."""

    value: Scalar | dict[str, Entry] | list["Node"]
    place: Place

    def plain(self) -> Any:
        """Return the value as plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


class _Loader(yaml.SafeLoader):
    """PyYAML's scanner with the scalar types of YAML 1.2 core."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012  PyYAML's own name and type


for _name, _pattern in _CORE.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), None)


def parse(text: str, place: Place) -> Node:
    """Return the tree of a YAML text whose first character stands at ``place``; null for an empty one.

    Raises ConfigError, with the place, for anything that is not one document of plain values: bad syntax,
    characters that text does not have, repeated keys, tags of other types, endless or exploding aliases.
    """
    bad = Reader.NON_PRINTABLE.search(text)
    if bad:
        before = text[: bad.start()]
        where = place.at(before.count("\n"), bad.start() - before.rfind("\n") - 1)
        raise ConfigError(f"{where}: not a text file: it has the character {bad.group()!r}")
    try:
        root = _Loader(text).get_single_node()
        return Node(None, place) if root is None else _Builder(place).build(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(
            f"{place.at(mark.line, mark.column) if mark else place}: {_complaint(error)}"
        ) from None
    except RecursionError:
        raise ConfigError(f"{place}: nested too deeply") from None


def _complaint(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join((error.problem or "unreadable").split())
    if "'\\t'" in problem:
        return "a tab cannot indent; use spaces"
    if problem == "but found another document":
        return "a second document starts here; one is allowed"
    return f"not valid YAML: {problem}"


class _Builder:
    """Turns PyYAML's nodes into ours, each shared (aliased) node once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._done: dict[int, tuple[Node, int]] = {}
        self._open: set[int] = set()

    def build(self, node: yaml.Node) -> Node:
        return self._sized(node)[0]

    def _sized(self, node: yaml.Node) -> tuple[Node, int]:
        """Return our node and the number of values in it with every alias written out."""
        if id(node) in self._done:
            return self._done[id(node)]
        place = self._place.at(node.start_mark.line, node.start_mark.column)
        if id(node) in self._open:
            raise ConfigError(f"{place}: a value cannot contain itself")
        self._open.add(id(node))
        kind = node.tag.removeprefix(_TAG)
        size = 1
        value: Scalar | dict[str, Entry] | list[Node]
        if isinstance(node, yaml.MappingNode) and kind == "map":
            value, size = self._mapping(node)
        elif isinstance(node, yaml.SequenceNode) and kind == "seq":
            items = [self._sized(item) for item in node.value]
            value, size = [item for item, _ in items], 1 + sum(n for _, n in items)
        elif isinstance(node, yaml.ScalarNode):
            value = _scalar(kind, node.value, place)
        else:
            raise _bad_tag(kind, place)
        if size > MAX_VALUES:
            raise ConfigError(f"{place}: aliases make more than {MAX_VALUES} values of this")
        self._open.discard(id(node))
        self._done[id(node)] = Node(value, place), size
        return self._done[id(node)]

    def _mapping(self, node: yaml.MappingNode) -> tuple[dict[str, Entry], int]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        size = 1
        for key_node, value_node in node.value:
            place = self._place.at(key_node.start_mark.line, key_node.start_mark.column)
            value, n = self._sized(value_node)
            size += n
            if key_node.tag == _TAG + "merge":
                for key, entry in self._merged(value):
                    merged.setdefault(key, entry)
                continue
            key = _key(key_node, place)
            if key in own:
                raise ConfigError(f"{place}: {key}: repeated key; it is first set at {own[key].place}")
            own[key] = Entry(place, value)
        return merged | own, size

    def _merged(self, value: Node) -> Iterator[tuple[str, Entry]]:
        for node in value.value if isinstance(value.value, list) else [value]:
            if not isinstance(node.value, dict):
                raise ConfigError(f"{node.place}: <<: only a mapping, or a list of them, can be merged")
            yield from node.value.items()


def _key(node: yaml.Node, place: Place) -> str:
    """Return a key as text, whatever type its value would have: ``1:`` and ``on:`` are "1" and "on"."""
    if not isinstance(node, yaml.ScalarNode) or not node.value:
        raise ConfigError(f"{place}: a key must be a single word or text")
    return str(node.value)


def _scalar(kind: str, text: str, place: Place) -> Scalar:
    if kind in ("str", "merge"):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ConfigError(f"{place}: half of a surrogate pair is no text")
        return text
    if kind not in _CORE:
        raise _bad_tag(kind, place)
    if not re.fullmatch(_CORE[kind], text):
        raise ConfigError(f"{place}: {text!r} is not of type !!{kind}")
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    return _number(kind, text, place)


def _number(kind: str, text: str, place: Place) -> int | float:
    """Return a number; a whole one in scientific notation, ``1e6``, is an int, so it can count things."""
    try:
        if kind == "int":
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise ConfigError(f"{place}: this number has too many digits") from None
    if not math.isfinite(value):
        raise ConfigError(f"{place}: {text} is not a finite number")
    whole = "e" in text.lower() and abs(value) <= _EXACT_INT and value.is_integer()
    return int(value) if whole else value


def _bad_tag(kind: str, place: Place) -> ConfigError:
    shown = kind if kind.startswith("!") else f"!!{kind}"
    return ConfigError(
        f"{place}: values of type {shown} are not allowed; write plain text, numbers, lists or keys"
    )
