"""A YAML document that remembers where every value stands, so that every complaint can say where."""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from recnmp._registry import did_you_mean
from recnmp.config import _problems
from recnmp.config._problems import Loc
from recnmp.config._yaml import Entry, Node, Place, parse
from recnmp.errors import ConfigError

_Model = TypeVar("_Model", bound=BaseModel)

MAX_FILE_BYTES = 16 << 20
"""Larger files are no documents: a trace given in place of a configuration is refused before it is read."""


class Document:
    """A mapping read from YAML (or built from plain data) with the place of each of its values.

    ``path`` is the file it was read from (for merged documents the one asked for), ``root`` its values.
    """

    def __init__(self, root: Node, path: Path) -> None:
        self.path = path
        self.root = root

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Read one YAML 1.2 document from ``path``.

        Raises ConfigError, naming the file and where it can line and column, when there is no such file, it
        is not UTF-8 text or not valid YAML, a key is repeated, or the document is not a mapping.
        """
        place = Place(str(path), 1, 1, path.parent)
        root = _parsed(_text(path), place)
        if root.value is None:
            raise ConfigError(f"{place}: nothing in this file; a mapping (key: value lines) is needed")
        if not isinstance(root.value, dict):
            raise ConfigError(f"{root.place}: a mapping (key: value lines) is needed here")
        return cls(root, path)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], source: str) -> "Document":
        """Return ``data``, already parsed, as a document; errors say ``source`` and no line."""
        return cls(_node(data, Place(source)), Path(source))

    @cached_property
    def data(self) -> dict[str, Any]:
        """The document as plain dicts, lists and scalars; keys are text."""
        plain: dict[str, Any] = self.root.plain()
        return plain

    def place(self, loc: Loc) -> Place:
        """Return where the value at ``loc`` stands, or what of it there is (see `error`)."""
        return _problems.find(self.root, loc).place

    def error(self, loc: Loc, message: str, allowed: Iterable[str] | None = None) -> ConfigError:
        """Return the error ``file:line:col: a.b: message; allowed: x, y; did you mean 'x'?`` for ``loc``.

        The place is that of a scalar, of a section's key, or of the closest section that is there. The
        suggestion is for the value at ``loc`` or, where that resembles nothing allowed, for its key.
        """
        found = _problems.find(self.root, loc)
        names = [found.node.value] if found.complete and isinstance(found.node.value, str) else []
        names += [loc[-1]] if loc and isinstance(loc[-1], str) else []
        return ConfigError(_problems.line(found.place, loc, message, allowed, names))

    def validate(self, model: type[_Model], other_keys: Iterable[str] = ()) -> _Model:
        """Return the document as ``model``; ``other_keys`` are top keys that its reader took out.

        Types are strict, as YAML has them: no text for a number, no 1.5 for an int, no true for 1; lists
        serve for tuples and text for paths. Raises one ConfigError with a line for every problem.
        """
        return self.validate_part((), self.data, model, other_keys)

    def validate_part(
        self, loc: Loc, data: Any, model: type[_Model], other_keys: Iterable[str] = ()
    ) -> _Model:
        """Return ``data``, the value at ``loc``, as ``model``, as `validate` does for the whole."""
        try:
            return model.model_validate_json(json.dumps(data), strict=True)
        except ValidationError as error:
            lines = _problems.lines(error, model, self.root, loc, other_keys)
            raise ConfigError("\n".join(lines)) from None

    def merged(self, over: "Document") -> "Document":
        """Return this document with the values of ``over`` on top, mapping by mapping.

        A section whose ``kind`` changes does not keep the ``options`` of the kind it had.
        """
        return Document(_merge(self.root, over.root), over.path)

    def without(self, key: str) -> "Document":
        """Return this document without the top-level ``key``."""
        assert isinstance(self.root.value, dict)
        rest = {name: entry for name, entry in self.root.value.items() if name != key}
        return Document(Node(rest, self.root.place), self.path)


@lru_cache(maxsize=32)
def _parsed(text: str, place: Place) -> Node:
    """Parse a text once: many runs read the same files, and a tree is never changed."""
    return parse(text, place)


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise ConfigError(f"{path}: is a folder; name a file in it")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(
                f"{path}: larger than {MAX_FILE_BYTES >> 20} MiB; this is no YAML document of recnmp"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{similar_file(path)}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ConfigError(
            f"{path}:{line}:{column}: not UTF-8 text: it has the byte 0x{data[error.start]:02x}"
        ) from None


def similar_file(path: Path) -> str:
    """Return ``"; did you mean 'x'?"`` for a file beside ``path``, or that there is no such folder."""
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist"
    return did_you_mean(path.name, (p.name for p in path.parent.iterdir() if p.is_file()))


def _node(data: Any, place: Place) -> Node:
    if isinstance(data, Mapping):
        return Node({str(key): Entry(place, _node(value, place)) for key, value in data.items()}, place)
    if isinstance(data, list | tuple):
        return Node([_node(item, place) for item in data], place)
    return Node(data, place)


def _merge(base: Node, over: Node) -> Node:
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    result = dict(base.value)
    if (
        "kind" in base.value
        and "kind" in over.value
        and base.value["kind"].node.value != over.value["kind"].node.value
    ):
        result.pop("options", None)
    for key, entry in over.value.items():
        node = _merge(result[key].node, entry.node) if key in result else entry.node
        result[key] = Entry(entry.place, node)
    return Node(result, over.place)


__all__ = ["Document", "Loc", "Node", "Place", "similar_file"]
