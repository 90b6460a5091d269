"""Laws every schedule of the DRAM engine obeys, whatever it is asked."""

from dataclasses import replace

import numpy as np
import pytest
from builders import DDR4, spec_with
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference.traffic import ARRIVALS, GROUPS, MIXES, PLACES, as_requests, size, traffic

from recnmp.library.dram import COMMANDS
from recnmp.memory.audit import audit
from recnmp.memory.replay import POLICIES, REFRESHES, ControllerOptions, Timeline, replay
from recnmp.memory.requests import Requests

T = DDR4.cycles
RD, WR = COMMANDS.index("RD"), COMMANDS.index("WR")
RANKS = 4

streams = st.builds(
    traffic,
    st.integers(0, 2**32),
    st.integers(0, size(2000, 60)),
    st.just(RANKS),
    st.sampled_from(list(PLACES)),
    st.sampled_from(list(MIXES)),
    st.sampled_from(ARRIVALS),
)
queues = st.integers(1, 80)
systems = st.builds(
    ControllerOptions,
    st.just(RANKS),
    st.sampled_from(POLICIES),
    st.sampled_from(REFRESHES),
    queues,
    queues,
)
examples = settings(max_examples=size(80, 10), deadline=None, derandomize=True)


@examples
@given(streams, systems)
def test_every_request_is_served_once_and_legally(stream, options):
    timeline = replay(as_requests(stream), DDR4, options, record=True)
    [commands] = timeline.commands
    write = stream[:, 1] == 1
    counts = timeline.counts
    assert counts["RD"] == (~write).sum() - counts["forwarded"]
    assert counts["WR"] == write.sum() - counts["absorbed"]
    assert counts["row_hits"] + counts["row_misses"] + counts["row_conflicts"] == counts["RD"] + counts["WR"]
    served = (commands.command == RD) | (commands.command == WR)
    request = commands.request[served]
    assert len(np.unique(request)) == len(request)
    place = [commands.rank, commands.bank_group, commands.bank, commands.row, commands.column]
    np.testing.assert_array_equal(np.stack([field[served] for field in place], axis=1), stream[request, 2:])
    np.testing.assert_array_equal(commands.command[served] == WR, write[request])
    assert audit(DDR4, RANKS, commands, refresh=options.refresh).first == ()


@examples
@given(streams, systems)
def test_the_data_bus_is_never_faster_than_its_peak(stream, options):
    timeline = replay(as_requests(stream), DDR4, options)
    bursts = timeline.counts["RD"] + timeline.counts["WR"]
    assert bursts * T["nBL"] <= timeline.cycles
    statistics = timeline.statistics(DDR4, buses=1)
    assert statistics["bus_utilization"] <= 1
    assert statistics["gb_per_s"] <= DDR4.peak_gb_per_s


@examples
@given(streams, systems)
def test_requests_enter_in_order_one_a_clock_and_no_queue_overflows(stream, options):
    timeline = replay(as_requests(stream), DDR4, options, record=True)
    [commands] = timeline.commands
    assert np.all(np.diff(timeline.accepted) >= 1)
    assert np.all(timeline.accepted >= stream[:, 0])
    for write, name in ((0, "read_queue"), (1, "write_queue")):
        # A request leaves its queue when its row is opened for it, or with its RD or WR.
        mine = (commands.request >= 0) & (commands.command != COMMANDS.index("PRE"))
        mine[mine] = stream[commands.request[mine], 1] == write
        request, first = np.unique(commands.request[mine], return_index=True)
        inside = [(t, 1) for t in timeline.accepted[request]]
        inside += [(t, -1) for t in commands.cycle[mine][first]]
        level = np.cumsum([change for _, change in sorted(inside)])
        assert level.max(initial=0) <= getattr(options, name)


@examples
@given(streams, systems)
def test_no_read_returns_before_its_bank_could_answer(stream, options):
    timeline = replay(as_requests(stream), DDR4, options)
    latency = (timeline.depart - timeline.accepted)[stream[:, 1] == 0]
    assert np.all((latency == 1) | (latency >= 1 + T["nCL"] + T["nBL"]))
    assert (latency == 1).sum() == timeline.counts["forwarded"]
    assert timeline.cycles == timeline.done.max(initial=0)


@examples
@given(streams, systems, st.integers(1, 10**6))
def test_a_later_start_only_shifts_the_schedule(stream, options, delay):
    options = replace(options, refresh="off")
    late = stream.copy()
    late[:, 0] += delay
    one, other = (replay(as_requests(s), DDR4, options, record=True) for s in (stream, late))
    np.testing.assert_array_equal(other.commands[0].cycle, one.commands[0].cycle + delay)
    np.testing.assert_array_equal(other.commands[0].request, one.commands[0].request)
    np.testing.assert_array_equal(other.accepted, one.accepted + delay)


@examples
@given(streams, systems, st.permutations(range(RANKS)), st.permutations(range(GROUPS)))
def test_the_names_of_ranks_and_bank_groups_do_not_matter(stream, options, ranks, groups):
    options = replace(options, refresh="off")
    renamed = stream.copy()
    renamed[:, 2] = np.array(ranks)[stream[:, 2]]
    renamed[:, 3] = np.array(groups)[stream[:, 3]]
    one, other = (replay(as_requests(s), DDR4, options, record=True) for s in (stream, renamed))
    for field in ("cycle", "command", "row", "column", "request"):
        np.testing.assert_array_equal(
            getattr(one.commands[0], field), getattr(other.commands[0], field), field
        )


@examples
@given(streams, systems)
def test_recording_commands_changes_nothing(stream, options):
    spec = spec_with(nREFI=2000)
    plain = replay(as_requests(stream), spec, options)
    recorded = replay(as_requests(stream), spec, options, record=True)
    np.testing.assert_array_equal(plain.accepted, recorded.accepted)
    np.testing.assert_array_equal(plain.depart, recorded.depart)
    assert (plain.cycles, plain.counts) == (recorded.cycles, recorded.counts)
    assert plain.commands == ()
    assert {name: plain.counts[name] for name in COMMANDS} == recorded.commands[0].counts()


@pytest.mark.parametrize("writes", [False, True])
def test_a_run_far_in_the_future_is_the_same_run(writes: bool) -> None:
    """Lane times count from a base that moves every 2**29 clocks, ages are dealt out anew: nothing may show."""
    rng, n = np.random.default_rng(3), size(30_000, 300)
    options = ControllerOptions(ranks=2, refresh="off")
    arrive = np.sort(rng.integers(0, 8 * n, n))
    jumps = np.cumsum([0, 1 << 28, 1 << 29, (1 << 29) + 5, 1 << 31, 1 << 40])
    apart = arrive + np.repeat(jumps, n // len(jumps))
    parts = {"lane": rng.integers(0, 32, n), "row": rng.integers(0, 40, n), "column": rng.integers(0, 128, n)}
    narrow = {name: values.astype(np.int32) for name, values in parts.items()}
    write = (rng.random(n) < 0.4 * writes).astype(np.uint8)

    def run(arrivals: NDArray[np.int64]) -> Timeline:
        requests = Requests(
            np.array([0, n]), arrivals, **narrow, write=write, group=np.zeros(n, np.int32), groups=1
        )
        return replay(requests, DDR4, options, record=True)

    now, then, in_parts = run(arrive), run(arrive + (1 << 45)), run(apart)
    np.testing.assert_array_equal(then.accepted - (1 << 45), now.accepted)
    np.testing.assert_array_equal(then.commands[0].cycle - (1 << 45), now.commands[0].cycle)
    np.testing.assert_array_equal(then.commands[0].request, now.commands[0].request)
    assert not audit(DDR4, 2, in_parts.commands[0], refresh="off").count
    np.testing.assert_array_equal(in_parts.accepted[: n // 6], now.accepted[: n // 6])
    assert (in_parts.accepted >= apart).all()
