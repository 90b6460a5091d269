"""The page of every option: from the configuration's schema, and from the option classes of plug-ins."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from json_schema import Option, Schema, Section, options, resolved, sections

from recnmp._registry import plugin, plugin_names
from recnmp.config.schema import json_schema

_HEAD = """# Configuration

Every option of a configuration; this page is generated from the schema that `recnmp schema` prints. `--set A.B=V`
sets any of them on the command line, `extends: FILE` starts from another file, and an option that does not exist is
an error with file, line and column. Units are part of names. A size is a number of bytes or such as `128 KiB`. Names
of files and plug-ins (standards, models, policies, ...) are in the [library](library.md).
"""
_NEEDED: dict[str, Any] = {
    "trace.file": "traces/rm1.parquet",
    "memory.host_traffic.gb_per_s": 4.0,
    "placement.replicate.entries": 8000,
    "cache.rank.size_bytes": "128 KiB",
    "cache.llc.size_bytes": "22 MiB",
    "memory.mapping.order": "RoBaBgRaChCo",
}
"""Values for examples, of options that have no default."""
_BESIDE = {"placement.profile": {"replicate": {"entries": 8000}}}
"""What a section is of no use without, beside it."""
_NO_EXAMPLE = ("sweep", "search", "memory.mapping")
"""Sections that their own pages show."""


def options_page() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_HEAD, *_configuration(), *_architectures(), *_policies(), *_formats()])


def _configuration() -> Iterator[str]:
    whole = json_schema()
    yield from _table("## The whole", "", options(whole, whole))
    for section in sections(whole, whole):
        level = "##" if "." not in section.path else "###"
        kind = section.schema.get("properties", {}).get("kind", {}).get("const")
        title = f"{level} `{section.path}`" + (f" of kind `{kind}`" if kind else "")
        absent = "`null`, the default, is none of it." if section.optional else ""
        about = [text for text in (section.schema.get("description", ""), absent) if text]
        yield from _table(title, "\n\n".join(about), options(section.schema, whole, section.path))
        if not section.path.startswith(_NO_EXAMPLE):
            yield f"```yaml\n{example(section, whole)}```\n"


def example(section: Section, whole: Schema) -> str:
    """Return the section as YAML with its defaults, and a value where there is none."""
    values: dict[str, Any] = {}
    for name, value in section.schema["properties"].items():
        chosen = _NEEDED.get(f"{section.path}.{name}", value.get("default", value.get("const")))
        if chosen is not None and not isinstance(chosen, dict) and "$ref" not in resolved(value, whole):
            values[name] = chosen
    above, _, last = section.path.rpartition(".")
    values = {**_BESIDE.get(section.path, {}), last: values}
    for key in reversed(above.split(".") if above else []):
        values = {key: values}
    return str(yaml.safe_dump(values, sort_keys=False))


def _architectures() -> Iterator[str]:
    yield "## `nmp.options`\n\nOptions of the architecture that `nmp.kind` names.\n"
    for name in plugin_names("nmp"):
        schema = plugin("nmp", name).Options.model_json_schema()
        about = f"With `nmp.kind: {name}`. {schema.get('description', '')}"
        yield from _table(f"### `{name}`", about, options(schema, schema, "nmp.options"))


def _policies() -> Iterator[str]:
    yield "## Options of replacement policies\n"
    yield "Behind a colon: `cache.rank.kind: s3fifo:small_share=0.2`. Policies that are not here have none.\n"
    yield "| policy | option | type | default |\n|---|---|---|---|"
    for name in plugin_names("cache.policies"):
        for field in dataclasses.fields(plugin("cache.policies", name).Options):
            yield f"| `{name}` | `{field.name}` | {type(field.default).__name__} | `{field.default}` |"
    yield ""


def _formats() -> Iterator[str]:
    yield "## Options of trace formats\n"
    yield "For `recnmp trace import` and `export`, as `--set OPTION=V`: [what the formats are](../formats.md).\n"
    for name in plugin_names("trace.formats"):
        module = plugin("trace.formats", name)
        for what, title in (("Read", "read"), ("Write", "written"), ("Request", "laid out")):
            schema = _schema_of(getattr(module, f"{what}Options", None))
            if schema.get("properties"):
                yield from _table(f"### `{name}`, {title}", "", options(schema, schema))


def _schema_of(model: Any) -> Schema:
    return model.model_json_schema() if model else {}


def _table(title: str, about: str, rows: Iterable[Option]) -> Iterator[str]:
    yield f"{title}\n\n{_cell(about)}\n" if about else f"{title}\n"
    rows = list(rows)
    if not rows:
        yield "No options.\n" if not about else ""
        return
    yield "| option | values | default | |\n|---|---|---|---|"
    for row in rows:
        default = "**required**" if row.default is None else f"`{row.default}`" if row.default else '`""`'
        kind = row.kind.replace("|", "/") + (f" [{row.unit}]" if row.unit else "")
        yield f"| `{row.path}` | {kind} | {default} | {_cell(row.about)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
