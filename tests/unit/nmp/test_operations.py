"""Operations that take energy, counted by hand."""

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of, trace_of

from recnmp.config.schema import CacheConfig
from recnmp.errors import RecnmpError
from recnmp.memory.activity import RankActivity
from recnmp.nmp import axdimm, host, recnmp
from recnmp.nmp.instructions import instructions_of, send
from recnmp.nmp.operations import Operations
from recnmp.nmp.packet import DDR_COMMAND_BITS, packet_of_bags

TABLE = [(1000, 16)]


def done(trace, system, module=recnmp, **options):
    return module.run(trace, placed_on(system, trace), system, module.Options(**options)).operations


def what_is_counted(operations) -> dict[str, int]:
    return {name: count for name, count in operations.counts.items() if count}


def test_a_lookup_near_memory_is_an_instruction_a_header_a_result_and_an_add_of_each_element():
    assert what_is_counted(done(trace_of(TABLE, [(0, [[7]])]), system_of())) == {
        "instruction_bits": 79,
        "configuration_bits": 512,
        "result_bits": 512,
        "rank_adds": 16,
    }


def test_a_lookup_on_the_host_is_its_bursts_over_the_channel_and_adds_that_memory_does_not_pay():
    trace = trace_of([(1000, 40)], [(0, [[7, 800]])])  # 160 B take 192
    assert what_is_counted(done(trace, system_of(), host)) == {
        "data_bits": 2 * 3 * 512,
        "host_adds": 2 * 40,
    }


@pytest.mark.parametrize(
    ("weighted", "dtype", "expected"),
    [
        (True, "fp32", {"weight_multiplies": 48}),
        (False, "int8_rowwise", {"dequantise_multiplies": 48, "dequantise_adds": 48}),
        (
            True,
            "int8_rowwise",
            {"weight_multiplies": 48, "dequantise_multiplies": 48, "dequantise_adds": 48},
        ),
    ],
)
def test_weights_and_scales_are_multiplied_into_each_element(weighted, dtype, expected):
    weights = np.random.default_rng(0) if weighted else None
    trace = trace_of(TABLE, [(0, [[7, 9, 11]])], weights=weights, dtypes=[dtype])
    found = what_is_counted(done(trace, system_of()))
    beyond_sums = ("weight_multiplies", "dequantise_multiplies", "dequantise_adds")
    assert {name: found[name] for name in beyond_sums if name in found} == expected
    assert found["rank_adds"] == 48


def test_sums_of_ranks_meet_in_the_dimm_and_sums_of_dimms_in_the_host():
    trace = trace_of([(4000, 16)], [(0, [list(range(0, 4000, 10))])])  # so many that every rank has some
    one_dimm, two_dimms = (
        done(trace, system_of(dimms_per_channel=dimms, ranks_per_dimm=4 // dimms)) for dimms in (1, 2)
    )
    assert (one_dimm.dimm_adds, one_dimm.host_adds) == (3 * 16, 0)
    assert (two_dimms.dimm_adds, two_dimms.host_adds) == (2 * 16, 16)
    assert (two_dimms.result_bits, two_dimms.configuration_bits) == (2 * 512, 2 * 512)
    channels = done(trace, system_of(channels=4, ranks_per_dimm=1))
    assert (channels.dimm_adds, channels.host_adds, channels.result_bits) == (0, 3 * 16, 4 * 512)


def test_a_miss_looks_up_and_fills_a_hit_only_looks_up_and_a_bypass_does_neither():
    trace = trace_of([(1000, 32)], [(0, [[7, 7, 7, 500]])])  # two bursts each
    cached = system_of(ranks_per_dimm=1, rank_cache=CacheConfig(size_bytes=4096))
    found = done(trace, cached)
    assert (found.rank_cache_lookups, found.rank_cache_fills) == (8, 4)
    hot = done(trace, cached, locality="threshold", locality_threshold=2)
    assert (hot.rank_cache_lookups, hot.rank_cache_fills) == (6, 2)
    without = done(trace, system_of(ranks_per_dimm=1))
    assert (without.rank_cache_lookups, without.rank_cache_fills) == (0, 0)


def test_headers_are_counted_as_they_are_sent():
    trace = trace_of(TABLE, [(0, [[1], [2], [3]])])
    for bursts in (0, 3):
        found = done(trace, system_of(ranks_per_dimm=1), header_bursts_per_dimm=bursts, poolings_per_packet=1)
        assert found.configuration_bits == 3 * bursts * 512


def test_ddr_commands_are_counted_as_delivery_sends_them():
    trace, system = some_trace(4), system_of(channels=2, dimms_per_channel=2)
    placed, (packet, first) = placed_on(system, trace), packet_of_bags(trace, 8)
    sent = send(trace, placed, system, packet, np.arange(len(first)), np.zeros(trace.lookups, bool))
    each = [instructions_of(channel, sent, placed, system, as_ddr_commands=True) for channel in (0, 1)]
    commands = sum(int(one.units.sum()) for one in each)
    assert commands > trace.lookups
    found = done(trace, system, delivery="ddr_commands")
    assert found.instruction_bits == commands * DDR_COMMAND_BITS


def test_axdimm_counts_its_words_registers_dummies_sums_and_polls():
    trace, system = trace_of(TABLE, [(0, [[7, 9]])]), system_of(ranks_per_dimm=1)
    run = axdimm.run(trace, placed_on(system, trace), system, axdimm.Options())
    # enable, a trace of a header and two words, exec; then the same with a dummy of 16 words
    written = (1 + 1 + 1) + (1 + 2 + 1)
    assert what_is_counted(run.operations) == {
        "instruction_bits": 2 * 64,
        "configuration_bits": written * 512 - 2 * 64,
        "result_bits": 512,
        "poll_bits": run.details["polls"] * 512,
        "rank_adds": 32,
    }


@pytest.mark.parametrize("module", [axdimm, host, recnmp])
def test_activity_is_that_of_all_ranks(module):
    trace, system = some_trace(5), system_of(channels=2, dimms_per_channel=2)
    run = module.run(trace, placed_on(system, trace), system, module.Options())
    commands = run.memory["commands"]
    assert sum(len(one.reads) for one in run.operations.activity) == 2 * 4
    assert run.operations.activates == commands["ACT"]
    assert run.operations.column_commands == commands["RD"] + commands["WR"]


def test_a_count_below_zero_is_an_error():
    with pytest.raises(RecnmpError, match="poll_bits below 0"):
        Operations(activity=(), poll_bits=-1)


def test_a_rank_that_is_done_stands_by_with_its_banks_closed():
    ranks = RankActivity(10, *(np.array([n]) for n in (1, 2, 0, 0, 6, 4)))
    longer = ranks.standing_by_until(25)
    assert (longer.cycles, longer.active_cycles.tolist(), longer.idle_cycles.tolist()) == (25, [6], [19])
    assert longer.reads.tolist() == [2]
    with pytest.raises(RecnmpError, match="10 clocks cannot end at clock 9"):
        ranks.standing_by_until(9)
