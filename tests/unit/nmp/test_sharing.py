"""The host's other traffic beside the gather-reduce."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from builders import placed_on, random_calls, system_of, trace_of

from recnmp.config.schema import HostTrafficConfig
from recnmp.memory.audit import audit
from recnmp.memory.traffic import HostBursts, Served, host_bursts
from recnmp.nmp import _kernels as kernel
from recnmp.nmp import host, recnmp
from recnmp.nmp.instructions import send
from recnmp.nmp.packet import packet_of_bags
from recnmp.nmp.sharing import run_shared
from recnmp.placement.place import make_mapping

SEEDS = range(6)


def case(seed: int, **memory):
    rng = np.random.default_rng(seed)
    system = system_of(dimms_per_channel=2, ranks_per_dimm=2, audit=True, **memory)
    tables = [(4000, 16), (4000, 64)]
    trace = trace_of(tables, random_calls(rng, tables, 6, bags=12, longest=20))
    return trace, placed_on(system, trace), system


def traffic(**changes) -> HostTrafficConfig:
    return HostTrafficConfig(**{"gb_per_s": 5.0} | changes)


def channels(trace, placed, system, others: HostBursts):
    options = recnmp.Options()
    bag_packet, _ = packet_of_bags(trace, options.poolings_per_packet)
    order = np.arange(bag_packet.max() + 1)
    sent = send(trace, placed, system, bag_packet, order, np.zeros(trace.lookups, np.bool_))
    return recnmp.run_channels(trace, sent, placed, system, options, others)


def bursts(system, cycles: int = 200_000, **changes) -> HostBursts:
    return host_bursts(traffic(**changes), system.spec, make_mapping(system.memory, system.spec), cycles)


@pytest.mark.parametrize("seed", SEEDS)
def test_traffic_that_comes_after_the_end_changes_nothing(seed):
    trace, placed, system = case(seed)
    (alone,) = channels(trace, placed, system, Served.none().bursts)
    late = bursts(system)
    (shared,) = channels(trace, placed, system, replace(late, arrive=late.arrive + 10_000_000))
    np.testing.assert_array_equal(shared.clocks, alone.clocks)
    for ours, theirs in zip(shared.timeline.commands, alone.timeline.commands, strict=True):
        np.testing.assert_array_equal(ours.cycle[: len(theirs)], theirs.cycle)
    assert (shared.others.passed < 0).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gb_per_s", [1.0, 10.0, 40.0])
def test_the_channel_carries_one_thing_at_a_time(seed, gb_per_s):
    trace, placed, system = case(seed)
    (channel,) = channels(trace, placed, system, bursts(system, gb_per_s=gb_per_s))
    nCL, nBL = system.spec.cycles["nCL"], system.spec.cycles["nBL"]
    passed = channel.others.passed[channel.others.passed >= 0]
    assert len(passed)
    results = [(row[kernel.RESULTS_AT] + nCL, row[kernel.RETURNED_AT]) for row in channel.clocks.tolist()]
    taken = sorted(results + [(end - nBL, end) for end in passed.tolist()])
    assert all(end <= begin for (_, end), (begin, _) in pairwise(taken))
    waits = channel.clocks[:, kernel.DELIVERED_AT] - channel.clocks[:, kernel.INSTRUCTIONS_AT]
    within = [
        ((passed > row[kernel.INSTRUCTIONS_AT]) & (passed <= row[kernel.DELIVERED_AT])).sum()
        for row in channel.clocks
    ]
    alone = channels(trace, placed, system, Served.none().bursts)[0].clocks
    undisturbed = alone[:, kernel.DELIVERED_AT] - alone[:, kernel.INSTRUCTIONS_AT]
    assert (waits >= undisturbed + nBL * np.array(within)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_reads_pass_after_their_rank_has_read_them_and_writes_after_they_came(seed):
    trace, placed, system = case(seed)
    others = bursts(system)
    (channel,) = channels(trace, placed, system, others)
    done = channel.others.passed >= 0
    fastest = np.where(others.write == 1, 0, system.spec.cycles["nCL"]) + system.spec.cycles["nBL"]
    assert (channel.others.passed - others.arrive >= fastest)[done].all()
    counts = channel.timeline.counts
    assert counts["RD"] >= channel.reads + np.count_nonzero(done & (others.write == 0))
    for commands in channel.timeline.commands:
        assert audit(system.spec, 1, commands, refresh=system.memory.refresh).count == 0


def test_a_lone_read_among_nothing_meets_the_latency_of_a_closed_row():
    trace, placed, system = case(0, refresh="off")
    (alone,) = channels(trace, placed, system, Served.none().bursts)
    end = alone.cycles + 1000  # nobody gathers any more; it never gets in
    one = bursts(system, cycles=1, arrivals="even", gb_per_s=1000.0)
    one = HostBursts(*(getattr(one, name)[:1] for name in HostBursts.__dataclass_fields__))
    (early,) = channels(trace, placed, system, replace(one, write=one.write * 0, arrive=one.arrive * 0))
    cycles = system.spec.cycles
    assert early.others.passed[0] >= 1 + cycles["nRCD"] + cycles["nCL"] + cycles["nBL"]
    (late,) = channels(trace, placed, system, replace(one, arrive=one.arrive * 0 + end))
    assert late.others.passed[0] == -1


@pytest.mark.parametrize("pattern", ["random", "stream"])
@pytest.mark.parametrize("channels_", [1, 2])
def test_the_host_serves_both_and_breaks_no_rule(pattern, channels_):
    trace, placed, system = case(1, channels=channels_)
    system = replace(
        system, memory=system.memory.model_copy(update={"host_traffic": traffic(pattern=pattern)})
    )
    run = host.run(trace, placed, system, host.Options())
    assert run.audit(system)
    figures = run.memory["host_traffic"]
    assert figures["bursts"] > 0
    assert figures["gb_per_s"] == pytest.approx(5.0, rel=0.4)


def test_longer_traffic_begins_with_shorter_traffic():
    _, _, system = case(2)
    short, long = bursts(system, 10_000), bursts(system, 50_000)
    for name in HostBursts.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[: len(short)])
    assert long.arrive.max() < 50_000
    rate = len(long) * 64 / (50_000 * system.spec.tCK_ps.value / 1000)
    assert rate == pytest.approx(5.0, rel=0.05)
    assert long.write.mean() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("architecture", [host, recnmp])
def test_sharing_costs_both_sides_time(architecture):
    trace, placed, system = case(3)
    shared = replace(system, memory=system.memory.model_copy(update={"host_traffic": traffic(gb_per_s=8.0)}))
    run = run_shared(lambda on: architecture.run(trace, placed, on, architecture.Options()), shared)
    figures = run.memory["host_traffic"]
    assert figures["sls_slowdown"] > 1
    assert figures["read_latency_avg_ns"] > figures["read_latency_alone_avg_ns"] > 0


def test_no_request_of_the_gather_is_lost_beside_others():
    trace, placed, system = case(4)
    alone = host.run(trace, placed, system, host.Options())
    among = replace(system, memory=system.memory.model_copy(update={"host_traffic": traffic()}))
    run = host.run(trace, placed, among, host.Options())
    assert run.memory["requests"] == alone.memory["requests"]
    assert run.memory["commands"]["RD"] > alone.memory["commands"]["RD"]
