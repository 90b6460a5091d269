"""A stream in chunks is one replay."""

import dataclasses

import numba
import numpy as np
import pytest
from builders import DDR4
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.traffic import ARRIVALS, MIXES, as_requests, size, traffic

from recnmp.errors import RecnmpError
from recnmp.memory.activity import RankActivity
from recnmp.memory.replay import ControllerOptions, replay
from recnmp.memory.requests import Requests
from recnmp.memory.stream import Stream, replay_stream


def pieces(requests: Requests, lengths: np.ndarray) -> list[Requests]:
    ends = np.minimum(np.cumsum(lengths), len(requests))
    starts = np.concatenate([[0], ends[:-1]])
    return [
        Requests(
            np.array([0, end - start]),
            *(
                getattr(requests, name)[start:end]
                for name in ("arrive", "lane", "row", "column", "write", "group")
            ),
            1,
        )
        for start, end in zip(starts, ends, strict=True)
    ]


@pytest.mark.parametrize("refresh", ["off", "simultaneous", "staggered"])
@pytest.mark.parametrize("policy", ["frfcfs", "frfcfs_rowhit"])
@pytest.mark.parametrize(
    "kind",
    [
        ("random", "reads", "saturated"),
        ("zipf", "echo", "sparse"),
        ("random", "mixed", "bursty"),
        ("stream", "writes", "saturated"),
    ],
)
@pytest.mark.parametrize("more", [{}, {"page_policy": "closed", "row_hit_cap": 2, "merge_reads": True}])
def test_a_stream_in_chunks_of_any_size_is_one_replay(kind, policy, refresh, more):
    ranks = 2
    requests = as_requests(traffic(7, size(4000, 200), ranks, *kind))
    options = ControllerOptions(ranks, policy, refresh, **more)
    whole = replay(requests, DDR4, options)
    lengths = np.random.default_rng(1).integers(0, size(700, 40), 400)
    lengths[-1] = len(requests)
    totals = replay_stream(pieces(requests, lengths), DDR4, options, has_writes=bool(requests.write.any()))
    assert totals.counts == whole.counts
    assert (totals.cycles, totals.requests) == (whole.cycles, len(requests))
    latency = (whole.depart - whole.accepted)[whole.depart >= 0]
    assert totals.reads == len(latency)
    assert totals.read_latency_cycles == latency.sum()
    assert totals.read_latency_max_cycles == latency.max(initial=0)


def fed(requests: Requests, lengths: np.ndarray, options: ControllerOptions, **how) -> tuple[Stream, list]:
    """A stream after all of its chunks, and what it handed out."""
    stream = Stream(DDR4, options, **how)
    handed_out = [stream.feed(chunk) for chunk in pieces(requests, lengths)]
    return stream, [*handed_out, stream.finish()]


few = settings(deadline=None, max_examples=10 if numba.config.DISABLE_JIT else 120, derandomize=True)
streams = st.builds(
    lambda seed, n, ranks, place, mix, arrival: (
        ranks,
        as_requests(traffic(seed, n, ranks, place, mix, arrival)),
    ),
    st.integers(0, 10_000),
    st.integers(1, 400),
    st.sampled_from([1, 2, 4]),
    st.sampled_from(["random", "stream", "zipf"]),
    st.sampled_from(sorted(MIXES)),
    st.sampled_from(ARRIVALS),
)
controllers = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(["frfcfs", "frfcfs_rowhit"]),
        "refresh": st.sampled_from(["off", "simultaneous", "staggered"]),
        "read_queue": st.sampled_from([1, 4, 32]),
        "write_queue": st.sampled_from([1, 4, 32]),
        "page_policy": st.sampled_from(["open", "closed"]),
        "row_hit_cap": st.sampled_from([None, 1, 3]),
        "forward_writes": st.booleans(),
        "merge_reads": st.booleans(),
    }
)


@few
@given(streams, controllers, st.lists(st.integers(0, 90), max_size=30), st.booleans())
def test_every_request_command_and_clock_of_a_stream_is_that_of_one_replay(one, how, lengths, unsure):
    ranks, requests = one
    options = ControllerOptions(ranks, **how)
    whole = replay(requests, DDR4, options, record=True)
    lengths = np.array([*lengths, len(requests)])
    # a needless has_writes changes nothing either
    writes = unsure or bool(requests.write.any())
    stream, handed_out = fed(requests, lengths, options, has_writes=writes, record=True)
    number = np.concatenate([served.number for served in handed_out])
    assert sorted(number.tolist()) == list(range(len(requests)))
    assert all((np.diff(served.number) > 0).all() for served in handed_out)
    for name in ("accepted", "depart"):
        found = np.concatenate([getattr(served, name) for served in handed_out])
        np.testing.assert_array_equal(found, getattr(whole, name)[number], name)
    for field in dataclasses.fields(whole.commands[0]):
        found = np.concatenate([getattr(served.commands, field.name) for served in handed_out])
        np.testing.assert_array_equal(found, getattr(whole.commands[0], field.name), field.name)
    assert (stream.cycles, stream.counts) == (whole.cycles, whole.counts)
    for field in dataclasses.fields(RankActivity):
        found, expected = (
            getattr(activity, field.name) for activity in (stream.activity(stream.cycles), whole.activity[0])
        )
        np.testing.assert_array_equal(found, expected, field.name)


def test_requests_keep_the_numbers_they_are_given():
    requests = as_requests(traffic(3, 60, 1, "random", "mixed", "saturated"))
    stream = Stream(DDR4, ControllerOptions(1, refresh="off"), has_writes=True, record=True)
    chunks = pieces(requests, np.array([25, 0, 35]))
    given_numbers = [np.arange(25) * 3, np.zeros(0, np.int64), 100 + np.arange(35) * 7]
    handed_out = [stream.feed(chunk, number) for chunk, number in zip(chunks, given_numbers, strict=True)]
    handed_out.append(stream.finish())
    told = {int(n) for served in handed_out for n in served.commands.request if n >= 0}
    assert told <= set(np.concatenate(given_numbers).tolist())
    assert (
        sorted(np.concatenate([served.number for served in handed_out]))
        == np.concatenate(given_numbers).tolist()
    )


def test_without_recording_no_command_is_handed_out():
    requests = as_requests(traffic(3, 60, 1, "random", "reads", "saturated"))
    _, handed_out = fed(requests, np.array([60]), ControllerOptions(1), has_writes=False)
    assert [served.commands for served in handed_out] == [None, None]


def test_no_chunk_at_all_takes_no_time():
    totals = replay_stream([], DDR4, ControllerOptions(1), has_writes=False)
    assert (totals.requests, totals.cycles, totals.counts["RD"]) == (0, 0, 0)


def test_time_goes_on_beyond_thirty_two_bits():
    late = as_requests(np.array([[3 << 32, 0, 0, 0, 0, 5, 0]]))
    totals = replay_stream([late], DDR4, ControllerOptions(1, refresh="off"), has_writes=False)
    assert totals.cycles == (3 << 32) + 37


def test_a_chunk_that_goes_back_in_time_or_writes_unannounced_is_an_error():
    early = as_requests(np.array([[10, 0, 0, 0, 0, 5, 0]]))
    late = as_requests(np.array([[20, 0, 0, 0, 0, 5, 0]]))
    write = as_requests(np.array([[30, 1, 0, 0, 0, 5, 0]]))
    with pytest.raises(RecnmpError, match="arrives before"):
        replay_stream([late, early], DDR4, ControllerOptions(1), has_writes=False)
    with pytest.raises(RecnmpError, match="said to only read"):
        replay_stream([early, write], DDR4, ControllerOptions(1), has_writes=False)
