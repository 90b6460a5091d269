"""From the ``sweep`` section of a document to points: each a few options with their values."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recnmp.config._yaml import Entry, Node, Place
from recnmp.config.document import Document
from recnmp.config.sweep import Axis, SweepConfig
from recnmp.errors import ConfigError

MAX_POINTS = 100_000
"""More points than this are taken for a mistake."""

SEEDS = ("placement.seed", "arrival.seed", "memory.host_traffic.seed", "end_to_end.serving.seed")
"""Every seed of a run."""


@dataclass(frozen=True)
class Choice:
    """One option of a point: its dotted name, its value as written, and where the name stands."""

    option: str
    node: Node
    place: Place

    @property
    def value(self) -> Any:
        """The value as plain data."""
        return self.node.plain()


Assignment = tuple[Choice, ...]


def expand(document: Document) -> list[Assignment]:
    """Return the points of the document's ``sweep`` section without seeds, the last axis varying fastest.

    Raises ConfigError with file, line and column for a section that is not well formed, for an option that two axes
    set at one point, for equal points, and for a condition that no point could ever meet.
    """
    if "sweep" not in document.data:
        raise ConfigError(f"{document.path}: no sweep section: this is one run, for `recnmp simulate`")
    sweep = document.validate_part(("sweep",), document.data["sweep"], SweepConfig)
    base = document.without("sweep")
    points: list[Assignment] = [()]
    for i, axis in enumerate(sweep.axes):
        loc = ("sweep", "axes", i)
        assignments = _assignments(axis, document, loc)
        applies = _meeting(axis, document, loc, points, base)
        points = [
            joined(point, more)
            for point, one in zip(points, applies, strict=True)
            for more in (assignments if one else [()])
        ]
        _few_enough(len(points), document, loc)
    points = list(itertools.compress(points, _meeting(sweep, document, ("sweep",), points, base)))
    if not points:
        raise document.error(("sweep",), "no point is left: conditions leave all out")
    _few_enough(len(points) * len(sweep.seed_values), document, ("sweep",))
    _all_different(points)
    return points


def seeds_of(document: Document) -> list[int | None]:
    """Return the seeds of the replicates; one None where the configuration's own are kept."""
    return document.validate_part(("sweep",), document.data["sweep"], SweepConfig).seed_values


def _assignments(axis: Axis, document: Document, loc: tuple[str | int, ...]) -> list[Assignment]:
    kind = "grid" if axis.grid else "zip" if axis.zipped else "list"
    node = _node(document, (*loc, kind))
    if kind == "list":
        return [
            joined((), [Choice(option, entry.node, entry.place) for option, entry in _entries(item).items()])
            for item in _items(node)
        ]
    columns = [
        [Choice(option, item, entry.place) for item in _items(entry.node)]
        for option, entry in _entries(node).items()
    ]
    if kind == "grid":
        _few_enough(math.prod(map(len, columns)), document, loc)
        return [joined((), row) for row in itertools.product(*columns)]
    lengths = {column[0].option: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{option} has {length}" for option, length in lengths.items())
        raise document.error((*loc, kind), f"lists side by side must have one length: {told}")
    return [joined((), row) for row in zip(*columns, strict=True)]


def _meeting(
    conditions: Axis | SweepConfig,
    document: Document,
    loc: tuple[str | int, ...],
    points: Sequence[Assignment],
    base: Document,
) -> list[bool]:
    """Return for each point whether it meets ``when`` and not ``unless``; raises for a value that no point has."""
    meets = [True] * len(points)
    for name, options in (("when", conditions.when), ("unless", conditions.unless)):
        if options is None:
            continue
        met = [True] * len(points)
        for option, wanted in options.items():
            at = (*loc, name, option)
            has = [
                as_text(value_of(with_choices(base, point).data, option, document, at)) for point in points
            ]
            texts = [as_text(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
            for text in texts:
                if text not in has:
                    seen = ", ".join(sorted(set(has)))
                    raise document.error(at, f"no point has {text} here; there is {seen}")
            met = [before and text in texts for before, text in zip(met, has, strict=True)]
        meets = [before and (one == (name == "when")) for before, one in zip(meets, met, strict=True)]
    return meets


def value_of(data: Any, option: str, document: Document, at: tuple[str | int, ...]) -> Any:
    """Return an option of a point as written; null within a section that is null: no cache has no size."""
    for key in option.split("."):
        if data is None:
            return None
        if not isinstance(data, dict) or key not in data:
            message = "neither what varies before it nor the configuration sets it; set it there to compare"
            raise document.error(at, message)
        data = data[key]
    return data


def joined(point: Assignment, more: Sequence[Choice]) -> Assignment:
    """Return a point with more choices; ConfigError for an option set twice, or undone by a later one."""
    result = list(point)
    for choice in more:
        section, _, last = choice.option.rpartition(".")
        for before in result:
            if choice.option == before.option:
                raise ConfigError(f"{choice.place}: {choice.option}: set twice, first at {before.place}")
            undone = f"{section}.options." if last == "kind" else f"{choice.option}."
            if before.option.startswith(undone):
                raise ConfigError(
                    f"{choice.place}: {choice.option}: undoes {before.option} of {before.place}; put it before that"
                )
        result.append(choice)
    return tuple(result)


def _all_different(points: Sequence[Assignment]) -> None:
    seen: set[str] = set()
    for point in points:
        text = ", ".join(f"{choice.option}={as_text(choice.value)}" for choice in point)
        if text in seen:
            raise ConfigError(f"{point[-1].place}: {text}: this point is there twice")
        seen.add(text)


def _few_enough(points: int, document: Document, loc: tuple[str | int, ...]) -> None:
    if points > MAX_POINTS:
        raise document.error(loc, f"{points:,} points; {MAX_POINTS:,} are the most")


def _node(document: Document, loc: tuple[str | int, ...]) -> Node:
    node = document.root
    for part in loc:
        node = _items(node)[part] if isinstance(part, int) else _entries(node)[part].node
    return node


def _entries(node: Node) -> dict[str, Entry]:
    assert isinstance(node.value, dict)  # validated
    return node.value


def _items(node: Node) -> list[Node]:
    assert isinstance(node.value, list)  # validated
    return node.value


def as_text(value: Any) -> str:
    """Return what tells values apart: ``4`` and ``"4"`` are two."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def with_choices(base: Document, choices: Sequence[Choice]) -> Document:
    """Return ``base`` with the choices on top, one after the other; each value keeps the place it was written."""
    for choice in choices:
        node = choice.node
        for key in reversed(choice.option.split(".")):
            node = Node({key: Entry(choice.place, node)}, choice.place)
        base = base.merged(Document(node, base.path))
    return base


def seed_choices(seed: int, data: Mapping[str, Any], place: Place) -> Iterator[Choice]:
    """Yield all seeds of a run of configuration ``data`` set to ``seed``."""
    for option in SEEDS:
        section, _, last = option.removesuffix(".seed").rpartition(".")
        if not section or (data.get(section) or {}).get(last) is not None:  # else nothing random is there
            yield Choice(option, Node(seed, place), place)
