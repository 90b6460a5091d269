"""Reading a JSON Schema: its sections, and of every option the type, the values allowed, the unit and the default."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_UNITS = (
    ("gb_per_s", "10^9 B/s"),
    ("_bytes", "bytes"),
    ("_ns_per_lookup", "ns"),
    ("_ns_per_burst", "ns"),
    ("_ns", "ns"),
    ("_ms", "ms"),
    ("_cycles", "clocks"),
    ("_per_s", "1/s"),
    ("share", "share of 1"),
)
_SIZE_PATTERN = "KiB"


@dataclass(frozen=True)
class Option:
    """One option as a page tells it; ``default`` is None where it must be given."""

    path: str
    kind: str
    unit: str
    default: str | None
    about: str


@dataclass(frozen=True)
class Section:
    """One section: where it stands, what its schema is, and whether it may be absent."""

    path: str
    schema: Schema
    optional: bool


def sections(schema: Schema, whole: Schema, path: str = "") -> Iterator[Section]:
    """Yield the sections below ``schema`` in order, those of a union one by one; ``whole`` holds the definitions."""
    for name, value in schema.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        found = list(_objects(value, whole))
        for part in found:
            optional = any(inner.get("type") == "null" for inner in value.get("anyOf", ()))
            yield Section(below, part, optional)
            yield from sections(part, whole, below)


def options(schema: Schema, whole: Schema, path: str = "") -> Iterator[Option]:
    """Yield the options that stand in ``schema`` itself, not in a section of it."""
    for name, value in schema.get("properties", {}).items():
        if any(_objects(value, whole)) and not _plain_kinds(value):
            continue
        yield Option(
            f"{path}.{name}" if path else name,
            kind_of(value, whole),
            next((unit for ending, unit in _UNITS if name.endswith(ending)), ""),
            _written(value.get("default")) if "default" in value else _absent(schema, name),
            value.get("description", ""),
        )


def kind_of(value: Schema, whole: Schema) -> str:
    """Return the type of a value and what is allowed, in words."""
    if _SIZE_PATTERN in str(value.get("anyOf", "")):
        return "size: a number of bytes, or such as `128 KiB`"
    if "const" in value:
        return f"`{_written(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{_written(one)}`" for one in value["enum"])
    parts = value.get("anyOf") or value.get("oneOf")
    if parts:
        return " or ".join(kind_of(part, whole) for part in parts)
    if "$ref" in value:
        return f"keys of a section ({', '.join(f'`{k}`' for k in resolved(value, whole)['properties'])})"
    if value.get("type") == "array":
        return f"list of {kind_of(value.get('items', {}), whole)}"
    names = {
        "integer": "whole number",
        "string": "text",
        "boolean": "`true`, `false`",
        "object": "keys and values",
    }
    kind = names.get(value.get("type", ""), value.get("type", "any value"))
    return f"{kind}{_limits(value)}"


def resolved(value: Schema, whole: Schema) -> Schema:
    """Return what a reference stands for, anything else as it is."""
    found: Schema = whole["$defs"][value["$ref"].rpartition("/")[2]] if "$ref" in value else value
    return found


def _objects(value: Schema, whole: Schema) -> Iterator[Schema]:
    """Yield the sections that a value may be."""
    if "$ref" in value or "properties" in value:
        yield resolved(value, whole)
    for part in (*value.get("anyOf", ()), *value.get("oneOf", ())):
        yield from _objects(part, whole)
    if "items" in value:
        yield from _objects(value["items"], whole)


def _plain_kinds(value: Schema) -> list[Schema]:
    """Return the kinds that are no section: an option that may be text or a section is an option, too."""
    parts = (*value.get("anyOf", ()), *value.get("oneOf", ()))
    plain = [part for part in parts if part.get("type") not in (None, "null")]
    return [*plain, value] if value.get("type") == "array" else plain


def _limits(value: Schema) -> str:
    least, most = value.get("minimum"), value.get("maximum")
    above, below = value.get("exclusiveMinimum"), value.get("exclusiveMaximum")
    words = [
        f"from {least:,}" if least is not None else "",
        f"above {above:,}" if above is not None else "",
        f"to {most:,g}" if isinstance(most, float) else f"to {most:,}" if most is not None else "",
        f"below {below:,}" if below is not None else "",
    ]
    return " " + " ".join(word for word in words if word) if any(words) else ""


def _absent(schema: Schema, name: str) -> str | None:
    needed = [
        *schema.get("required", ()),
        *(one for part in schema.get("anyOf", ()) for one in part.get("required", ())),
    ]
    return None if name in needed and name != "extends" else "absent"


def _written(value: object) -> str:
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
