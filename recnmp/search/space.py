"""The open options of a search: every value they may have, and which of them count at a point."""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from recnmp.config._yaml import Entry, Node, Place
from recnmp.config.document import Document
from recnmp.config.search import SearchConfig, Span
from recnmp.errors import ConfigError
from recnmp.sweep.axes import Assignment, Choice, as_text, joined, value_of, with_choices
from recnmp.units import parse_bytes

Gene = int | float
Genes = Mapping[str, Gene]
"""For every open option the place of its value in its list, or its value where that is a range."""

MAX_VALUES = 10_000
"""A stepped range of more values than this is taken for a mistake."""

MAX_EVERY = 200_000
"""More points than this are not listed one by one."""


@dataclass(frozen=True)
class Dimension:
    """One open option, which stands at ``place``.

    ``nodes`` are its values, or None for any number, or any in the logarithm, from ``low`` to ``high``: whole ones
    where these are.
    """

    option: str
    place: Place
    nodes: tuple[Node, ...] | None
    low: Gene = 0
    high: Gene = 0
    log: bool = False
    when: Mapping[str, Any] | None = None

    @property
    def whole(self) -> bool:
        """Whether a range has whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ordered(self) -> bool:
        """Whether neighbours in the list are alike: numbers or sizes that rise."""
        sizes = [_size(node.plain()) for node in self.nodes or ()]
        numbers = [size for size in sizes if size is not None]
        return len(numbers) == len(sizes) and all(a < b for a, b in itertools.pairwise(numbers))

    @property
    def genes(self) -> range | None:
        """All genes of this option; None where there is no end of them."""
        if self.nodes is not None:
            return range(len(self.nodes))
        return range(int(self.low), int(self.high) + 1) if self.whole else None

    def choice(self, gene: Gene) -> Choice:
        """Return the option with the value that ``gene`` stands for."""
        node = Node(gene, self.place) if self.nodes is None else self.nodes[int(gene)]
        return Choice(self.option, node, self.place)


class Space:
    """All open options of a document's ``search`` section.

    Raises ConfigError with file, line and column for a value that is there twice, an option that undoes one before
    it, and a condition that can never be met.
    """

    def __init__(self, document: Document, config: SearchConfig) -> None:
        self._document = document
        self._base = document.without("search")
        self.dimensions = [_dimension(document, option, span) for option, span in config.space.items()]
        joined((), [dimension.choice(_first(dimension)) for dimension in self.dimensions])
        for n in range(len(self.dimensions)):
            self._check_condition(n)

    @property
    def names(self) -> list[str]:
        """The open options in the order declared."""
        return [dimension.option for dimension in self.dimensions]

    @property
    def combinations(self) -> int | None:
        """Values of all options multiplied, conditions or not; None where one of them has no end of values."""
        counts = [None if (genes := one.genes) is None else len(genes) for one in self.dimensions]
        return None if None in counts else math.prod(count or 0 for count in counts)

    def own(self, option: str, resolved: Any) -> Any:
        """Return an open option as the configuration itself writes it, ``resolved`` where it does not.

        Of a section there are the keys that the space has other values for.
        """
        found: Any = self._base.data
        for key in option.split("."):
            found = found.get(key, resolved) if isinstance(found, Mapping) else resolved
        nodes = next(one.nodes for one in self.dimensions if one.option == option) or ()
        keys = {key for node in nodes if isinstance(node.value, dict) for key in node.value}
        return {key: found[key] for key in found if key in keys} if isinstance(found, Mapping) else found

    def assignment(self, genes: Genes) -> Assignment:
        """Return the options that count at a point with their values: those whose conditions are met."""
        chosen: Assignment = ()
        for n, dimension in enumerate(self.dimensions):
            if self._open(n, chosen):
                chosen = (*chosen, dimension.choice(genes[dimension.option]))
        return chosen

    def every(self) -> Iterator[Assignment]:
        """Yield every point once, the last option varying fastest.

        Raises ConfigError for a range without steps, and for more than `MAX_EVERY` points.
        """
        points: list[Assignment] = [()]
        for n, dimension in enumerate(self.dimensions):
            genes = dimension.genes
            loc = ("search", "space", dimension.option)
            if genes is None:
                raise self._document.error(
                    loc, "has no end of values; a grid needs step, or a list of values"
                )
            longer = [
                (*point, dimension.choice(gene)) if gene is not None else point
                for point in points
                for gene in (genes if self._open(n, point) else [None])
            ]
            if len(longer) > MAX_EVERY:
                raise self._document.error(
                    loc, f"more than {MAX_EVERY:,} points up to here; too many for a grid"
                )
            points = longer
        yield from points

    def _open(self, n: int, chosen: Assignment) -> bool:
        conditions = self.dimensions[n].when
        if conditions is None:
            return True
        data = with_choices(self._base, chosen).data
        return all(
            as_text(value_of(data, option, self._document, self._loc(n, option)))
            in {as_text(one) for one in _listed(wanted)}
            for option, wanted in conditions.items()
        )

    def _check_condition(self, n: int) -> None:
        """Raise ConfigError for a wanted value that neither an option before this one nor the configuration has."""
        for option, wanted in (self.dimensions[n].when or {}).items():
            before = [one for one in self.dimensions[:n] if f"{option}.".startswith(f"{one.option}.")]
            has: set[str] = set()
            for dimension in before:
                if dimension.nodes is None:
                    has |= {as_text(one) for one in _listed(wanted) if _within(one, dimension)}
                for node in dimension.nodes or ():
                    data = with_choices(self._base, [Choice(dimension.option, node, dimension.place)]).data
                    has.add(as_text(value_of(data, option, self._document, self._loc(n, option))))
            if not before:
                has.add(as_text(value_of(self._base.data, option, self._document, self._loc(n, option))))
            for text in map(as_text, _listed(wanted)):
                if text not in has:
                    seen = ", ".join(sorted(has)) or "no such value"
                    raise self._document.error(
                        self._loc(n, option), f"no trial has {text} here; there is {seen}"
                    )

    def _loc(self, n: int, option: str) -> tuple[str, ...]:
        return ("search", "space", self.dimensions[n].option, "when", option)


def _dimension(document: Document, option: str, given: list[Any] | Span) -> Dimension:
    entry = _entries(_entries(_entries(document.root)["search"].node)["space"].node)[option]
    span = given if isinstance(given, Span) else Span(values=given)
    if span.values is not None:
        listed = entry.node if isinstance(given, list) else _entries(entry.node)["values"].node
        assert isinstance(listed.value, list)  # validated
        texts = [as_text(node.plain()) for node in listed.value]
        for node, text in zip(listed.value, texts, strict=True):
            if texts.count(text) > 1:
                raise ConfigError(f"{node.place}: search.space.{option}: {text} is there twice")
        return Dimension(option, entry.place, tuple(listed.value), when=span.when)
    assert span.low is not None  # validated
    assert span.high is not None
    if span.log or (span.step is None and not span.whole):
        return Dimension(option, entry.place, None, span.low, span.high, span.log, span.when)
    low, high, step = (Decimal(str(number)) for number in (span.low, span.high, span.step or 1))
    count = int((high - low) / step) + 1
    if count > MAX_VALUES:
        loc = ("search", "space", option)
        raise document.error(loc, f"{count:,} values; {MAX_VALUES:,} are the most: set step, or log")
    values = (low + n * step for n in range(count))
    nodes = tuple(Node(int(value) if span.whole else float(value), entry.place) for value in values)
    return Dimension(option, entry.place, nodes, when=span.when)


def _entries(node: Node) -> dict[str, Entry]:
    assert isinstance(node.value, dict)  # validated
    return node.value


def _first(dimension: Dimension) -> Gene:
    return 0 if dimension.nodes is not None else dimension.low


def _within(value: object, dimension: Dimension) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return dimension.low <= value <= dimension.high and (isinstance(value, int) or not dimension.whole)


def _listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _size(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return parse_bytes(value) if isinstance(value, str) else value
    except ConfigError:
        return None
