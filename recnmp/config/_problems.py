"""Lines that say what is wrong with a document, where, and what is allowed there."""

import difflib
import json
import re
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from recnmp._registry import did_you_mean
from recnmp.config._yaml import Node, Place

Loc = Sequence[str | int]

MAX_ALLOWED_CHARACTERS = 200
"""A longer list of allowed words hides the message and is left out."""

_MESSAGES = {
    "missing": "missing",
    "extra_forbidden": "unknown key",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "model_type": "must be a section (key: value lines)",
    "model_attributes_type": "must be a section (key: value lines)",
    "dict_type": "must be a section (key: value lines)",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "not a choice",
    "union_tag_invalid": "not a choice",
    "union_tag_not_found": "missing",
    "value_error": "{error}",
}
_SELF_EXPLAINED = {"missing", "extra_forbidden", "union_tag_not_found", "value_error"}


class Found(NamedTuple):
    """What of a loc is in a document: the last node met, its place to point at, and whether all was there."""

    node: Node
    place: Place
    complete: bool


class _Problem(NamedTuple):
    place: Place
    loc: tuple[str | int, ...]
    message: str
    allowed: list[str]
    name: str | None


def find(root: Node, loc: Loc) -> Found:
    """Return what there is of ``loc`` in ``root``: a scalar's own place, a section's or list's key."""
    node, place = root, root.place
    for part in loc:
        child = _child(node, part)
        if child is None:
            return Found(node, place, complete=False)
        key_place, node = child
        place = key_place if isinstance(node.value, dict | list) else node.place
    return Found(node, place, complete=True)


def _child(node: Node, part: str | int) -> tuple[Place, Node] | None:
    if isinstance(node.value, dict):
        return node.value.get(str(part))
    if isinstance(node.value, list) and isinstance(part, int) and 0 <= part < len(node.value):
        return node.value[part].place, node.value[part]
    return None


def line(
    place: Place, loc: Loc, message: str, allowed: Iterable[str] | None = None, names: Iterable[object] = ()
) -> str:
    """Return ``place: a.b[0]: message; allowed: x, y; did you mean 'x'?``."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
    text = f"{place}: {path}: {message}" if path else f"{place}: {message}"
    choices = list(allowed or ())
    listed = ", ".join(choices)
    if choices and len(listed) <= MAX_ALLOWED_CHARACTERS:
        text += f"; allowed: {listed}"
    suggestions = (did_you_mean(name, choices) for name in names)
    return " ".join((text + next(filter(None, suggestions), "")).splitlines())


def lines(
    error: ValidationError,
    model: type[BaseModel],
    root: Node,
    at: Loc = (),
    other_keys: Iterable[str] = (),
) -> list[str]:
    """Return one line for each problem pydantic found in the part of ``root`` at ``at`` as a ``model``.

    They come in the document's order. ``other_keys`` are allowed in the part besides the model's own.
    """
    found: dict[tuple[str | int, ...], _Problem] = {}
    for details in error.errors(include_url=False):
        problem = _problem(details, model, root, at)
        if details["type"] == "extra_forbidden" and len(details["loc"]) == 1:
            problem = problem._replace(allowed=sorted({*problem.allowed, *other_keys}))
        before = found.get(problem.loc)
        if before is not None and problem.message not in before.message:
            # the members of an undiscriminated union each complain about the same value
            problem = problem._replace(message=f"{before.message} or {problem.message}")
        found[problem.loc] = problem
    # a misspelt key is one problem, not also the absence of the right one
    misspelt = {
        (*p.loc[:-1], *difflib.get_close_matches(p.name, p.allowed, 1)) for p in found.values() if p.name
    }
    kept = [p for p in found.values() if not (p.message == "missing" and p.loc in misspelt)]
    kept.sort(
        key=lambda p: (p.place.source != root.place.source, p.place.source, p.place.line, p.place.column)
    )
    return [line(p.place, p.loc, p.message, p.allowed, [p.name] if p.name else []) for p in kept]


def _problem(details: ErrorDetails, model: type[BaseModel], root: Node, at: Loc) -> _Problem:
    kind, ctx = details["type"], details.get("ctx", {})
    loc = _document_loc(root, (*at, *details["loc"]), keep_last=kind == "missing")
    allowed: list[str] = []
    name: str | None = None
    if kind == "extra_forbidden":
        owner = _owner(model, details["loc"][:-1])
        allowed = sorted(_keys(owner)) if owner else []
        name = str(loc[-1])
        parent = _child(find(root, loc[:-1]).node, loc[-1])
        return _Problem(parent[0] if parent else root.place, loc, _MESSAGES[kind], allowed, name)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        loc = (*loc, str(ctx.get("discriminator", "")).strip("'"))
        allowed, name = _choices(ctx.get("expected_tags", "")), ctx.get("tag")
    elif kind == "literal_error":
        allowed = _choices(ctx["expected"])
        name = details["input"] if isinstance(details["input"], str) else None
    message = _MESSAGES.get(kind)
    message = message.format(**ctx) if message else details["msg"]
    if kind not in _SELF_EXPLAINED:
        value = ctx["tag"] if kind == "union_tag_invalid" else details["input"]
        message += f", got {_shown(value)}"
    return _Problem(find(root, loc).place, loc, message, allowed, name)


def _document_loc(root: Node, loc: Loc, keep_last: bool) -> tuple[str | int, ...]:
    """Return ``loc`` without the parts pydantic adds for union members, which are not in the document."""
    kept: list[str | int] = []
    node = root
    for i, part in enumerate(loc):
        child = _child(node, part)
        if child is not None:
            node = child[1]
        if child is not None or (keep_last and i == len(loc) - 1):
            kept.append(part)
    return tuple(kept)


def _choices(expected: str) -> list[str]:
    return re.findall(r"'([^']*)'", expected) or [w for w in re.split(r", | or ", expected) if w]


def _shown(value: object) -> str:
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value)
    except TypeError:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys(model: type[BaseModel]) -> Iterator[str]:
    return (field.alias or name for name, field in model.model_fields.items())


def _owner(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    """Return the model that the value at pydantic's ``loc`` is read as."""
    annotation: Any = model
    for part in loc:
        annotation = _step(annotation, part)
    models = [m for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
    return models[0] if models else None


def _members(annotation: Any) -> list[Any]:
    """Return the alternatives of an annotation, without Annotated, Union and None around them."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [m for a in get_args(annotation) for m in _members(a)]
    return [] if annotation is type(None) else [annotation]


def _step(annotation: Any, part: str | int) -> Any:
    """Return the annotation one part of a loc further: a field, an item, or the chosen union member."""
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            for name, field in member.model_fields.items():
                if part in (name, field.alias):
                    return field.annotation
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            if part == member.__name__ or part in _tags(member):
                return member
        elif get_origin(member) in (list, tuple, dict, Sequence):
            return get_args(member)[-1] if get_origin(member) is not tuple else get_args(member)[0]
    return None


def _tags(model: type[BaseModel]) -> set[Any]:
    """Return the values of the model's Literal fields, one of which may be its union's tag."""
    literals = (f.annotation for f in model.model_fields.values() if get_origin(f.annotation) is Literal)
    return {value for literal in literals for value in get_args(literal)}
