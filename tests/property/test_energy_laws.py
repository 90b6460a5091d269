"""Energy is conserved, whatever runs: parts are the whole, and every operation is paid once."""

import numba
import numpy as np
import pytest
from builders import placed_on, system_of, trace_of
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.config.schema import CacheConfig
from recnmp.nmp import host, recnmp
from recnmp.report.energy import energy_section

few = settings(deadline=None, max_examples=5 if numba.config.DISABLE_JIT else 60, derandomize=True)

bags = st.lists(st.lists(st.integers(0, 30) | st.integers(0, 1999), max_size=8), max_size=15)
traces = st.builds(
    lambda dims, calls, weighted, dtype: trace_of(
        [(2000, dim) for dim in dims],
        [(n % len(dims), one) for n, one in enumerate(calls)],
        weights=np.random.default_rng(0) if weighted else None,
        dtypes=[dtype],
    ),
    st.lists(st.sampled_from([8, 16, 32, 56]), min_size=1, max_size=3),
    st.lists(bags, min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(["fp32", "int8_rowwise"]),
)
systems = st.builds(
    lambda channels, dimms, ranks, refresh, ways: system_of(
        channels=channels,
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks,
        refresh=refresh,
        rank_cache=CacheConfig(size_bytes=ways * 512, ways=ways) if ways else None,
    ),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.sampled_from(["off", "simultaneous", "staggered"]),
    st.sampled_from([0, 4]),
)
options = st.builds(
    recnmp.Options,
    poolings_per_packet=st.integers(1, 16),
    delivery=st.sampled_from(["compressed", "ddr_commands"]),
    header_bursts_per_dimm=st.integers(0, 2),
    host_add_ns_per_burst=st.sampled_from([0.0, 500.0]),
)


@few
@given(traces, systems, options)
def test_parts_are_the_whole_and_every_operation_is_paid_once(trace, system, options):
    placed = placed_on(system, trace)
    runs = {
        "host": host.run(trace, placed, system, host.Options()),
        "nmp": recnmp.run(trace, placed, system, options),
    }
    section = energy_section(*runs.values(), trace, system)
    for ledger in (section["recnmp_isca20"], section["idd"]):
        for side in runs:
            total = ledger[side]["total_uj_per_run"]
            parts = {name: uj for name, uj in ledger[side].items() if not name.startswith("total")}
            assert all(name.endswith("_uj_per_run") and uj >= 0 for name, uj in parts.items())
            assert sum(parts.values()) == pytest.approx(total, rel=1e-12)
    for side in runs:
        counted, paid = section["operations"][side], section["recnmp_isca20"][side]
        pj = 2100 * counted["activates_per_run"] + 14 * 512 * counted["column_commands_per_run"]
        pj += sum(22 * n for name, n in counted.items() if name.endswith("_bits_per_run"))
        pj += 50 * (counted["rank_cache_lookups_per_run"] + counted["rank_cache_fills_per_run"])
        adds = ("rank_adds", "dimm_adds", "dequantise_adds")
        pj += 7.89 * sum(counted[f"{name}_per_run"] for name in adds)
        pj += 25.2 * (counted["dequantise_multiplies_per_run"] + counted["weight_multiplies_per_run"])
        assert paid["total_uj_per_run"] == pytest.approx(pj / 1e6, rel=1e-12)


@few
@given(traces, systems, options)
def test_standby_is_of_every_rank_over_the_whole_run(trace, system, options):
    placed = placed_on(system, trace)
    near = recnmp.run(trace, placed, system, options)
    base = host.run(trace, placed, system, host.Options())
    ledger = energy_section(base, near, trace, system)["idd"]
    ranks = system.memory.channels * system.ranks_per_channel
    for side, run in (("host", base), ("nmp", near)):
        active, idle = (
            ledger[side][f"dram_background_{state}_uj_per_run"] * 1e6 / mw
            for state, mw in (("active", 412.8), ("idle", 326.4))
        )
        assert run.ns * ranks <= (active + idle) * (1 + 1e-9)
        assert active + idle <= (run.ns + 1) * ranks  # a clock begun is paid


@few
@given(traces, systems, options)
def test_near_memory_counts_what_must_cross_the_channel(trace, system, options):
    placed = placed_on(system, trace)
    run = recnmp.run(trace, placed, system, options)
    done, rate = run.operations, run.details["cache_hit_rate"]
    hits = round((rate or 0) * placed.bursts)
    assert done.rank_cache_lookups == (placed.bursts if system.cache.rank else 0)
    assert done.rank_cache_lookups - done.rank_cache_fills == hits
    assert done.column_commands == placed.bursts - hits
    dim = np.array([table.dim for table in trace.tables])
    used = np.unique(trace.bag)
    sums = int(dim[trace.bag_table[used]].sum())
    # a tree of n partial sums has n - 1 adds, wherever they are made
    ranks = (placed.channel * system.ranks_per_channel + placed.rank)[placed.first[:-1]]
    parts = np.unique(np.stack([trace.bag.astype(np.int64), ranks]), axis=1)[0]
    partial = int(dim[trace.bag_table[parts]].sum())
    assert done.dimm_adds + done.host_adds == partial - sums
    assert done.rank_adds == int(dim[trace.table].sum())
