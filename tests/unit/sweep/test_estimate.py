import pytest

from recnmp.sweep.estimate import LEAST, Estimate


def after(seconds, total=100, workers=2, wall=1.0):
    estimate = Estimate(total, workers)
    for worker in range(workers):
        estimate.add(30.0, 30.0, worker)  # a first point loads kernels
    spent = 30.0
    for i, one in enumerate(seconds):
        spent += wall * one / workers
        estimate.add(one, spent, i % workers)
    return estimate


def test_nothing_is_said_from_a_few_points():
    assert after([1.0] * (LEAST - 1)).range is None
    assert "too early" in after([1.0]).line(0)


def test_equal_points_leave_no_doubt_and_first_ones_do_not_count():
    low, high = after([1.0] * 10).range
    assert low == high == pytest.approx(88 / 2)


def test_uneven_points_give_a_range_around_the_mean_that_shrinks():
    few, many = after([0.5, 1.5] * 5), after([0.5, 1.5] * 40)
    assert few.range[0] < 88 / 2 < few.range[1]
    assert many.range[1] - many.range[0] < few.range[1] - few.range[0]


def test_overhead_of_the_past_is_expected_of_the_future():
    assert after([10.0] * 20, wall=2.0).range[0] > 1.3 * after([10.0] * 20).range[0]


def test_a_line_says_what_is_done_failed_and_left():
    assert after([1.0] * 10).line(2) == "12 of 100 points, 2 failed, 44 to 44 s left"
    assert after([600.0] * 10).line(0).endswith("440 to 440 min left") is False
    assert after([600.0] * 10).line(0).endswith("h left")
    assert after([1.0] * 8, total=10).line(0) == "10 of 10 points"
