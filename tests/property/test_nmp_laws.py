"""What must hold for every trace on every system, whatever the schedule."""

import numba
import numpy as np
import pytest
from builders import placed_on, spec_with, system_of, trace_of
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp._registry import library_names
from recnmp.config import load_config
from recnmp.config.schema import CacheConfig
from recnmp.library.model import load_model
from recnmp.nmp import functional, host, recnmp
from recnmp.simulate import simulate
from recnmp.trace.storage import save_trace

SPEC = spec_with(nREFI=900, nRFC=80)
ENTRIES = 2000

few = settings(deadline=None, max_examples=5 if numba.config.DISABLE_JIT else 80, derandomize=True)

bags = st.lists(st.lists(st.integers(0, 30) | st.integers(0, ENTRIES - 1), max_size=8), max_size=20)
traces = st.builds(
    lambda dims, calls: trace_of(
        [(ENTRIES, dim) for dim in dims], [(n % len(dims), one) for n, one in enumerate(calls)]
    ),
    st.lists(st.sampled_from([8, 16, 32, 64]), min_size=1, max_size=3),
    st.lists(bags, min_size=1, max_size=4),
)
systems = st.builds(
    lambda channels, dimms, ranks, refresh, ways: system_of(
        spec=SPEC,
        channels=channels,
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks,
        refresh=refresh,
        rank_cache=CacheConfig(size_bytes=ways * 8 * 64, ways=ways) if ways else None,
        llc=CacheConfig(size_bytes=ways * 16 * 64, ways=ways) if ways else None,
    ),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 2]),
    st.sampled_from(["off", "simultaneous", "staggered"]),
    st.sampled_from([0, 1, 4]),
)
options = st.builds(
    recnmp.Options,
    poolings_per_packet=st.integers(1, 16),
    reorder_window=st.integers(1, 32),
    packets_in_flight=st.integers(1, 4),
)


@few
@given(traces, systems, options)
def test_near_memory_nothing_is_lost_and_nothing_is_free(trace, system, options):
    placed = placed_on(system, trace)
    run = recnmp.run(trace, placed, system, options)
    memory, details, cycles = run.memory, run.details, system.spec.cycles
    rate = details["cache_hit_rate"] or 0.0
    hits = round(rate * placed.bursts)
    assert memory["requests"] == memory["commands"]["RD"] == placed.bursts - hits
    assert memory["row_hits"] + memory["row_misses"] + memory["row_conflicts"] == memory["requests"]
    # a refresh may close a row that was opened for a request of its bank, never the other way round
    assert memory["commands"]["ACT"] >= memory["row_misses"] + memory["row_conflicts"]
    assert memory["commands"]["PRE"] >= memory["row_conflicts"]
    assert memory["commands"]["WR"] == 0
    units = system.memory.channels * system.ranks_per_channel
    for name in ("rank_load_imbalance", "packet_load_imbalance"):
        assert 1 <= details[name] <= units
    assert details["packet_load_imbalance"] >= details["rank_load_imbalance"] - 1e-12
    # the bus is delivering, returning or waiting; a channel that is done earlier does nothing
    assert sum(details["time_share"].values()) <= 1 + 1e-12
    # the results of every bag alone keep a channel's bus busy for so long
    vectors = len(np.unique(trace.bag)) * cycles["nBL"] / system.memory.channels
    assert memory["cycles"] >= (vectors + cycles["nCL"] if trace.lookups else 0)
    assert run.ns >= memory["cycles"] * system.spec.tCK_ps.value / 1000
    assert memory["bus_utilization"] <= 1


@few
@given(traces, systems, options)
def test_packets_carry_every_lookup_once_and_pool_right(trace, system, options):
    placed = placed_on(system, trace)
    run = recnmp.run(trace, placed, system, options)
    assert len(run.packets.words) == run.details["instructions"] == trace.lookups
    sent = run.packets.packet * system.memory.channels + run.packets.channel
    assert run.details["packets"] == len(np.unique(sent))
    assert functional.compare(trace, placed, run.packets, system)["bit_exact"]


@few
@given(traces, systems)
def test_the_host_reads_every_burst_that_misses_its_cache_over_its_own_bus(trace, system):
    placed = placed_on(system, trace)
    run = host.run(trace, placed, system, host.Options())
    hits = round((run.memory["llc_hit_rate"] or 0.0) * placed.bursts)
    assert run.memory["commands"]["RD"] == run.memory["requests"] == placed.bursts - hits
    missed = run.memory["requests"]
    assert run.memory["cycles"] * system.memory.channels >= missed * system.spec.cycles["nBL"]


@few
@given(traces, systems, options)
def test_the_same_run_twice_is_the_same(trace, system, options):
    placed = placed_on(system, trace)
    one, two = (recnmp.run(trace, placed, system, options) for _ in range(2))
    assert (one.ns, one.memory, one.details) == (two.ns, two.memory, two.details)


@pytest.mark.parametrize("audit", [False, True])
@pytest.mark.parametrize("pages", ["random", "coloured"])
def test_bags_without_lookups_cost_no_read_and_no_time(audit, pages):
    cache = CacheConfig(size_bytes=1024, ways=4)
    system = system_of(channels=2, audit=audit, rank_cache=cache, llc=cache)
    trace = trace_of([(10, 16), (10, 32)], [(0, [[], [], []]), (1, [[]])])
    placed = placed_on(system, trace, pages=pages)
    near = recnmp.run(trace, placed, system, recnmp.Options())
    for run in (near, host.run(trace, placed, system, host.Options())):
        assert run.ns == 0
        assert run.memory["requests"] == 0
        assert set(run.memory["commands"].values()) == {0}
    assert functional.compare(trace, placed, near.packets, system)["bit_exact"]


def test_a_run_without_lookups_has_a_result(tmp_path):
    rm1 = load_model("rm1")
    trace = trace_of(
        [(table.entries, table.dim) for table in rm1.each_table], [(n, [[], []]) for n in range(rm1.n_tables)]
    )
    save_trace(trace, tmp_path / "empty.parquet")
    profile = ["mlp.kind=profile", f"mlp.device={library_names('devices')[0]}"]
    result = simulate(load_config("rank2", [f"trace.file={tmp_path / 'empty.parquet'}", *profile]))
    assert result.sls["host_ns"] == result.sls["nmp_ns"] == 0
    assert result.sls["speedup_over_host"] is None
    assert result.end_to_end["speedup_over_host"] == 1
    assert result.functional_check["status"] == "passed"


def test_a_channel_nobody_reads_takes_no_time():
    system = system_of(channels=2)
    trace = trace_of([(10, 16)], [(0, [[3, 3, 3]])])
    placed = placed_on(system, trace)
    near = recnmp.run(trace, placed, system, recnmp.Options())
    one_channel = system_of()
    alone = recnmp.run(trace, placed_on(one_channel, trace), one_channel, recnmp.Options())
    assert near.memory["cycles"] == alone.memory["cycles"]
    assert near.details["rank_load_imbalance"] == 4.0
