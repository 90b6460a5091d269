"""RecNMP by hand: single lookups, the bus, buffers, the cache and what cannot be sent."""

import numpy as np
import pytest
from builders import DDR5, placed_on, some_trace, spec_with, system_of, trace_of
from pydantic import ValidationError

from recnmp.config.schema import CacheConfig
from recnmp.errors import ConfigError
from recnmp.nmp import recnmp

TABLE = [(1000, 16)]


def cycles(trace, system, **options) -> int:
    return recnmp.run(trace, placed_on(system, trace), system, recnmp.Options(**options)).memory["cycles"]


def clocks(result, system) -> dict[str, int]:
    buses = system.memory.channels * result.memory["cycles"]
    return {name: round(share * buses) for name, share in result.details["time_share"].items()}


def test_a_single_lookup_takes_header_read_adders_and_result():
    # header nCWL + nBL = 16, received at 17, ACT at 18, RD nRCD = 16 later, data nCL + nBL = 20 later; then 4 stages,
    # the rank's adder and the DIMM's one level of two ranks, nCL to read the result, its burst and one turnaround
    system = system_of(ranks_per_dimm=2)
    ready = 18 + 16 + 20 + 4 + 3 * 2 + 16
    assert cycles(trace_of(TABLE, [(0, [[7]])]), system) == ready + 4 + 2


@pytest.mark.parametrize(
    ("option", "value", "more"),
    [
        ("header_bursts_per_dimm", 3, 8),
        ("pipeline_cycles", 14, 10),
        ("adder_cycles", 8, 10),
        ("instructions_per_burst", 1, 3),
        ("multiplier_cycles", 9, 0),  # nothing is weighted
        ("rank_cache_cycles", 9, 0),  # no cache
        ("reorder_window", 1, 0),  # nothing to reorder
    ],
)
def test_each_latency_shows_once_in_a_single_lookup(option, value, more):
    trace, system = trace_of(TABLE, [(0, [[7]])]), system_of(ranks_per_dimm=2)
    assert cycles(trace, system, **{option: value}) - cycles(trace, system) == more


@pytest.mark.parametrize(
    ("weighted", "dtype", "multipliers", "adders"),
    [
        (False, "fp32", 0, 0),
        (True, "fp32", 1, 0),
        (False, "int8_rowwise", 1, 1),
        (True, "int8_rowwise", 2, 1),
    ],
)
def test_weights_and_scales_take_the_multiplier_and_biases_the_adder(weighted, dtype, multipliers, adders):
    weights = np.random.default_rng(0) if weighted else None
    system = system_of(ranks_per_dimm=2)
    plain = cycles(trace_of(TABLE, [(0, [[7]])]), system)
    trace = trace_of(TABLE, [(0, [[7]])], weights=weights, dtypes=[dtype])
    assert cycles(trace, system) - plain == 4 * multipliers + 3 * adders


def test_a_table_that_no_call_reads_changes_no_latency():
    tables, dtypes = [(1000, 16), (1000, 16)], ["fp32", "int8_rowwise"]
    system = system_of(ranks_per_dimm=2)
    plain = cycles(trace_of(tables, [(0, [[7]])]), system)
    assert cycles(trace_of(tables, [(0, [[7]])], dtypes=dtypes), system) == plain


def test_8_bit_entries_are_read_in_fewer_bursts_but_their_sums_return_as_fp32():
    system = system_of(dimms_per_channel=2, ranks_per_dimm=1)
    calls = [(0, [list(range(0, 4000, 50))] * 3)]
    fp32, int8 = (trace_of([(4000, 56)], calls, dtypes=[dtype]) for dtype in ("fp32", "int8_rowwise"))
    runs = [recnmp.run(t, placed_on(system, t), system, recnmp.Options()) for t in (fp32, int8)]
    assert [run.memory["commands"]["RD"] for run in runs] == [3 * 80 * 4, 3 * 80]  # of 224 B and 64 B
    # 3 bags of 2 partial sums of 4 bursts of 4 clocks, and a turnaround for each DIMM
    assert [clocks(run, system)["return"] for run in runs] == [3 * 2 * 4 * 4 + 2 * 2] * 2
    assert [run.details["host_add_ns"] for run in runs] == [3 * 4] * 2


def test_small_entries_of_one_burst_share_a_line_of_the_rank_cache():
    system = system_of(rank_cache=CacheConfig(size_bytes=4096, ways=4))
    trace = trace_of([(1000, 4)], [(0, [[4, 5, 6, 7]])])  # 16 B each
    result = recnmp.run(trace, placed_on(system, trace), system, recnmp.Options())
    assert result.memory["commands"]["RD"] == 1
    assert result.details["cache_hit_rate"] == 0.75


@pytest.mark.parametrize(("ranks", "levels"), [(1, 0), (2, 1), (4, 2), (8, 3)])
def test_the_adder_tree_has_a_level_for_every_doubling_of_ranks(ranks, levels):
    trace = trace_of(TABLE, [(0, [[7]])])
    one = cycles(trace, system_of(ranks_per_dimm=1))
    assert cycles(trace, system_of(ranks_per_dimm=ranks)) == one + 3 * levels


def test_a_cached_entry_is_not_read_again():
    system = system_of(rank_cache=CacheConfig(size_bytes=4096, ways=4))
    trace = trace_of(TABLE, [(0, [[7, 7, 7, 7]])])
    result = recnmp.run(trace, placed_on(system, trace), system, recnmp.Options())
    assert result.memory["commands"]["RD"] == 1
    assert result.details["cache_hit_rate"] == 0.75


def test_cached_lookups_are_delivered_at_the_rate_of_the_bus():
    system = system_of(rank_cache=CacheConfig(size_bytes=4096, ways=4), ranks_per_dimm=1)
    trace = trace_of(TABLE, [(0, [[7] * 800])])
    result = recnmp.run(trace, placed_on(system, trace), system, recnmp.Options())
    assert clocks(result, system)["delivery"] == 12 + 4 + 800 * 4 // 8
    assert result.memory["cycles"] == 12 + 4 + 400 + 1 + 4 + 3 + 16 + 4 + 2


def test_a_vector_for_every_bag_and_dimm_is_read_back():
    system = system_of(dimms_per_channel=2, ranks_per_dimm=1)
    trace = trace_of([(4000, 64)], [(0, [list(range(0, 4000, 50))] * 3 + [[]])])
    placed = placed_on(system, trace)
    assert set(placed.rank.tolist()) == {0, 1}
    result = recnmp.run(trace, placed, system, recnmp.Options())
    # 3 bags of 2 partial sums of 4 bursts of 4 clocks, and a turnaround for each DIMM
    assert clocks(result, system)["return"] == 3 * 2 * 4 * 4 + 2 * 2
    assert result.details["host_add_ns"] == 3 * 4  # of the second DIMM's


def test_delivery_waits_for_a_buffer_and_more_buffers_wait_less():
    # every packet reads rows of one bank, far slower than packets are sent
    trace = trace_of(TABLE, [(0, [[k * 64 % 1000] * 2 for k in range(16)])])
    system = system_of(ranks_per_dimm=1, refresh="off")
    took = [cycles(trace, system, poolings_per_packet=1, packets_in_flight=n) for n in (1, 2, 64)]
    assert took[0] > took[1] > took[2]


def test_a_wider_window_finds_more_open_rows():
    system = system_of(ranks_per_dimm=1, refresh="off")
    pages = range(0, 6400, 64)
    at = placed_on(system, trace_of([(6400, 16)], [(0, [list(pages)])]))
    there = np.flatnonzero(at.flat_bank == at.flat_bank[0])[:2]
    assert at.row[there[0]] != at.row[there[1]]
    # two rows of one bank in turn: in order every read is a conflict
    trace = trace_of([(6400, 16)], [(0, [[pages[there[n % 2]] + n // 2 for n in range(64)]])])
    placed = placed_on(system, trace)
    runs = [
        recnmp.run(trace, placed, system, recnmp.Options(reorder_window=window)).memory for window in (1, 32)
    ]
    assert runs[0]["row_conflicts"] == 63
    assert runs[1]["row_hits"] > runs[0]["row_hits"]
    assert runs[1]["cycles"] < runs[0]["cycles"]


def test_staggered_ranks_refresh_one_after_the_other():
    spec = spec_with(nREFI=800, nRFC=90)
    system = system_of(spec=spec, dimms_per_channel=2, refresh="staggered", audit=True)
    trace = trace_of([(100_000, 16)], [(0, [list(range(0, 100_000, 100))] * 2)])
    result = recnmp.run(trace, placed_on(system, trace), system, recnmp.Options())
    first = [int(log.cycle[log.command == 4][0]) for _, log in result.commands]
    assert first == sorted(first)
    for rank, cycle in enumerate(first):
        assert 0 <= cycle - 200 * (rank + 1) < 150  # due, and what had to be closed before


@pytest.mark.parametrize("lookups", [1000, 5])
def test_every_set_of_banks_of_every_rank_is_refreshed_in_time(lookups):
    # with few lookups most ranks have nothing to do, and are refreshed all the same
    spec = spec_with(DDR5, nREFI2=2000)
    system = system_of(spec=spec, dimms_per_channel=2, refresh="same_bank", audit=True)
    trace = trace_of([(100_000, 16)], [(0, [list(range(0, 100 * lookups, 100))] * 2)] * 4)
    result = recnmp.run(trace, placed_on(system, trace), system, recnmp.Options())
    assert result.audit(system) > lookups
    interval, ranks, end = spec.same_bank_interval, 4, result.memory["cycles"]
    due = [max(0, (end - (rank + 1) * (interval // ranks)) // interval + 1) for rank in range(ranks)]
    # one that is due in the very end may still wait for its set
    assert 0 <= sum(due) - result.memory["commands"]["REFsb"] <= (ranks if lookups > 5 else 0)
    assert result.memory["commands"]["REF"] == result.memory["commands"]["PREA"] == 0


@pytest.mark.parametrize(
    ("mapping", "over"),
    [
        ("RoBaBgChCoRa", "ranks"),
        ("RoBaBgRaCoCh", "channels"),
        ("RoBaRaChCoBgCo1", "banks"),
        ("ChRaBaBgCoRo", "rows"),
    ],
)
def test_a_mapping_that_spreads_an_entry_is_an_error(mapping, over):
    system = system_of(mapping=mapping, channels=2)
    trace = some_trace(dims=(64,))
    with pytest.raises(ConfigError, match=f"{mapping} spreads an entry over {over}"):
        cycles(trace, system)


def test_a_mapping_may_spread_neighbouring_entries():
    assert cycles(some_trace(dims=(16,)), system_of(mapping="RoBaBgCoChRa", channels=2)) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"poolings_per_packet": 17},
        {"poolings_per_packet": 0},
        {"reorder_window": 0},
        {"packets_in_flight": 0},
        {"instructions_per_burst": 0},
        {"adder_cycles": -1},
        {"pipeline_cycles": 1.5},
        {"host_add_ns_per_burst": -1.0},
        {"speed": 2},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        recnmp.Options(**wrong)
