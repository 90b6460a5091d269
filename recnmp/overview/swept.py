"""A sweep or a search as its page needs it: settings on axes, their means, the traces that they read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recnmp.plot.labels import option_label, value_text
from recnmp.sweep.figures import is_number

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """What was varied together: one option, or those of a ``zip`` or ``list``.

    ``values`` are as a person writes them, in order; ``texts`` has the one of each combination of the options' own.
    """

    name: str
    options: tuple[str, ...]
    values: tuple[str, ...]
    texts: Mapping[str, str] = field(compare=False)

    def text(self, options: Json) -> str:
        """Return a point's value here."""
        return self.texts[_own(options, self.options)]


@dataclass(frozen=True)
class Mean:
    """A figure of a setting: the mean over its replicates, and half its 95 % confidence interval, None for one."""

    value: float
    half: float | None


@dataclass(frozen=True)
class Setting:
    """Points that differ in their seeds alone.

    Attributes:
        number: its place in the order declared, which is its row in the sweep's last table.
        at: its value on each axis, by the axis' name.
        figures: those of interest, by their keys; none where no replicate is done.
        keys: points, by the digest of each.
        done, failed, pending: how many of them are.
    """

    number: int
    at: dict[str, str]
    figures: dict[str, Mean]
    keys: tuple[str, ...]
    done: int
    failed: int
    pending: int


@dataclass(frozen=True)
class Trace:
    """A trace of a sweep: its file, as points that are done named it, and what their results say of it."""

    digest: str
    file: Path
    meta: Json
    unique_share: float | None = None


@dataclass(frozen=True)
class Swept:
    """All of a sweep or a search.

    Attributes:
        manifest: what was asked, when, and of which code.
        table: name of the table in whose rows settings are.
        points: how many there are.
        axes: those with more than one value.
        settings: in the order declared.
        errors: key and message of every point that failed.
        pending: keys of points that are neither done nor failed.
        seconds: of each point that is done, by its key.
        traces: each once.
        sample: the result of one of the points; None where none is done.
    """

    manifest: Json
    table: str
    points: int
    axes: tuple[Axis, ...]
    settings: tuple[Setting, ...]
    errors: dict[str, str]
    pending: tuple[str, ...]
    seconds: dict[str, float]
    traces: tuple[Trace, ...]
    sample: Json | None

    @property
    def searched(self) -> bool:
        """Whether points were chosen by what earlier ones found, and not declared."""
        return "search" in self.manifest["document"]


def axis_of(group: Sequence[str], rows: Sequence[Json]) -> Axis:
    """Return the axis of some options: numbers in order, else values as they come."""
    # a section that is set as a whole says no more than the options within it that are told, too
    names = tuple(n for n in group if not any(other.startswith(f"{n}.") for other in group))
    counts = all(isinstance(row[name], int) for name in names for row in rows)
    if len(names) == 1 and all(_is_number(row[names[0]]) for row in rows):
        rows = sorted(rows, key=lambda row: _size(row[names[0]]))
    same = {name: _same(row[name] for row in rows) for name in names}
    texts = {}
    for row in rows:
        told = [_text(name, row[name], same[name]) for name in names]
        texts[_own(row, names)] = " x ".join(told) if counts else ", ".join(dict.fromkeys(told))
    if len(set(texts.values())) < len(texts):  # such as files of one name in two folders
        texts = {own: own for own in texts}
    name = (" x " if counts else ", ").join(dict.fromkeys(map(option_label, names)))
    return Axis(name, names, tuple(dict.fromkeys(texts.values())), texts)


def _own(options: Json, names: Sequence[str]) -> str:
    return json.dumps([options[name] for name in names])


def _is_number(value: object) -> bool:
    return value is None or is_number(value)


def _size(value: float | None) -> float:
    return float("-inf") if value is None else value


def _text(name: str, value: object, same: frozenset[str] = frozenset()) -> str:
    """Return a value as a person writes it; of a section, the values within but for those of the keys ``same``."""
    value = _plain(value)
    if isinstance(value, Mapping):
        told = {key: inner for key, inner in value.items() if key not in same} or value
        return ", ".join(_text(f"{name}.{key}", inner) for key, inner in told.items())
    return json.dumps(value) if isinstance(value, list) else value_text(name, value)


def _plain(value: object) -> object:
    """Return a section that a table has as JSON."""
    return json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value


def _same(values: Iterable[object]) -> frozenset[str]:
    """Return the keys that all sections among ``values`` have with one value."""
    sections = [one for one in map(_plain, values) if isinstance(one, Mapping)]
    if len({json.dumps(one, sort_keys=True) for one in sections}) < 2:
        return frozenset()
    shared = set.intersection(*(set(one) for one in sections))
    return frozenset(key for key in shared if all(one[key] == sections[0][key] for one in sections))
