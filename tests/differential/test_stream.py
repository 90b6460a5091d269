"""A stream in chunks is one replay."""

import numpy as np
import pytest
from builders import DDR4
from reference.traffic import as_requests, size, traffic

from recnmp.errors import RecnmpError
from recnmp.memory.replay import ControllerOptions, replay
from recnmp.memory.requests import Requests
from recnmp.memory.stream import replay_stream


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
