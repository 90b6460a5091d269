"""What was moved when, against the recorded commands; and rank by rank."""

import numpy as np
import pytest
from builders import DDR4, placed_on, some_trace, system_of, trace_of
from hypothesis import given
from hypothesis import strategies as st

from recnmp.config.schema import CacheConfig
from recnmp.library.dram import COMMANDS
from recnmp.nmp import axdimm, host, recnmp
from recnmp.nmp.over_time import MOST_STEPS, Steps

RD = COMMANDS.index("RD")
CACHE = CacheConfig(size_bytes=4096)
MEMORIES = {
    "two channels": {"channels": 2, "ranks_per_dimm": 2},
    "merged reads": {"ranks_per_dimm": 2, "merge_reads": True},
    "closed pages": {"dimms_per_channel": 2, "page_policy": "closed"},
}


def ran(module, *, rank_cache=None, dims=(16, 32, 64), **memory):
    system = system_of(audit=True, rank_cache=rank_cache, **memory)
    trace = some_trace(3, dims)
    return module.run(trace, placed_on(system, trace), system, module.Options()), system


def bytes_by_hand(run, step):
    """Go through the log command by command: all bytes of a read count where its last beat has ended."""
    found = {}
    for _, log in run.commands:
        last, bursts = {}, {}
        for command, cycle, request in zip(log.command, log.cycle, log.request, strict=True):
            if command == RD:
                last[request] = int(cycle) + DDR4.cycles["nCL"] + DDR4.cycles["nBL"]
                bursts[request] = bursts.get(request, 0) + 1
        for request, end in last.items():
            found[(end - 1) // step] = found.get((end - 1) // step, 0) + 64 * bursts[request]
    return found


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES)
@pytest.mark.parametrize("module", [host, recnmp, axdimm], ids=lambda module: module.__name__[11:])
def test_bytes_of_each_step_are_those_of_its_commands(module, memory):
    run, _ = ran(module, **memory)
    moved = run.operations.over_time.figures()
    assert len(moved["data_bytes"]) == -(-run.memory["cycles"] // moved["step_cycles"]) <= MOST_STEPS
    by_hand = bytes_by_hand(run, moved["step_cycles"])
    assert moved["data_bytes"].tolist() == [by_hand.get(n, 0) for n in range(len(moved["data_bytes"]))]
    assert moved["data_bytes"].sum() == 64 * run.memory["commands"]["RD"] > 0


def test_what_rank_caches_answer_is_not_read():
    run, _ = ran(recnmp, rank_cache=CACHE, ranks_per_dimm=2)
    assert run.details["cache_hit_rate"] > 0.05
    moved = run.operations.over_time
    assert moved.data_bytes.sum() == 64 * run.memory["requests"]
    assert moved.data_bytes.tolist() == [
        bytes_by_hand(run, moved.steps.cycles).get(n, 0) for n in range(moved.steps.count)
    ]


@pytest.mark.parametrize("module", [recnmp, axdimm], ids=["recnmp", "axdimm"])
def test_clocks_of_the_channels_are_their_shares_of_the_time(module):
    run, system = ran(module, channels=2)
    moved = run.operations.over_time
    whole = run.memory["cycles"] * system.memory.channels
    share = {name: int(clocks.sum()) / whole for name, clocks in moved.channel_cycles.items()}
    assert share == {name: share for name, share in run.details["time_share"].items() if name != "waiting"}
    busiest = sum(moved.channel_cycles.values()).max()
    assert 0 < busiest <= moved.steps.cycles * system.memory.channels


@pytest.mark.parametrize("module", [host, recnmp], ids=["host", "recnmp"])
def test_other_traffic_of_the_host_is_told_apart(module):
    run, _ = ran(module, host_traffic={"gb_per_s": 4.0, "seed": 5})
    moved = run.operations.over_time
    assert moved.traffic_bytes.sum() == 64 * run.memory["host_traffic"]["bursts"] > 0
    assert moved.data_bytes.sum() == 64 * run.memory["requests"]
    quiet, _ = ran(module)
    assert "traffic_bytes" not in quiet.operations.over_time.figures()


@pytest.mark.parametrize("module", [host, recnmp, axdimm], ids=lambda module: module.__name__[11:])
def test_loads_of_ranks_add_up_and_give_the_imbalance(module):
    run, system = ran(module, channels=2, dims=(64,))
    loads = run.operations.rank_loads
    lookups = loads["lookups"]
    assert lookups.shape == loads["bursts_read"].shape == (2, system.ranks_per_channel)
    assert lookups.sum() == some_trace(3, (64,)).lookups
    told = (run.memory if module is host else run.details)["rank_load_imbalance"]
    assert lookups.max() / lookups.mean() == pytest.approx(told, rel=1e-12)
    assert loads["bursts_read"].sum() == run.memory["commands"]["RD"]
    assert (loads["bursts_read"] == 4 * lookups).all()  # an entry of 256 B each


@given(
    st.integers(1, 2**40),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=30),
)
def test_steps_are_few_and_lose_nothing(cycles, gaps_and_lengths):
    steps = Steps(cycles)
    assert MOST_STEPS / 2 < steps.count <= MOST_STEPS or steps.cycles == 1
    assert (steps.count - 1) * steps.cycles < cycles <= steps.count * steps.cycles
    assert steps.arrived(np.array([1, cycles])).sum() == 2
    begin, length, at = [], [], 0
    for gap, clocks in gaps_and_lengths:
        if at + gap + clocks > cycles:
            break
        begin.append(at + gap)
        length.append(clocks)
        at += gap + clocks
    busy = steps.busy(np.array(begin, np.int64), np.array(length, np.int64))
    assert busy.sum() == sum(length)
    assert busy.max(initial=0) <= steps.cycles


def test_spans_are_cut_at_the_steps():
    steps = Steps(1000)
    assert (steps.cycles, steps.count) == (8, 125)
    busy = steps.busy(np.array([3, 20]), np.array([10, 4]))
    assert busy[:4].tolist() == [5, 5, 4, 0]


@pytest.mark.parametrize("module", [host, recnmp], ids=["host", "recnmp"])
def test_a_run_without_lookups_moves_nothing(module):
    trace = trace_of([(1000, 16)], [(0, [[], []])])
    system = system_of()
    run = module.run(trace, placed_on(system, trace), system, module.Options())
    assert run.operations.over_time.data_bytes.sum() == 0
    assert run.operations.rank_loads["lookups"].sum() == 0
