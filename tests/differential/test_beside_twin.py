"""The host's gather beside its other traffic, against the tick-by-tick twin of both."""

from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import pytest
from builders import spec_with, system_of
from reference.beside_cases import as_request, bursts_of, picked
from reference.beside_tick import BesideResult, run_beside
from reference.frfcfs_tick import Request
from reference.traffic import as_requests, size, traffic

from recnmp.memory.audit import audit
from recnmp.memory.beside import replay_beside
from recnmp.memory.options import ControllerOptions
from recnmp.memory.replay import Timeline
from recnmp.memory.traffic import HostBursts, Served

OFTEN_REFRESHED = spec_with(nREFI=1200)
BESIDE = {
    "place": ("random", "stream", "zipf", "vectors"),
    "ranks": (1, 2, 4, 8),
    "channels": (1, 1, 2),
    "queue": (4, 32),
    "policy": ("frfcfs", "frfcfs_rowhit"),
    "refresh": ("off", "simultaneous", "staggered"),
    "page_policy": ("open", "closed"),
    "row_hit_cap": (None, None, 2),
    "merge_reads": (False, True),
}
NUMBERS = range(1, 48, size(2, 8))
LENGTH = size(150, 60)


@dataclass(frozen=True)
class Beside:
    """A gather of the host beside other traffic: what the product did, and the twin of every channel."""

    options: ControllerOptions
    others: HostBursts
    timeline: Timeline
    served: Served
    start: np.ndarray
    twins: list[BesideResult]


@cache
def beside(number: int) -> Beside:
    choice = picked(BESIDE, 30, number)
    place, channels, queue = (choice.pop(name) for name in ("place", "channels", "queue"))
    options = ControllerOptions(**choice, read_queue=queue)
    ranks = options.ranks
    streams = [traffic(7 * number + c, LENGTH, ranks, place, "reads", "saturated") for c in range(channels)]
    group = np.concatenate([np.arange(len(stream)) * 3 // len(stream) for stream in streams])
    requests = as_requests(*streams, group=group, groups=4)
    system = system_of(spec=OFTEN_REFRESHED, channels=channels, dimms_per_channel=1, ranks_per_dimm=ranks)
    channel = np.repeat(np.arange(channels), [len(stream) for stream in streams])
    lane = requests.lane
    gathered = np.stack([channel, lane // 16, lane % 16, requests.row, requests.column], axis=1)
    others = bursts_of(number, system, 30 * LENGTH, gathered)
    timeline, served = replay_beside(requests, others, OFTEN_REFRESHED, options, record=True)
    given = asdict(options)
    twins = [
        run_beside(
            OFTEN_REFRESHED,
            given["ranks"],
            [Request(*row) for row in stream.tolist()],
            [as_request(others, n, int(others.rank[n]), 4) for n in np.flatnonzero(others.channel == c)],
            **{name: value for name, value in given.items() if name != "ranks"},
        )
        for c, stream in enumerate(streams)
    ]
    return Beside(options, others, timeline, served, requests.start, twins)


def numbered():
    return pytest.mark.parametrize("number", list(NUMBERS))


def expected_passing(case: Beside) -> list[int]:
    """When each of the host's bursts had passed: its last beat, or the clock at which a write was taken; -1."""
    passed = np.full(len(case.others), -1)
    for c, twin in enumerate(case.twins):
        mine = np.flatnonzero(case.others.channel == c)
        for n, accepted in zip(mine, twin.others, strict=False):
            result = twin.result.arrive if case.others.write[n] else twin.result.depart
            passed[n] = result[accepted]
    return passed.tolist()


@numbered()
def test_the_hosts_gather_and_its_other_traffic_are_served_as_by_the_twin(number):
    case = beside(number)
    for c, twin in enumerate(case.twins):
        mine = slice(case.start[c], case.start[c + 1])
        assert case.timeline.accepted[mine].tolist() == [twin.result.arrive[n] for n in twin.requests]
        assert case.timeline.depart[mine].tolist() == [twin.result.depart[n] for n in twin.requests]
    assert case.served.passed.tolist() == expected_passing(case)
    last = max(twin.result.depart[n] for twin in case.twins for n in twin.requests)
    assert case.timeline.cycles == last
    for name in ("forwarded", "absorbed", "merged"):
        assert case.timeline.counts[name] == sum(getattr(twin.result, name) for twin in case.twins)


@numbered()
def test_both_streams_have_the_commands_of_the_twin(number):
    case = beside(number)
    requests = int(case.start[-1])
    for c, (log, twin) in enumerate(zip(case.timeline.commands, case.twins, strict=True)):
        before = requests + int(np.count_nonzero(case.others.channel < c))
        name = {accepted: int(case.start[c]) + n for n, accepted in enumerate(twin.requests)}
        name |= {accepted: before + n for n, accepted in enumerate(twin.others)}
        theirs = twin.result.as_commands()
        assert log.cycle.tolist() == theirs.cycle.tolist()
        for field in ("command", "rank", "bank_group", "bank", "column"):
            np.testing.assert_array_equal(getattr(log, field), getattr(theirs, field), field)
        assert log.request.tolist() == [name.get(n, -1) for n in theirs.request.tolist()]


@numbered()
def test_the_commands_of_both_streams_are_legal(number):
    case = beside(number)
    for commands in case.timeline.commands:
        report = audit(OFTEN_REFRESHED, case.options.ranks, commands, refresh=case.options.refresh)
        assert report.count == 0, report.first


def test_others_pass_wait_and_are_answered_by_queued_writes():
    cases = [beside(number) for number in NUMBERS]
    assert any((case.served.passed >= 0).any() for case in cases)
    assert any((case.served.passed < 0).any() for case in cases)
    assert sum(case.timeline.counts["forwarded"] for case in cases) > 0
