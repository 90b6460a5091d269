from dataclasses import replace

import numpy as np
import pytest
from reference.traffic import as_requests, traffic

from recnmp.errors import RecnmpError
from recnmp.memory.requests import Requests

ONE = traffic(1, 6, 2, "random", "mixed", "sparse")
OTHER = traffic(2, 4, 2, "random", "mixed", "sparse")
GOOD = as_requests(ONE, OTHER, group=np.array([0, 0, 1, 1, 2, 2, 0, 2, 2, 2]))


def test_requests_know_their_number_and_controllers():
    assert len(GOOD) == 10
    assert GOOD.controllers == 2


def test_groups_are_counted_for_each_controller():
    np.testing.assert_array_equal(GOOD.per_group, [[2, 2, 2], [1, 0, 3]])


def test_a_controller_may_have_nothing_to_do():
    nothing = ONE[:0]
    requests = as_requests(nothing, ONE, nothing)
    assert requests.start.tolist() == [0, 0, 6, 6]
    assert requests.per_group.tolist() == [[0], [6], [0]]


def test_the_next_controller_may_begin_earlier():
    late = ONE.copy()
    late[:, 0] += 10**6
    assert len(as_requests(late, ONE)) == 12


def with_one(name: str, value: int) -> dict[str, np.ndarray]:
    array = getattr(GOOD, name).astype(np.int64)
    array[7] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row": GOOD.row[:-1]}, "row has 9 values for 10 requests"),
        ({"arrive": GOOD.arrive[1:]}, "arrive has 9 values for 10 requests"),
        ({"start": np.array([0, 11, 10])}, "start must begin at 0 and not decrease"),
        ({"start": np.array([2, 6, 10])}, "start must begin at 0 and not decrease"),
        (with_one("lane", -1), "lane must be 0 to 2147483647"),
        (with_one("row", -1), "row must be 0 to 2147483647"),
        (with_one("column", 2**31), "column must be 0 to 2147483647"),
        (with_one("write", 2), "write must be 0 to 1"),
        (with_one("group", 3), "group must be 0 to 2"),
        (with_one("arrive", 10**9), "request 8 arrives before the one ahead of it"),
    ],
)
def test_requests_that_make_no_sense_are_an_error(changes, message):
    with pytest.raises(RecnmpError, match=f"requests: {message}"):
        replace(GOOD, **changes)


def test_no_requests_at_all_are_fine():
    empty = np.zeros(0, np.int32)
    requests = Requests(np.zeros(2, np.int64), empty, empty, empty, empty, empty, empty, 1)
    assert len(requests) == 0
    assert requests.per_group.tolist() == [[0]]
