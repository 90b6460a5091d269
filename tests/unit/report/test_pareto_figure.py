"""Fronts: what no other point beats."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recnmp.errors import ConfigError
from recnmp.report.pareto_figure import Objective, draw_panels, draw_pareto, front, pareto_sheet
from recnmp.report.style import blank, styled

X, Y, Z = Objective("x"), Objective("y", "max"), Objective("z")


def test_a_point_beaten_in_all_objectives_is_not_in_the_front():
    rows = [{"x": 1, "y": 1}, {"x": 2, "y": 3}, {"x": 2, "y": 2}, {"x": 3, "y": 3}]
    assert front(rows, (X, Y)) == [0, 1]


def test_equal_points_stay_together_and_points_without_a_value_stay_out():
    rows = [{"x": 1, "y": 1}, {"x": 1, "y": 1}, {"x": None, "y": 9}, {"y": 9}, {"x": float("nan"), "y": 9}]
    assert front(rows, (X, Y)) == [0, 1]


value = st.integers(0, 5) | st.none()


@given(st.lists(st.fixed_dictionaries({"x": value, "y": value, "z": value}), max_size=30))
def test_the_front_is_what_comparing_all_pairs_finds(rows):
    def costs(row):
        return row["x"], row["y"] and -row["y"], row["z"]

    def beats(a, b):
        return all(p <= q for p, q in zip(a, b, strict=True)) and a != b

    whole = {n: costs(row) for n, row in enumerate(rows) if None not in costs(row)}
    expected = [n for n, cost in whole.items() if not any(beats(other, cost) for other in whole.values())]
    assert front(rows, (X, Y, Z)) == expected


def test_the_figure_numbers_the_front_and_says_what_is_left_out(tmp_path):
    rows = [{"x": 1, "y": 1}, {"x": 2, "y": 3}, {"x": 2, "y": 2}, {"x": 3, "y": None}]
    for name in "ab":
        draw_pareto(rows, (X, Y), tmp_path / f"{name}.svg", title="Best", name=lambda row: f"x is {row['x']}")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ElementTree.fromstring((tmp_path / "a.svg").read_bytes())
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "1: x is 1; 2: x is 2. 1 of 4 points lack a value and are not shown." in texts
    assert {"front (2)", "dominated (1)", "x, less is better", "y, more is better"} <= set(texts)


def test_a_figure_of_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"a figure ends in .svg or .png or .pdf"):
        draw_pareto([{"x": 1, "y": 1}], (X, Y), tmp_path / "a.gif", title="")


def test_a_point_has_one_number_in_all_panels():
    rows = [{"x": 1, "y": 1, "z": 9}, {"x": 2, "y": 2, "z": 5}, {"x": 3, "y": 3, "z": 1}]
    with styled("page"):
        _, axes = blank(pareto_sheet(rows, (X, Y, Z), "t"), "page")
        draw_panels(axes, rows, (X, Y, Z), numbered=True)
    for one, (x, y) in zip(axes, (("x", "y"), ("x", "z"), ("y", "z")), strict=True):
        found = {text.get_text(): tuple(text.xy) for text in one.texts}
        assert found == {str(n): (row[x], row[y]) for n, row in enumerate(rows, 1)}
