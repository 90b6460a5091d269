"""AxDIMM by hand: words, packing, a single lookup clock by clock, the protocol, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from builders import placed_on, some_trace, spec_with, system_of, trace_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recnmp.config.schema import CacheConfig
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import load_standard
from recnmp.nmp import axdimm, functional
from recnmp.nmp.axdimm._kernels import accumulate
from recnmp.nmp.axdimm.executions import pack
from recnmp.nmp.axdimm.instruction import FIELDS, INSTRUCTION_BITS, decode, encode, header, vector_bytes

TABLE = [(1000, 16)]
QUIET = {"poll_interval_ns": 0.0, "driver_ns": 0.0}


def run(trace, system=None, placement=None, **options):
    system = system or system_of(ranks_per_dimm=2)
    placed = placed_on(system, trace, **(placement or {}))
    return axdimm.run(trace, placed, system, axdimm.Options(**options))


def packed(trace, words=32768, psum_slots=2048, column_wise=True):
    home = np.zeros(trace.lookups, np.int64)
    return pack(trace, home, words=words, psum_slots=psum_slots, column_wise=column_wise)


# instructions


def test_an_instruction_has_64_bits_at_the_documented_places():
    assert INSTRUCTION_BITS == 64
    places = {"opcode": 62, "local": 61, "output": 49, "trace_end": 48, "unused": 31, "row": 14}
    places |= {"bank_group": 12, "bank": 10, "column": 0}
    for name, at in places.items():
        one = {"row": np.zeros(1, np.int64)} | {name: np.ones(1, np.int64)}
        assert encode(one).tolist() == [1 << at], name


@given(st.tuples(*(st.integers(0, (1 << bits) - 1) for _, bits in FIELDS)))
def test_decoding_undoes_encoding(values):
    fields = {name: np.array([value]) for (name, _), value in zip(FIELDS, values, strict=True)}
    found = decode(encode(fields))
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in fields.items()
    }


@pytest.mark.parametrize(("name", "bits"), FIELDS)
def test_a_value_that_does_not_fit_its_field_is_an_error(name, bits):
    with pytest.raises(ConfigError, match=f"{name} {1 << bits} does not fit {bits} bits"):
        encode({"row": np.zeros(1, np.int64)} | {name: np.array([1 << bits])})


def test_the_header_tells_64_128_and_256_bytes():
    assert [header(64 << mode) for mode in range(3)] == [0, 1, 2]
    assert [vector_bytes(mode) for mode in range(3)] == [64, 128, 256]
    with pytest.raises(ConfigError, match="not of 512 B"):
        header(512)


# packing


def test_within_a_table_lookup_0_of_every_bag_comes_first():
    trace = trace_of(TABLE, [(0, [[0, 1, 2], [3], [4, 5]]), (0, [[6, 7], [8]])])
    assert packed(trace).lookup.tolist() == [0, 3, 4, 1, 5, 2, 6, 8, 7]
    assert packed(trace).slots.tolist() == [0, 1, 2, 0, 2, 0, 3, 4, 3]
    assert packed(trace, column_wise=False).lookup.tolist() == list(range(9))


def test_a_table_is_split_where_the_instruction_buffer_would_overflow():
    trace = trace_of(TABLE, [(0, [[0, 1, 2], [3, 4], [5], [6, 7, 8, 9]])])
    # a header and five instructions; the third bag would be the sixth
    each = packed(trace, words=6)
    assert each.instructions.tolist() == [5, 5]
    assert np.diff(each.first_bag).tolist() == [2, 2]
    assert packed(trace, words=11).instructions.tolist() == [10]
    assert packed(trace, words=10).instructions.tolist() == [6, 4]


def test_a_table_is_split_where_the_psum_buffer_would_overflow():
    trace = trace_of([(50, 32)], [(0, [[0], [1], [2], [3], [4]])])
    assert packed(trace, psum_slots=5).instructions.tolist() == [2, 2, 1]  # two slots to a sum
    assert packed(trace, psum_slots=10).instructions.tolist() == [5]


def test_an_execution_holds_one_batch_and_one_size_of_entry():
    tables, calls = [(50, 16), (50, 16), (50, 32)], [(t, [[1], [2]]) for t in range(3)]
    each = packed(trace_of(tables, calls * 2, per_batch=3))
    assert each.bursts.tolist() == [1, 2, 1, 2]
    assert each.batch.tolist() == [0, 0, 1, 1]
    assert each.instructions.tolist() == [4, 2, 4, 2]


def test_a_bag_that_no_buffer_holds_is_an_error():
    with pytest.raises(ConfigError, match=r"a bag of 6 lookups .* does not fit"):
        packed(trace_of(TABLE, [(0, [[0, 1, 2, 3, 4, 5]])]), words=6)


def test_a_trace_is_written_eight_words_to_a_burst_with_its_header():
    for lookups, bursts in ((1, 1), (7, 1), (8, 2), (15, 2), (16, 3)):
        assert packed(trace_of(TABLE, [(0, [list(range(lookups))])])).trace_bursts.tolist() == [bursts]


# time


def test_a_single_lookup_clock_by_clock():
    # enable and trace: nCWL + 2 nBL = 20; exec: nCWL + nBL, at 36; ACT 37, RD 53, last beat 73, sum 76
    # polls that answer every nCL + nBL = 20 are sampled at 36, 56 and 76, the last answered at 96
    # enable and dummy of two bursts: 12 + 12, exec: 16, at 136; the sum's burst: 16 + 4
    result = run(trace_of(TABLE, [(0, [[7]])]), **QUIET)
    assert result.memory["cycles"] == 156
    assert result.details["polls"] == 3


@pytest.mark.parametrize(
    ("option", "value", "more"),
    [
        ("dummy_words", 17, 4),  # a burst more
        ("driver_ns", 10 * 0.833, 20),  # of the trace and of the dummy
        ("adder_cycles", 4, 20),  # the third poll comes too early
        ("poll_interval_ns", 20 * 0.833, 20),  # sampled at 56 and 96 instead of 76, and so answered at 116
        ("clocks_per_instruction", 9, 0),
        ("read_queue", 1, 0),
        ("instruction_buffers", 2, 0),
        ("issue", "row", 0),
    ],
)
def test_what_an_option_costs_a_single_lookup(option, value, more):
    trace = trace_of(TABLE, [(0, [[7]])])
    assert run(trace, **QUIET | {option: value}).memory["cycles"] == 156 + more


def test_sums_of_one_slot_wait_for_the_adder_and_column_wise_issue_hides_it():
    trace = trace_of([(4000, 16)], [(0, [[7 * b + k for k in range(8)] for b in range(8)])])
    stalls = {
        issue: run(trace, issue=issue, adder_cycles=30).details["adder_stall_cycles"]
        for issue in ("column", "row")
    }
    assert stalls["row"] > stalls["column"]
    assert run(trace, issue="row", adder_cycles=1).details["adder_stall_cycles"] == 0


def test_the_accumulator_adds_a_burst_a_clock_and_waits_for_its_slot():
    at = np.zeros(5, np.int64)
    arrived, slot = np.array([10, 10, 11, 20, 21]), np.array([0, 1, 0, 2, 2])
    assert accumulate(arrived, slot, 5, np.zeros(3, np.int64), at) == 30
    assert at.tolist() == [10, 11, 15, 20, 25]


def test_ranks_work_side_by_side_when_every_one_has_every_table():
    trace = trace_of([(4000, 16)], [(0, [[(97 * b + k) % 4000 for k in range(20)] for b in range(40)])])
    times = {
        ranks: run(trace, system_of(ranks_per_dimm=ranks), instruction_buffer_words=101).ns
        for ranks in (1, 2, 4)
    }
    assert times[1] > 1.7 * times[2] > 1.7 * 1.5 * times[4]


def test_a_second_instruction_buffer_hides_writing_the_trace():
    trace = trace_of([(4000, 16)], [(0, [[(97 * b + k) % 4000 for k in range(20)] for b in range(40)])])
    one, two = (
        run(trace, instruction_buffer_words=101, instruction_buffers=n, policy="single", **QUIET)
        for n in (1, 2)
    )
    assert two.ns < one.ns
    assert two.details["trace_bursts"] == one.details["trace_bursts"]


def test_a_batch_is_closed_before_the_next_one_starts_unless_the_trace_is_one_stream():
    trace = some_trace(3, dims=(16,), per_batch=2)
    batch, stream = (run(trace, close_stream=when) for when in ("batch", "trace"))
    assert stream.ns < batch.ns
    assert stream.details["psum_bursts"] == batch.details["psum_bursts"]


# where tables are


def test_policies_put_tables_into_every_rank_one_rank_or_the_rank_of_their_colour():
    trace = some_trace(3)
    table_bytes = sum(t.entries * t.entry_bytes for t in trace.tables)
    replicate = run(trace)
    assert (replicate.details["table_copies"], replicate.details["extra_table_bytes"]) == (2, table_bytes)
    assert set(replicate.packets.unit.tolist()) == {0, 1}
    single = run(trace, policy="single")
    assert (single.details["table_copies"], single.details["extra_table_bytes"]) == (1, 0)
    assert set(single.packets.unit.tolist()) == {0}
    dealt = run(trace, placement={"pages": "coloured"}, policy="distribute")
    table = trace.table[dealt.packets.executions.lookup[dealt.packets.executions.start[:-1]]]
    assert dealt.packets.unit.tolist() == (table % 2).tolist()


@pytest.mark.parametrize("placement", [{}, {"pages": "coloured", "colours": "page_interleaved"}])
def test_distribute_needs_every_table_in_one_rank(placement):
    with pytest.raises(
        ConfigError, match=r"policy distribute needs every table in one rank: placement.pages col"
    ):
        run(some_trace(3), placement=placement, policy="distribute")


def test_tables_that_a_rank_cannot_hold_are_refused():
    with pytest.raises(ConfigError, match="pages of 4096 B"):
        run(trace_of([(1 << 27, 16), (1 << 27, 16)], [(0, [[1]])]))


# vectors


@pytest.mark.parametrize("policy", ["replicate", "distribute", "single"])
@pytest.mark.parametrize("mapping", ["RoBaBgRaChCo", "permuted_banks", "RoRaChBaBgCo"])
@pytest.mark.parametrize("words", [20, 32768])
def test_sums_are_bit_exact_wherever_tables_are(policy, mapping, words):
    trace = some_trace(2, per_batch=2)
    system = system_of(mapping=mapping, channels=2, dimms_per_channel=2)
    placed = placed_on(system, trace, pages="coloured")
    options = axdimm.Options(policy=policy, instruction_buffer_words=words, psum_slots=8)
    result = axdimm.run(trace, placed, system, options)
    assert functional.check("on", trace, placed, result, system)["bit_exact"]


def test_later_batches_keep_their_bags_and_empty_bags_are_zero():
    trace = trace_of([(20, 16)], [(0, [[], [3, 3], []]), (0, [[], []]), (0, [[7], []])], per_batch=1)
    for part in (trace, trace.select(1), trace.select(2)):
        system = system_of()
        placed = placed_on(system, part)
        result = axdimm.run(part, placed, system, axdimm.Options())
        assert functional.check("on", part, placed, result, system)["bit_exact"]


USED = [(name, bit) for name, bits in FIELDS for bit in range(bits) if name not in ("local", "unused")]


@pytest.mark.parametrize(("name", "bit"), USED)
def test_every_flipped_bit_that_means_something_is_caught(name, bit):
    trace, system = some_trace(6), system_of(ranks_per_dimm=2)
    placed = placed_on(system, trace)
    program = axdimm.run(trace, placed, system, axdimm.Options()).packets
    for n in np.random.default_rng(1).integers(0, trace.lookups, 3):
        fields = decode(program.words)
        fields[name][n] ^= 1 << bit
        with pytest.raises(RecnmpError, match="functional check"):
            functional.compare(trace, placed, replace(program, words=encode(fields)), system)


def test_an_execution_said_to_have_run_elsewhere_is_caught():
    trace, system = some_trace(6), system_of(ranks_per_dimm=2)
    placed = placed_on(system, trace)
    program = axdimm.run(trace, placed, system, axdimm.Options()).packets
    with pytest.raises(RecnmpError, match="functional check"):
        functional.compare(trace, placed, replace(program, unit=1 - program.unit), system)


# what is refused


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        (some_trace(1, pooling="mean"), "pools by sum only; the trace pools by mean"),
        (some_trace(1, weights=np.random.default_rng(0)), "its instruction has no weight"),
        (some_trace(1, dtypes=["int8_rowwise"]), "sums FP32; table 'table0' holds int8_rowwise"),
        (some_trace(1, dims=(8,)), "an entry has 64, 128, 256 B, that of table 'table0' 32 B"),
        (some_trace(1, dims=(48,)), "that of table 'table0' 192 B"),
        (some_trace(1, dims=(128,)), "that of table 'table0' 512 B"),
    ],
)
def test_what_an_instruction_cannot_say_is_refused(trace, message):
    with pytest.raises(ConfigError, match=message):
        run(trace)


def test_there_is_no_rank_cache():
    cache = CacheConfig(size_bytes=4096, ways=4)
    with pytest.raises(ConfigError, match=r"cache.rank: AxDIMM has no RankCache"):
        run(some_trace(1), system_of(rank_cache=cache))


def test_copies_of_hot_entries_are_refused():
    with pytest.raises(ConfigError, match=r"copies whole tables, with nmp.options.policy replicate"):
        run(some_trace(1), placement={"replicate": {"entries": 5}})


def test_ranks_that_an_instruction_cannot_address_are_refused():
    with pytest.raises(ConfigError, match=r"2 bits of bank_group, DDR5.* has 8 bank_groups"):
        run(some_trace(1), system_of(spec=load_standard("ddr5_4800")))


def test_a_mapping_that_spreads_an_entry_over_banks_is_refused():
    with pytest.raises(ConfigError, match="spreads an entry over values of flat_bank"):
        run(some_trace(1), system_of(mapping="RoCoRaBgBaCh"))


@pytest.mark.parametrize(
    "options",
    [
        {"policy": "auto"},
        {"instruction_buffers": 3},
        {"psum_slots": 4097},  # 12 bits
        {"psum_slots": 0},
        {"instruction_buffer_words": 1},
        {"poll_interval_ns": -1.0},
        {"adder_cycles": 0},
        {"close_stream": "never"},
    ],
)
def test_options_that_no_hardware_has_are_refused(options):
    with pytest.raises(ValidationError):
        axdimm.Options(**options)


def test_refreshes_go_on_while_units_wait():
    system = system_of(spec=spec_with(nREFI=500, nRFC=90), ranks_per_dimm=2)
    trace = some_trace(3, per_batch=1)
    result = run(trace, system, driver_ns=5000.0)
    # nothing is counted behind a unit's last read, and six batches take turns
    assert 0 < result.memory["commands"]["REF"] <= 2 * result.memory["cycles"] // 500
