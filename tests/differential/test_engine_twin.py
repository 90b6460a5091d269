"""The engine makes exactly the schedule of its tick-by-tick twin, and the audit accepts it."""

from dataclasses import asdict, dataclass, fields, replace
from itertools import combinations, product

import numpy as np
import pytest
from builders import DDR4, spec_with
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.frfcfs_tick import run
from reference.schedules import assert_engine_equals_twin, assert_same_commands
from reference.traffic import ARRIVALS, MIXES, PLACES, as_requests, size, traffic

from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec, load_standard
from recnmp.memory import _kernels as kernel
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.replay import (
    PAGE_POLICIES,
    POLICIES,
    REFRESHES,
    ControllerOptions,
    make_controllers,
    make_rules,
    make_work,
    replay,
)

OFTEN_REFRESHED = spec_with(nREFI=1200)
"""So that a short run meets several refreshes."""
DDR5 = load_standard("ddr5_4800")
OFTEN_REFRESHED_DDR5 = DDR5.model_copy(
    update={"timings": DDR5.timings | {"nREFI": DDR5.timings["nREFI"].model_copy(update={"value": 2000})}}
)


@dataclass(frozen=True)
class Case:
    place: str
    mix: str
    arrival: str
    ranks: int
    queue: int
    policy: str
    refresh: str
    page_policy: str
    row_hit_cap: int | None
    forward_writes: bool
    merge_reads: bool

    def options(self, write_queue: int | None = None) -> ControllerOptions:
        return ControllerOptions(
            self.ranks,
            self.policy,
            self.refresh,
            self.queue,
            write_queue or self.queue,
            page_policy=self.page_policy,
            row_hit_cap=self.row_hit_cap,
            forward_writes=self.forward_writes,
            merge_reads=self.merge_reads,
        )


def every_pair() -> list[Case]:
    """Four systems for every kind of stream, chosen so that any two choices meet somewhere."""
    rng = np.random.default_rng(5)
    policies = list(product((1, 2, 4, 8), (8, 32, 64), POLICIES, REFRESHES))
    switches = list(product(PAGE_POLICIES, (None, 1, 4), (True, False), (True, False)))
    policies, switches = ([some[i] for i in rng.permutation(len(some))] for some in (policies, switches))
    streams = list(product(PLACES, MIXES, ARRIVALS))
    return [
        Case(*kind, *policies[n % len(policies)], *switches[rng.integers(len(switches))])
        for k in range(4)
        for n, kind in enumerate(streams, k * len(streams) + 5 * k)
    ]


CASES = every_pair()


def test_any_two_choices_meet_in_the_grid():
    for one, other in combinations(fields(Case), 2):
        met = {(getattr(case, one.name), getattr(case, other.name)) for case in CASES}
        choices = [{getattr(case, field.name) for case in CASES} for field in (one, other)]
        assert met == set(product(*choices))
    assert len(set(CASES)) >= 120


@pytest.mark.parametrize("number", range(0, len(CASES), size(1, 5)))
def test_engine_and_twin_make_the_same_schedule(number):
    case = CASES[number]
    requests = traffic(number, size(180, 60), case.ranks, case.place, case.mix, case.arrival)
    assert_engine_equals_twin(OFTEN_REFRESHED, requests, case.options())


@pytest.mark.parametrize("refresh", REFRESHES)
@pytest.mark.parametrize("ranks", [1, 8])
def test_engine_and_twin_make_the_same_schedule_for_long(ranks, refresh):
    requests = traffic(ranks, size(3000, 100), ranks, "zipf", "echo", "saturated")
    timeline = assert_engine_equals_twin(DDR4, requests, ControllerOptions(ranks, "frfcfs", refresh))
    assert timeline.counts["forwarded"] > 0
    assert timeline.counts["absorbed"] > 0


@pytest.mark.parametrize("refresh", REFRESHES[1:])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_that_fall_due_again_before_they_are_refreshed_are_refreshed_as_often(ranks, refresh):
    """Data takes so long here that rows opened before a refresh fell due are still read when it does again."""
    spec, options = (
        spec_with(nREFI=150, nRFC=100, nCCD_S=40, nCCD_L=40),
        ControllerOptions(ranks, "frfcfs", refresh),
    )
    requests = traffic(1, size(150, 60), ranks, "random", "mixed", "saturated")
    engine = replay(as_requests(requests), spec, options, record=True)
    assert_same_commands(
        engine.commands[0], run(spec, requests=requests.tolist(), **asdict(options)).as_commands()
    )
    assert audit(spec, ranks, engine.commands[0], refresh=refresh).by_rule["refresh in time"] > 0


@st.composite
def timings(draw) -> dict[str, int]:
    """Some timings of the standard made shorter or longer."""
    names = draw(st.lists(st.sampled_from(sorted(set(DDR4.cycles) - {"nREFI", "nBL"})), max_size=5))
    changed = {name: draw(st.integers(1, min(60, 2 * DDR4.cycles[name]))) for name in names}
    if "nCCD_S" in changed:
        changed["nCCD_S"] = max(changed["nCCD_S"], DDR4.cycles["nBL"])  # bursts may not overlap
    return changed | {"nREFI": draw(st.integers(900, 3000))}


@settings(max_examples=size(60, 6), deadline=None, derandomize=True)
@given(
    case=st.builds(
        Case,
        st.sampled_from(list(PLACES)),
        st.sampled_from(list(MIXES)),
        st.sampled_from(ARRIVALS),
        st.sampled_from((1, 2, 3, 4, 8)),
        st.integers(1, 70),
        st.sampled_from(POLICIES),
        st.sampled_from(REFRESHES),
        st.sampled_from(PAGE_POLICIES),
        st.none() | st.integers(1, 6),
        st.booleans(),
        st.booleans(),
    ),
    writes=st.integers(1, 70),
    seed=st.integers(0, 2**32),
    count=st.integers(0, size(150, 40)),
    timings=timings(),
)
def test_engine_and_twin_agree_on_other_timings_and_queues(case, writes, seed, count, timings):
    requests = traffic(seed, count, case.ranks, case.place, case.mix, case.arrival)
    assert_engine_equals_twin(spec_with(**timings), requests, case.options(writes))


def test_a_read_of_a_queued_write_needs_no_room_in_the_read_queue():
    # The first request keeps its bank for nRC, so the write waits, and the read behind it fills the queue.
    busy = [(0, 0, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, 2, 5), (0, 0, 0, 0, 0, 3, 0)]
    requests = np.array([*busy, (0, 0, 0, 0, 0, 2, 5), (0, 0, 0, 1, 0, 2, 5)])
    timeline = assert_engine_equals_twin(DDR4, requests, ControllerOptions(1, refresh="off", read_queue=1))
    assert timeline.accepted[:4].tolist() == [0, 1, 2, 3]
    assert timeline.depart[3] == 4
    assert timeline.accepted[4] == 1 + DDR4.cycles["nRC"]


def test_a_write_to_a_queued_write_needs_no_room_in_the_write_queue():
    busy = [(0, 0, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, 2, 5), (0, 1, 0, 0, 0, 2, 5), (0, 1, 0, 0, 0, 2, 6)]
    timeline = assert_engine_equals_twin(
        DDR4, np.array(busy), ControllerOptions(1, refresh="off", write_queue=1)
    )
    assert timeline.accepted[:3].tolist() == [0, 1, 2]
    assert timeline.accepted[3] > DDR4.cycles["nRAS"]
    assert timeline.counts["absorbed"] == 1


LONG = list(product(PAGE_POLICIES, (None, 1, 3), (False, True)))


@pytest.mark.parametrize(("page_policy", "cap", "merge"), LONG)
def test_pages_caps_and_merging_make_the_same_schedule_for_long(page_policy, cap, merge):
    policy = POLICIES[merge ^ (cap == 1)]
    options = ControllerOptions(
        2, policy, page_policy=page_policy, row_hit_cap=cap, forward_writes=not merge, merge_reads=merge
    )
    requests = traffic(7, size(1500, 80), 2, "vectors", "echo", "bursty")
    timeline = assert_engine_equals_twin(OFTEN_REFRESHED, requests, options)
    assert (timeline.counts["forwarded"] > 0) == options.forward_writes
    assert (timeline.counts["merged"] > 0) == options.merge_reads
    assert ((timeline.commands[0].command == kernel.PRE) & (timeline.commands[0].request < 0)).any() == (
        page_policy == "closed"
    )


HELD = {
    "reads": {"read_queue": 1},
    "mixed": {"read_queue": 2, "write_queue": 3},
    "echo": {"read_queue": 2, "merge_reads": True},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mix", HELD)
def test_places_held_until_the_column_command_make_the_same_schedule(place, mix):
    more = {"row_hit_cap": 2, "page_policy": "closed"} if place == "vectors" else {}
    options = ControllerOptions(2, POLICIES[place == "zipf"], hold_slots=True, **HELD[mix] | more)
    requests = traffic(11, size(400, 60), 2, place, mix, "saturated")
    held = assert_engine_equals_twin(OFTEN_REFRESHED, requests, options)
    free = replay(as_requests(requests), OFTEN_REFRESHED, replace(options, hold_slots=False))
    assert (held.accepted != free.accepted).any()


@pytest.mark.parametrize("number", range(0, len(CASES), size(4, 30)))
def test_engine_and_twin_make_the_same_schedule_where_places_are_held(number):
    case = CASES[number]
    requests = traffic(number, size(180, 60), case.ranks, case.place, case.mix, case.arrival)
    assert_engine_equals_twin(OFTEN_REFRESHED, requests, replace(case.options(), hold_slots=True))


@pytest.mark.parametrize("number", range(0, len(CASES), size(9, 60)))
def test_engine_and_twin_make_the_same_schedule_on_ddr5(number):
    case = CASES[number]
    requests = traffic(number, size(180, 60), case.ranks, case.place, case.mix, case.arrival)
    requests[:, 2] = 2 * requests[:, 2] + requests[:, 5] % 2  # which half of a rank's eight bank groups
    requests[:, 6] %= DDR5.organization.bursts_per_row.value
    assert_engine_equals_twin(OFTEN_REFRESHED_DDR5, requests, case.options())


CHANNELS = [
    ("random", "mixed", "saturated"),
    ("stream", "reads", "sparse"),
    ("hits", "writes", "bursty"),
    ("vectors", "echo", "saturated"),
]


@pytest.mark.parametrize("policy", POLICIES)
def test_channels_side_by_side_are_as_each_alone(policy):
    streams = [traffic(n, size(400, 60) + 7 * n, 2, *kind) for n, kind in enumerate(CHANNELS)]
    options = ControllerOptions(2, policy, "staggered", 16, 16)
    together = replay(as_requests(*streams), OFTEN_REFRESHED, options, record=True)
    alone = [replay(as_requests(stream), OFTEN_REFRESHED, options, record=True) for stream in streams]
    start = 0
    for n, one in enumerate(alone):
        mine = slice(start, start + len(streams[n]))
        start = mine.stop
        np.testing.assert_array_equal(together.accepted[mine], one.accepted)
        np.testing.assert_array_equal(together.depart[mine], one.depart)
        own = one.commands[0]
        assert_same_commands(
            together.commands[n],
            Commands(
                *(getattr(own, field.name) for field in fields(Commands)[:-1]),
                np.where(own.request >= 0, own.request + mine.start, -1),
            ),
        )
    assert together.cycles == max(one.cycles for one in alone)
    assert together.counts == {name: sum(one.counts[name] for one in alone) for name in together.counts}


def run_in_groups(requests, later, spec: DramSpec, options: ControllerOptions, gap: int):
    """Serve group after group; one becomes visible ``gap`` clocks after the end of the last but one.

    ``later`` : how much later than its group a request arrives.
    """
    rules = make_rules(spec, options, bool(requests.write.any()))
    controllers = make_controllers(rules, options.refresh, requests.start)
    work, log = make_work(requests), np.zeros((8 * len(requests) + 4096, 6), np.int64)
    end = np.searchsorted(requests.group, np.arange(requests.groups), side="right")
    for g in range(requests.groups + 1):
        if g < requests.groups:
            ready = int(work.served[0, kernel.DONE_AT, g - 2]) + gap if g >= 2 else 0
            first = int(end[g - 1]) if g else 0
            begin = max(ready, int(work.arrive[first - 1])) if g else 0
            work.arrive[first : end[g]] = begin + later[first : end[g]]
        visible = int(end[min(g, requests.groups - 1)])
        if g:
            assert kernel.advance(rules, controllers, work, log, 0, visible, g - 1) == kernel.DONE
    assert kernel.advance(rules, controllers, work, log, 0, visible, -1) == kernel.DONE
    return work, log[: controllers.scalar[0, kernel.LOGGED]]


@pytest.mark.parametrize("refresh", REFRESHES)
@pytest.mark.parametrize("kind", [("zipf", "reads", "sparse"), ("random", "echo", "saturated")])
@pytest.mark.parametrize("more", [{}, {"page_policy": "closed", "row_hit_cap": 2, "merge_reads": True}])
def test_serving_group_after_group_is_the_same_as_one_run(kind, refresh, more):
    options = ControllerOptions(2, "frfcfs", refresh, 16, 16, **more)
    stream = traffic(3, size(480, 60), 2, *kind)
    group = np.arange(len(stream)) // 20
    later = stream[:, 0] - stream[group * 20, 0]
    work, log = run_in_groups(as_requests(stream, group=group), later, OFTEN_REFRESHED, options, gap=40)
    stream[:, 0] = work.arrive
    whole = replay(as_requests(stream, group=group), OFTEN_REFRESHED, options, record=True)
    np.testing.assert_array_equal(work.accepted, whole.accepted)
    np.testing.assert_array_equal(work.depart, whole.depart)
    np.testing.assert_array_equal(work.served[:, kernel.DONE_AT], whole.done)
    np.testing.assert_array_equal(log[:, :2].T, [whole.commands[0].cycle, whole.commands[0].command])
    np.testing.assert_array_equal(log[:, 5], whole.commands[0].request)


def test_a_group_whose_requests_are_not_visible_yet_starves():
    requests = as_requests(traffic(1, 8, 1, "random", "reads", "saturated"), group=np.arange(8) // 4)
    options = ControllerOptions(1, refresh="off")
    rules = make_rules(DDR4, options, has_writes=False)
    controllers, work = make_controllers(rules, "off", requests.start), make_work(requests)
    log = np.zeros((0, 6), np.int64)
    assert kernel.advance(rules, controllers, work, log, 0, 4, 1) == kernel.STARVED
    assert kernel.advance(rules, controllers, work, log, 0, 8, 1) == kernel.DONE


@pytest.mark.parametrize("timing", ["nRFC", "nFAW", "nRP", "nRCD"])
@pytest.mark.parametrize("refresh", REFRESHES)
def test_engine_and_twin_make_the_same_schedule_where_one_wait_is_the_longest_the_engine_can(timing, refresh):
    spec = spec_with(nREFI=4 * kernel.LONGEST_WAIT, **{timing: 1500})
    longest = 1500 + kernel.LONGEST_WAIT - max(int(spec.gaps.max()), spec.act_window[1])
    longer = spec_with(spec, **{timing: longest + 1})
    with pytest.raises(ConfigError, match=f"waits {kernel.LONGEST_WAIT} clocks at most"):
        make_rules(longer, ControllerOptions(2), has_writes=True)
    stream = traffic(3, 60, 2, "random", "mixed", "bursty")
    assert_engine_equals_twin(
        spec_with(spec, **{timing: longest}), stream, ControllerOptions(2, refresh=refresh)
    )
