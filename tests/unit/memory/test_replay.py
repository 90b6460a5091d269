import numpy as np
import pytest
from builders import DDR4, DDR5, spec_with
from reference.traffic import as_requests, size, traffic

from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import ALL_BANK_COMMANDS, COMMANDS, DramSpec
from recnmp.memory.audit import audit
from recnmp.memory.replay import ControllerOptions, make_rules, replay

T = DDR4.cycles
STREAM = traffic(7, size(2000, 100), 2, "zipf", "echo", "bursty")


def with_rule(spec: DramSpec = DDR4, **rule) -> DramSpec:
    document = spec.model_dump(mode="json")
    return DramSpec.model_validate(document | {"constraints": [*document["constraints"], rule]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "fcfs"}, "'fcfs'.*frfcfs_rowhit"),
        ({"refresh": "on"}, "'on'.*simultaneous"),
        ({"ranks": 0}, "ranks is 0"),
        ({"read_queue": 0}, "read_queue is 0"),
        ({"write_queue": -1}, "write_queue is -1"),
        ({"row_hit_cap": 0}, "row_hit_cap is 0"),
        ({"page_policy": "close"}, "'close' is not one of open, closed"),
    ],
)
def test_a_controller_that_cannot_be_is_an_error(options, message):
    with pytest.raises(ConfigError, match=message):
        ControllerOptions(**{"ranks": 1} | options)


@pytest.mark.parametrize(("ranks", "refresh", "clocks"), [(1, "staggered", 1), (4, "simultaneous", 4)])
def test_a_refresh_that_never_lets_a_request_through_is_an_error(ranks, refresh, clocks):
    options = ControllerOptions(ranks, refresh=refresh)
    with pytest.raises(ConfigError, match=f"takes {T['nRFC'] + clocks} clocks.*no request would ever"):
        make_rules(spec_with(nREFI=T["nRFC"] + clocks), options, has_writes=False)
    stream = np.array([[0, 0, rank, 0, 0, 1, 0] for rank in range(ranks)])
    served = replay(as_requests(stream), spec_with(nREFI=T["nRFC"] + clocks + 1), options)
    assert served.counts["RD"] == ranks


@pytest.mark.parametrize(
    ("scope", "after", "before"),
    [
        ("rank", "REFsb", "PREsb"),
        ("rank", "PREsb", "ACT"),
        ("bank_set", "WR", "REFsb"),
        ("rank", "RD", "PREsb"),
    ],
)
def test_a_rule_for_sets_that_the_engine_cannot_keep_is_an_error_when_sets_are_refreshed(
    scope, after, before
):
    spec = with_rule(DDR5, scope=scope, after=[after], before=[before], wait="500")
    make_rules(spec, ControllerOptions(1), has_writes=True)
    with pytest.raises(ConfigError, match="no such rules for REFsb and PREsb"):
        make_rules(spec, ControllerOptions(1, refresh="same_bank"), has_writes=True)


@pytest.mark.parametrize(
    ("scope", "after", "before"),
    [
        ("bank", "RD", "ACT"),
        ("bank", "WR", "REF"),
        ("bank", "REF", "PREA"),
        ("other_rank", "PRE", "PRE"),
        ("rank", "ACT", "RD"),
        ("bank_group", "RD", "PRE"),
        ("other_rank", "ACT", "ACT"),
        ("other_rank", "REF", "REF"),
    ],
)
def test_a_rule_the_engine_does_not_keep_is_an_error(scope, after, before):
    spec = with_rule(scope=scope, after=[after], before=[before], wait="nRP")
    with pytest.raises(ConfigError, match=f"no rule of this scope: {after} to {before}"):
        make_rules(spec, ControllerOptions(1), has_writes=False)


@pytest.mark.parametrize(
    ("scope", "after", "before"),
    [("rank", "ACT", "ACT"), ("bank", "RD", "PRE"), ("other_rank", "RD", "RD"), ("rank", "REF", "ACT")],
)
def test_a_longer_wait_of_a_known_kind_is_kept(scope, after, before):
    often = spec_with(nREFI=2000)
    spec = with_rule(often, scope=scope, after=[after], before=[before], wait="2 * nRFC")
    requests = as_requests(traffic(1, 500, 2, "random", "reads", "saturated"))
    timeline = replay(requests, spec, ControllerOptions(2), record=True)
    assert audit(spec, 2, timeline.commands[0], refresh="simultaneous").first == ()
    assert timeline.cycles > replay(requests, often, ControllerOptions(2)).cycles


def test_a_request_to_a_rank_that_does_not_exist_is_an_error():
    with pytest.raises(RecnmpError, match="beyond the last of 1 ranks"):
        replay(as_requests(STREAM), DDR4, ControllerOptions(1))


def test_commands_are_counted_and_recorded_alike():
    timeline = replay(as_requests(STREAM), DDR4, ControllerOptions(2), record=True)
    assert timeline.commands[0].counts() == {name: timeline.counts[name] for name in COMMANDS}


def test_a_log_grows_with_a_long_wait():
    # Twice as many refreshes as a first log has room for.
    ranks, intervals = 2, size(5000, 2600)
    requests = as_requests(np.array([(intervals * T["nREFI"], 0, 0, 0, 0, 0, 0)]))
    timeline = replay(requests, DDR4, ControllerOptions(ranks), record=True)
    assert timeline.counts["REF"] == ranks * intervals == len(timeline.commands[0]) - 2
    assert np.all(np.diff(timeline.commands[0].cycle) > 0)


def test_groups_end_with_their_last_burst_at_each_controller():
    group = np.arange(2 * len(STREAM)) * 3 // (2 * len(STREAM))
    requests = as_requests(STREAM, STREAM, group=group)
    timeline = replay(requests, DDR4, ControllerOptions(2))
    assert timeline.done.shape == (2, 3)
    assert timeline.done[0, 2] == timeline.done[1, 0] == 0
    assert timeline.cycles == timeline.done.max()
    reads = timeline.depart >= 0
    for u, part in enumerate((slice(None, len(STREAM)), slice(len(STREAM), None))):
        for g in np.unique(group[part]):
            mine = reads[part] & (group[part] == g)
            assert timeline.done[u, g] >= timeline.depart[part][mine].max()


def test_statistics_follow_from_counts_and_cycles():
    timeline = replay(as_requests(STREAM, STREAM), DDR4, ControllerOptions(2))
    statistics = timeline.statistics(DDR4, buses=2)
    bursts = timeline.counts["RD"] + timeline.counts["WR"]
    assert statistics["cycles"] == timeline.cycles
    assert statistics["requests"] == 2 * len(STREAM)
    assert statistics["commands"] == {name: timeline.counts[name] for name in ALL_BANK_COMMANDS}
    ns = timeline.cycles * 0.833
    assert statistics["gb_per_s"] == pytest.approx(bursts * 64 / ns)
    assert statistics["bus_utilization"] == pytest.approx(bursts * 4 / (2 * timeline.cycles))
    latency = [d - a for d, a in zip(timeline.depart, timeline.accepted, strict=True) if d >= 0]
    assert statistics["read_latency_avg_cycles"] == pytest.approx(sum(latency) / len(latency))


def test_the_same_requests_have_the_same_timeline():
    one, other = (replay(as_requests(STREAM), DDR4, ControllerOptions(2), record=True) for _ in range(2))
    for field in one.commands[0].__dataclass_fields__:
        assert getattr(one.commands[0], field).tobytes() == getattr(other.commands[0], field).tobytes()
    assert one.depart.tobytes() == other.depart.tobytes()


@pytest.mark.parametrize("writes", [4, 32])
def test_writes_wait_for_the_high_watermark_and_then_drain_to_the_low_one(writes):
    # Reads of one row without end; writes of another bank come in one after the other.
    n = 400
    number = np.arange(n)
    write = (number % 4 == 3) & (number < 3 * n // 4)
    zero = np.zeros(n, np.int64)
    stream = np.column_stack([zero, write, zero, write, zero, zero, number % 128])
    stream[write, 6] = np.arange(write.sum()) % 128
    options = ControllerOptions(1, refresh="off", write_queue=writes)
    timeline = replay(as_requests(stream), DDR4, options, record=True)
    commands = timeline.commands[0]
    columns = np.isin(commands.command, [COMMANDS.index("RD"), COMMANDS.index("WR")])
    label, is_write = commands.cycle[columns], commands.command[columns] == COMMANDS.index("WR")
    first = is_write.argmax()
    drained = np.argmin(is_write[first:])

    def queued(issued: int) -> int:
        """Writes in the queue right after the ``issued``-th WR."""
        return (timeline.accepted[write] <= label[first + issued - 1]).sum() - issued

    assert (timeline.accepted[write] < label[first]).sum() > 0.8 * writes
    assert all(queued(issued) >= 0.2 * writes for issued in range(1, drained))
    assert queued(drained) < 0.2 * writes


def test_a_window_of_more_acts_than_the_engine_counts_is_an_error():
    document = DDR4.model_dump(mode="json")
    (window,) = (row for row in document["constraints"] if row["window"] > 1)
    window["window"] = 13
    with pytest.raises(ConfigError, match="counts 12 ACTs of a window at most, not 13"):
        make_rules(DramSpec.model_validate(document), ControllerOptions(1), has_writes=False)
