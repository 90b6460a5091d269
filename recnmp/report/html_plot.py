"""Plots with two axes as SVG inside HTML: places along x are shares of the page's width, so text keeps its size."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from recnmp.report.style import COLOURS

_TOP, _BELOW = 10, 44  # pixels above the plot, and below it for ticks and label
_SHAPES = (
    '<circle r="4.5" {}/>',
    '<path d="M-4-4H4V4H-4Z" {}/>',
    '<path d="M0-5.5L5.5 0L0 5.5L-5.5 0Z" {}/>',
    '<path d="M0-5.5L5.3 4H-5.3Z" {}/>',
    '<path d="M0 5.5L5.3-4H-5.3Z" {}/>',
    '<path d="M-4-4L4 4M-4 4L4-4" stroke-width="2.5" {}/>',
)
Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """An axis from ``low`` to ``high``, with what stands at its ticks, and its label."""

    low: float
    high: float
    label: str
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Return where ``value`` is, 0 to 1 from low to high."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low)


def from_zero(most: float, label: str) -> Scale:
    """Return a scale from 0 to ``most`` or a little more, with round ticks."""
    step = _round_step(most or 1.0)
    count = math.ceil((most or 1.0) / step - 1e-9)
    return Scale(0.0, count * step, label, tuple((n * step, f"{n * step:,g}") for n in range(count + 1)))


def until(end: float, label: str) -> Scale:
    """Return a scale from 0 to exactly ``end``, with round ticks."""
    whole = from_zero(end, label)
    return Scale(0.0, end or 1.0, label, tuple(tick for tick in whole.ticks if tick[0] <= end))


def around(values: Iterable[float], label: str) -> Scale:
    """Return a scale around positive ``values``: from zero if they are not far apart, else of powers of ten."""
    found = list(values)
    low, high = min(found), max(found)
    if low <= 0 or high < 20 * low:
        return from_zero(high, label)
    ticks = [
        c * 10.0**e
        for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for c in (1, 2, 5)
    ]
    first = max(n for n, tick in enumerate(ticks) if tick <= low)
    last = min(n for n, tick in enumerate(ticks) if tick >= high)
    shown = tuple((tick, f"{tick:,g}") for tick in ticks[first : last + 1])
    return Scale(ticks[first], ticks[last], f"{label}, logarithmic", shown, log=True)


def between(values: Iterable[float], label: str) -> Scale:
    """Return a scale from below the least of ``values`` to above the most, for places and not for lengths."""
    found = list(values)
    low, high = min(found), max(found)
    if low > 0 and high > 20 * low:
        return around(found, label)
    step = _round_step(high - low or abs(high) or 1.0)
    first, last = math.floor(low / step), math.ceil(high / step)
    return Scale(
        (first - 0.25) * step if first else 0.0,
        (last + 0.25) * step,
        label,
        tuple((n * step, f"{n * step:,g}") for n in range(first, last + 1)),
    )


def of_names(names: Sequence[str], label: str) -> Scale:
    """Return a scale on which value n has its place in the middle of the n-th of equal parts."""
    every = -(-len(names) // 16)
    ticks = tuple((float(n), name) for n, name in enumerate(names) if n % every == 0)
    return Scale(-0.5, len(names) - 0.5, label, ticks)


def _round_step(most: float) -> float:
    raw = most / 5
    power = 10.0 ** math.floor(math.log10(raw))
    return next(c * power for c in (1, 2, 2.5, 4, 5, 10) if c * power >= raw * (1 - 1e-9))


@dataclass
class Plot:
    """A plot that is drawn piece by piece; ``number`` of a piece is that of its look in the legend."""

    title: str
    x: Scale
    y: Scale
    height: int = 230
    _drawn: list[str] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)

    def line(
        self, name: str, points: Sequence[Point], number: int, *, dashed: bool = False, marked: bool = False
    ) -> None:
        """Draw a line, and with ``marked`` show that its points have the shape of its number."""
        dash = ' stroke-dasharray="7 4"' if dashed else ""
        look = f'fill="none" stroke="{_colour(number)}" stroke-width="2"{dash}'
        self._inside(f'<polyline vector-effect="non-scaling-stroke" {look} points="{self._path(points)}"/>')
        if name:
            shape = f'<g transform="translate(14 7)">{_shape(number)}</g>' if marked else ""
            self._key(name, f'<line x1="0" x2="28" y1="7" y2="7" {look}/>{shape}', 28)

    def area(
        self, name: str, lower: Sequence[Point], upper: Sequence[Point], number: int, *, pale: bool = False
    ) -> None:
        """Fill what lies between two lines."""
        look = f'fill="{_colour(number)}"' + (' fill-opacity="0.15"' if pale else "")
        self._inside(f'<polygon {look} points="{self._path([*lower, *reversed(upper)])}"/>')
        if name:
            self._key(name, f'<rect width="12" height="12" y="1" {look}/>', 12)

    def columns(self, name: str, tops: Sequence[tuple[float, float, str, str]], number: int, of: int) -> None:
        """Draw a column for each (place, height, attributes, escaped text), the n-th ``of`` so many at a place."""
        width = 0.84 / of * (self.x.at(1) - self.x.at(0)) * 100
        for place, top, marks, text in tops:
            x = 100 * self.x.at(place) + (number - of / 2) * width
            y, base = self._y(top), self._y(0)
            self._drawn.append(
                f'<rect x="{x:.3f}%" y="{y:.1f}" width="{width:.3f}%" height="{base - y:.1f}" '
                f'fill="{_colour(number)}" stroke="#fff" stroke-width="0.5" {marks}><title>{text}</title></rect>'
            )
        if of > 1:
            self._key(name, f'<rect width="12" height="12" y="1" fill="{_colour(number)}"/>', 12)

    def dot(self, x: float, y: float, number: int, text: str, marks: str = "", *, pale: bool = False) -> None:
        """Draw a mark of the number's shape; ``text``, escaped already, is shown when it is pointed at."""
        at = f'x="{100 * self.x.at(x):.3f}%" y="{self._y(y):.1f}" style="overflow:visible"'
        self._drawn.append(f"<svg {at} {marks}>{_shape(number, pale)}<title>{text}</title></svg>")

    def keys_are(self, name: str) -> None:
        """Say in the legend what its entries from here on are values of."""
        self._keys.append(f"<li><b>{escape(name)}:</b></li>")

    def key(self, name: str, number: int) -> None:
        """Tell in the legend what marks of a number are."""
        self._key(name, f'<g transform="translate(7 7)">{_shape(number)}</g>', 14)

    def span(self, x: float, low: float, high: float, number: int) -> None:
        """Draw an upright bar from ``low`` to ``high``: what a value may be."""
        look = f'stroke="{_colour(number)}" stroke-width="1.5"'
        place, ends = f"{100 * self.x.at(x):.3f}%", (self._y(low), self._y(high))
        self._drawn.append(f'<line x1="{place}" x2="{place}" y1="{ends[0]:.1f}" y2="{ends[1]:.1f}" {look}/>')
        for y in ends:
            at = f'x="{place}" y="{y:.1f}" style="overflow:visible"'
            self._drawn.append(f'<svg {at}><line x1="-5" x2="5" {look}/></svg>')

    def level(self, value: float, text: str, marks: str = "") -> None:
        """Draw a line across, and write what it is; ``marks`` tell which value that is."""
        y = self._y(value)
        self._drawn.append(
            f'<line x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}" stroke="#535d66" stroke-dasharray="4 3"/>'
            f'<text x="100%" y="{y - 4:.1f}" text-anchor="end" class="tick" {marks}>{escape(text)}</text>'
        )

    def html(self) -> str:
        """Return the figure."""
        bottom = _TOP + self.height
        labels, grid = [], []
        for value, text in self.y.ticks:
            y = self._y(value)
            labels.append(
                f'<text x="100%" y="{y + 4:.1f}" text-anchor="end" class="tick">{escape(text)}</text>'
            )
            grid.append(f'<line x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}" stroke="#d9dee2"/>')
        for value, text in self.x.ticks:
            at = self.x.at(value)
            anchor = "start" if at < 0.02 else "end" if at > 0.98 else "middle"
            place = f'x="{100 * at:.2f}%" y="{bottom + 18}" text-anchor="{anchor}"'
            grid.append(f'<text {place} class="tick">{escape(text)}</text>')
        below = (
            f'<text x="50%" y="{bottom + 37}" text-anchor="middle" class="tick">{escape(self.x.label)}</text>'
        )
        keys = f'<ul class="legend">{"".join(self._keys)}</ul>' if self._keys else ""
        tall = bottom + _BELOW
        return (
            f"<figure><figcaption>{escape(self.title)}</figcaption>{keys}\n"
            f'<p class="axis">{escape(self.y.label)}</p>\n'
            f'<div class="plot" role="img" aria-label="{escape(self.title)}">'
            f'<svg width="52" height="{tall}">{"".join(labels)}</svg>'
            f'<svg class="wide" height="{tall}">{"".join(grid)}{below}\n'
            + "\n".join(self._drawn)
            + "\n</svg></div>\n</figure>\n"
        )

    def _y(self, value: float) -> float:
        return _TOP + self.height * (1 - self.y.at(value))

    def _path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{100 * self.x.at(x):.3f},{100 * (1 - self.y.at(y)):.2f}" for x, y in points)

    def _inside(self, drawn: str) -> None:
        """Draw what is given in shares of the plot both ways."""
        place = f'x="0" y="{_TOP}" width="100%" height="{self.height}" viewBox="0 0 100 100"'
        self._drawn.append(f'<svg {place} preserveAspectRatio="none" style="overflow:visible">{drawn}</svg>')

    def _key(self, name: str, drawn: str, width: int) -> None:
        picture = f'<svg width="{width}" height="14" aria-hidden="true">{drawn}</svg>'
        self._keys.append(f"<li>{picture}{escape(name)}</li>")


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _shape(number: int, pale: bool = False) -> str:
    look = f'fill="{_colour(number)}" stroke="{"#fff" if number % len(_SHAPES) < 5 else _colour(number)}"'
    if pale:
        look = f'fill="#fff" fill-opacity="0.6" stroke="{_colour(number)}"'
    return _SHAPES[number % len(_SHAPES)].format(look)
