import math
import statistics

import pytest

from recnmp.sweep.confidence import mean_and_half_width, t_below, t_quantile


@pytest.mark.parametrize(
    ("freedom", "published"),
    [
        (1, 12.706),
        (2, 4.303),
        (3, 3.182),
        (4, 2.776),
        (5, 2.571),
        (9, 2.262),
        (10, 2.228),
        (30, 2.042),
        (120, 1.980),
    ],
)
def test_quantiles_are_those_of_published_tables(freedom, published):
    assert t_quantile(freedom, 0.975) == pytest.approx(published, abs=6e-4)


def test_two_degrees_of_freedom_have_a_closed_form():
    for t in (0.1, 1.0, 7.5):
        assert t_below(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), rel=1e-14)


def test_many_degrees_of_freedom_are_nearly_normal():
    assert t_quantile(100_000, 0.975) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), rel=2e-5)


def test_an_interval_of_three_values_by_hand():
    mean, half = mean_and_half_width([1.0, 2.0, 3.0])
    assert (mean, half) == (2.0, pytest.approx(4.302653 / math.sqrt(3), rel=1e-6))
    assert mean_and_half_width([2.5]) == (2.5, None)
    assert mean_and_half_width([2.0, 2.0]) == (2.0, 0.0)
