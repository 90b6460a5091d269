"""Reads of which so many are under way at a time: when each is asked for, against the rule and the twin."""

from dataclasses import replace

import numpy as np
import pytest
from builders import DDR4
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.frfcfs_tick import run
from reference.traffic import as_requests, size, traffic

from recnmp.errors import RecnmpError
from recnmp.memory.outstanding import arrivals_outstanding
from recnmp.memory.replay import ControllerOptions, replay
from recnmp.memory.requests import Requests

PLACES = ("random", "stream", "zipf", "conflict", "vectors")


def reads(place: str, n: int, ranks: int, seed: int = 1) -> np.ndarray:
    return traffic(seed, n, ranks, place, "reads", "saturated")


@settings(max_examples=size(60, 8), deadline=None)
@given(
    place=st.sampled_from(PLACES),
    ranks=st.sampled_from((1, 2, 4)),
    most=st.sampled_from((1, 2, 3, 8, 20, 60)),
    back=st.integers(0, 80),
    queue=st.sampled_from((4, 32)),
    refresh=st.sampled_from(("off", "simultaneous")),
    seed=st.integers(0, 1000),
)
def test_a_read_is_asked_for_when_the_one_so_many_before_it_is_back(
    place, ranks, most, back, queue, refresh, seed
):
    stream = reads(place, size(300, 60), ranks, seed)
    options = ControllerOptions(ranks, refresh=refresh, read_queue=queue)
    arrive, end = arrivals_outstanding(as_requests(stream), DDR4, options, most=most, back=back)
    # the twin knows nothing of the rule: given these arrivals, its departures must be what the rule demands
    organization = DDR4.organization
    banks, groups = organization.banks_per_group.value, organization.bank_groups.value
    offered = as_requests(stream)
    place_of = np.unravel_index(offered.lane, (ranks, groups, banks))
    twin = run(
        DDR4,
        requests=np.column_stack([arrive, stream[:, 1], *place_of, stream[:, 5:]]).tolist(),
        ranks=ranks,
        refresh=refresh,
        read_queue=queue,
    )
    depart = np.array(twin.depart)
    assert (arrive[:most] == 0).all()
    np.testing.assert_array_equal(arrive[most:], depart[:-most] + back)
    assert end == depart.max()


def test_one_read_at_a_time_takes_its_unloaded_latency_and_the_way():
    """Reads of new rows in turn: ACT a clock after arrival, RD nRCD later, data nCL + nBL after that."""
    n, back, t = 50, 7, DDR4.cycles
    stream = np.array([[0, 0, 0, k % 4, k // 4 % 4, k, 0] for k in range(n)])
    options = ControllerOptions(1, refresh="off")
    _, end = arrivals_outstanding(as_requests(stream), DDR4, options, most=1, back=back)
    alone = replay(as_requests(stream[:1]), DDR4, options).cycles
    assert alone == 1 + t["nRCD"] + t["nCL"] + t["nBL"]
    # the first 16 banks are closed; every later read finds its bank's row of 16 reads ago open
    opened = 16 * (alone + back)
    conflict = alone + t["nRP"] + back
    assert end == opened + (n - 16) * conflict - back


@pytest.mark.parametrize("place", PLACES)
def test_more_places_than_reads_are_no_limit(place):
    requests = as_requests(reads(place, 400, 2))
    options = ControllerOptions(2)
    arrive, end = arrivals_outstanding(requests, DDR4, options, most=400, back=1000)
    assert (arrive == 0).all()
    assert end == replay(requests, DDR4, options).done.max()


def test_channels_are_limited_each_by_itself():
    first, second = (as_requests(reads("random", n, 2, seed)) for n, seed in ((300, 1), (200, 2)))
    both = Requests(
        np.array([0, 300, 500]),
        *(
            np.concatenate([getattr(first, name), getattr(second, name)])
            for name in ("arrive", "lane", "row", "column", "write", "group")
        ),
        groups=1,
    )
    options = ControllerOptions(2)
    arrive, end = arrivals_outstanding(both, DDR4, options, most=6, back=20)
    alone = [arrivals_outstanding(one, DDR4, options, most=6, back=20) for one in (first, second)]
    np.testing.assert_array_equal(arrive, np.concatenate([one for one, _ in alone]))
    assert end == max(end for _, end in alone)


def test_writes_and_no_place_at_all_are_errors():
    requests = as_requests(reads("random", 10, 1))
    with pytest.raises(RecnmpError, match="one at least"):
        arrivals_outstanding(requests, DDR4, ControllerOptions(1), most=0, back=1)
    written = replace(requests, write=np.ones(10, np.uint8))
    with pytest.raises(RecnmpError, match="reads"):
        arrivals_outstanding(written, DDR4, ControllerOptions(1), most=4, back=1)
