"""Fronts and their volume against plain counting."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.report.pareto_figure import Objective, front
from recnmp.search.volume import shares, volume_of

SIDE = 5


@st.composite
def points(draw, most: int = 12):
    dims = draw(st.integers(1, 3))
    point = st.tuples(*[st.integers(0, SIDE)] * dims)
    return draw(st.lists(point, min_size=1, max_size=most))


def dominates(a, b, best) -> bool:
    signed = [(x, y) if way == "min" else (y, x) for x, y, way in zip(a, b, best, strict=True)]
    return all(x <= y for x, y in signed) and any(x < y for x, y in signed)


@settings(deadline=None)
@given(points(), st.data())
def test_no_point_of_a_front_is_dominated_and_every_other_is(found, data):
    names = "xyz"[: len(found[0])]
    best = [data.draw(st.sampled_from(["min", "max"])) for _ in names]
    rows = [dict(zip(names, point, strict=True)) for point in found]
    kept = set(front(rows, [Objective(name, way) for name, way in zip(names, best, strict=True)]))
    for n, point in enumerate(found):
        assert any(dominates(other, point, best) for other in found) == (n not in kept)


@settings(deadline=None)
@given(points())
def test_the_volume_of_a_front_is_that_of_the_unit_cubes_it_dominates(found):
    worst = (SIDE,) * len(found[0])
    cubes = sum(
        any(all(x <= corner for x, corner in zip(point, cube, strict=True)) for point in found)
        for cube in itertools.product(range(SIDE), repeat=len(worst))
    )
    assert volume_of(found, worst) == pytest.approx(cubes)


@settings(deadline=None)
@given(points(), st.integers(0, 3))
def test_shares_rise_to_one_and_are_those_of_the_volumes(found, gaps):
    trials = [None] * gaps + found
    told = shares(trials)
    assert told[:gaps] == [None] * gaps
    worst = tuple(map(max, zip(*found, strict=True)))
    whole = volume_of(found, worst)
    for n, share in enumerate(told[gaps:], 1):
        assert (share is None) == (whole == 0)
        if share is not None:
            assert share == pytest.approx(volume_of(found[:n], worst) / whole)
