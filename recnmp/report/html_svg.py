"""Bars as SVG inside HTML: as wide as the page, with text of the page's own size."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from recnmp.report.style import COLOURS

_BAR, _STEP = 18, 46  # pixels: height of a bar, and of a bar with what stands above it


@dataclass(frozen=True)
class Segment:
    """A part of a bar: its name in the legend, and its length in the unit that all bars of a figure share."""

    name: str
    length: float


@dataclass(frozen=True)
class Bar:
    """A bar: what stands above it to the left and to the right, and its parts from the left.

    ``marks`` are attributes that tell which value ``value`` is; ``colour`` counts for a bar of one part.
    """

    label: str
    value: str
    segments: tuple[Segment, ...]
    marks: str = ""


def bars(title: str, rows: Sequence[Bar], *, whole: bool = False, step: int = _STEP) -> str:
    """Return a figure of horizontal bars on one scale, with a legend of their parts.

    ``whole``: every bar fills the width, and shows shares of its own. ``step``: pixels from bar to bar. Empty where
    no bar has a length.
    """
    totals = [sum(part.length for part in row.segments) for row in rows]
    if not rows or max(totals) <= 0:
        return ""
    names = list(dict.fromkeys(part.name for row in rows for part in row.segments if part.length > 0))
    drawn = []
    for n, (row, total) in enumerate(zip(rows, totals, strict=True)):
        y, x = n * step, 0.0
        drawn.append(f'<text x="0" y="{y + 15}">{escape(row.label)}</text>')
        if row.value:
            drawn.append(
                f'<text x="100%" y="{y + 15}" text-anchor="end" {row.marks}>{escape(row.value)}</text>'
            )
        for part in row.segments:
            if part.length > 0:
                width = 100 * part.length / ((total if whole else max(totals)) or 1)
                style = _style(names.index(part.name))
                drawn.append(
                    f'<rect x="{x:.4f}%" y="{y + 22}" width="{width:.4f}%" height="{min(_BAR, step - 24)}" {style}>'
                    f"<title>{escape(part.name)}</title></rect>"
                )
                x += width
    height = len(rows) * step + 4
    picture = f'<svg role="img" aria-label="{escape(title)}" width="100%" height="{height}">'
    return _figure(title, picture + "".join(drawn) + "</svg>", names if len(names) > 1 else [])


def _style(n: int) -> str:
    """Return the look of the n-th part: once colours run out, paler with an outline."""
    colour = COLOURS[n % len(COLOURS)]
    if n < len(COLOURS):
        return f'fill="{colour}" stroke="#fff"'
    return f'fill="{colour}" fill-opacity="0.35" stroke="{colour}"'


def _figure(title: str, picture: str, names: Sequence[str]) -> str:
    swatch = '<svg class="swatch" width="12" height="12" aria-hidden="true"><rect width="12" height="12" {}/></svg>'
    keys = "".join(f"<li>{swatch.format(_style(n))}{escape(name)}</li>" for n, name in enumerate(names))
    legend = f'<ul class="legend">{keys}</ul>' if names else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{legend}\n{picture}\n</figure>\n"
