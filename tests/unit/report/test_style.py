"""The one style: lines that fit, legends in rows alike, a second channel beside colour."""

import math
from itertools import pairwise

import pytest
from matplotlib.colors import to_rgb

from recnmp.report.style import (
    COLOURS,
    HATCHES,
    MARKERS,
    Sheet,
    blank,
    legend_above,
    name_axes,
    styled,
    text_inches,
    time_unit,
    wrapped,
)


def test_lines_are_no_wider_than_asked_and_lose_no_word():
    text = "words of any kind, long and short, in lines that end where the paper does " * 5
    lines = wrapped(text, 3.0, 8).split("\n")
    assert " ".join(lines) == text.strip()
    assert max(text_inches(line, 8) for line in lines) <= 3.0
    # and nearly full: the next word would not have fitted
    assert min(text_inches(f"{a} {b.split()[0]}", 8) for a, b in pairwise(lines)) > 3.0


def test_no_text_is_no_line():
    assert wrapped("", 3.0, 8) == ""


def test_every_colour_has_a_hatch_and_a_marker_of_its_own():
    assert len(set(COLOURS)) == len(set(HATCHES)) == len(set(MARKERS)) == len(COLOURS)


# on linear light, after Machado, Oliveira and Fernandes (2009), severity 1
EYES = {
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.01182, 0.04294, 0.968881),
    ),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "neither": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


def seen(colour, eyes):
    """CIELAB of a colour as such eyes see it."""
    to_xyz = (0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)
    found = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    for matrix in (EYES[eyes], to_xyz):
        found = [sum(m * c for m, c in zip(row, found, strict=True)) for row in matrix]
    x, y, z = (max(c / white, 0) ** (1 / 3) for c, white in zip(found, (0.9505, 1, 1.089), strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eyes", EYES)
def test_all_colours_are_told_apart(eyes):
    found = [seen(colour, eyes) for colour in COLOURS]
    for n, a in enumerate(found):
        for b in found[:n]:
            assert math.dist(a, b) >= 15  # about 2 are seen side by side


def test_panels_stand_below_one_another_in_a_column():
    for width, shape in (("page", (1, 3)), ("column", (3, 1))):
        with styled(width):
            _, axes = blank(Sheet("t", panels=(1, 3)), width)
            assert axes[0].get_subplotspec().get_gridspec().get_geometry() == shape


def test_a_legend_has_rows_alike_within_the_width():
    with styled("column"):
        figure, axes = blank(Sheet("t"), "column")
        for n in range(5):
            axes[0].plot([1], [1], label=f"a name of some length {n}")
        legend_above(axes[0], title="names")
        legend = axes[0].get_legend()
        figure.draw_without_rendering()
        assert legend.get_window_extent().x1 <= figure.bbox.x1
        assert legend.get_title().get_text() == "names"


def test_one_name_needs_no_legend():
    with styled("page"):
        _, axes = blank(Sheet("t"), "page")
        axes[0].plot([1], [1], label="alone")
        legend_above(axes[0])
        assert axes[0].get_legend() is None


def test_long_times_are_shown_in_a_unit_that_suits_them():
    assert [time_unit(ns) for ns in (9e3, 1e4, 2e7, 3e10)] == [
        (1, "ns"),
        (1e3, "µs"),
        (1e6, "ms"),
        (1e9, "s"),
    ]
    with styled("page"):
        figure, axes = blank(Sheet("t"), "page")
        axes[0].plot([0, 1], [0, 50_000])
        name_axes(axes[0], "x", "time (ns)")
        figure.draw_without_rendering()
        assert axes[0].get_ylabel() == "time (µs)"
        assert "50" in [text.get_text() for text in axes[0].get_yticklabels()]
