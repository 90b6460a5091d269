"""Instructions of 79 bits, and packets of bags of one call."""

import numpy as np
import pytest
from builders import some_trace, trace_of

from recnmp.errors import ConfigError
from recnmp.nmp.packet import (
    ACT_FLAG,
    FIELDS,
    INSTRUCTION_BITS,
    MAX_POOLINGS,
    OPCODES,
    PRE_FLAG,
    RD_FLAG,
    ddr_flags,
    decode,
    encode,
    opcodes,
    packet_of_bags,
)

WIDTHS = dict(FIELDS)


def fields_of(**given: list[int]) -> dict[str, np.ndarray]:
    n = len(next(iter(given.values())))
    return {name: np.array(given.get(name, [0] * n), np.uint64) for name in WIDTHS}


def as_number(word: np.ndarray) -> int:
    return int(word[1]) << 64 | int(word[0])


def test_the_fields_fill_79_bits_and_a_tag_counts_the_poolings():
    assert INSTRUCTION_BITS == 79
    assert 1 << WIDTHS["psum_tag"] == MAX_POOLINGS


def test_all_ones_is_the_largest_number_of_79_bits():
    words = encode(fields_of(**{name: [(1 << bits) - 1] for name, bits in FIELDS}))
    assert as_number(words[0]) == (1 << 79) - 1


def test_each_field_alone_takes_its_own_bits():
    taken = [as_number(encode(fields_of(**{name: [(1 << bits) - 1]}))[0]) for name, bits in FIELDS]
    assert [number.bit_count() for number in taken] == list(WIDTHS.values())
    assert sum(taken) == (1 << 79) - 1  # so no two of them overlap
    assert taken == sorted(taken, reverse=True)


def test_decoding_gives_back_what_was_encoded():
    rng = np.random.default_rng(0)
    fields = {
        name: np.concatenate([[0, (1 << bits) - 1, 1 << (bits - 1)], rng.integers(0, 1 << bits, 500)]).astype(
            np.uint64
        )
        for name, bits in FIELDS
    }
    for values in fields.values():
        rng.shuffle(values)
    decoded = decode(encode(fields))
    assert decoded.keys() == fields.keys()
    for name, values in fields.items():
        np.testing.assert_array_equal(decoded[name], values)


def test_nothing_to_encode_is_no_instruction():
    assert encode(fields_of(opcode=[])).shape == (0, 2)
    assert all(len(values) == 0 for values in decode(np.zeros((0, 2), np.uint64)).values())


@pytest.mark.parametrize(("name", "bits"), FIELDS)
def test_a_value_too_large_for_its_field_is_an_error(name, bits):
    with pytest.raises(ConfigError, match=f"{name} {1 << bits} does not fit {bits} bits"):
        encode(fields_of(**{name: [0, 1 << bits]}))


@pytest.mark.parametrize("poolings", [1, 3, 16])
def test_packets_take_bags_of_one_call_in_order(poolings):
    trace = some_trace(3, per_batch=2).select(1)  # bags do not start at 0
    packet, first_bag = packet_of_bags(trace, poolings)
    expected, firsts = [], []
    for start, bags in zip(trace.calls.first_bag, trace.calls.bags, strict=True):
        for k in range(bags):
            if k % poolings == 0:
                firsts.append(start + k)
            expected.append(len(firsts) - 1)
    np.testing.assert_array_equal(packet, expected)
    np.testing.assert_array_equal(first_bag, firsts)


def test_a_call_without_bags_makes_no_packet():
    trace = trace_of([(9, 16)], [(0, [[1]]), (0, []), (0, [[2], []])])
    packet, first_bag = packet_of_bags(trace, 2)
    assert (packet.tolist(), first_bag.tolist()) == ([0, 1, 1], [0, 1])


@pytest.mark.parametrize("seed", range(5))
def test_ddr_flags_are_those_of_a_bank_by_bank_walk(seed):
    rng = np.random.default_rng(seed)
    bank, row = rng.integers(0, 4, 200), rng.integers(0, 3, 200)
    open_rows: dict[int, int] = {}
    expected = []
    for b, r in zip(bank.tolist(), row.tolist(), strict=True):
        flags = RD_FLAG
        if open_rows.get(b) != r:
            flags |= ACT_FLAG | (PRE_FLAG if b in open_rows else 0)
        open_rows[b] = r
        expected.append(flags)
    np.testing.assert_array_equal(ddr_flags(bank, row), expected)


def test_no_instruction_needs_no_ddr_command():
    assert len(ddr_flags(np.zeros(0, np.int64), np.zeros(0, np.int64))) == 0


@pytest.mark.parametrize(
    ("pooling", "weighted", "opcode"),
    [("sum", False, 0), ("mean", False, 1), ("sum", True, 2), ("mean", True, 3)],
)
def test_the_opcode_names_pooling_weights_and_type(pooling, weighted, opcode):
    weights = np.random.default_rng(0) if weighted else None
    trace = some_trace(pooling=pooling, weights=weights)
    assert set(opcodes(trace).tolist()) == {opcode}
    assert set(opcodes(trace.stored_as("int8_rowwise")).tolist()) == {opcode + 4}
    kind = "weighted_" * weighted + pooling
    assert (OPCODES[kind], OPCODES[f"int8_{kind}"]) == (opcode, opcode + 4)


def test_a_run_may_read_tables_of_both_types():
    trace = some_trace(dims=(16, 32), dtypes=("fp32", "int8_rowwise"))
    np.testing.assert_array_equal(opcodes(trace), 4 * trace.calls.table)


def test_every_opcode_fits_its_field():
    assert sorted(OPCODES.values()) == list(range(8))
    assert max(OPCODES.values()) < 1 << WIDTHS["opcode"]


def test_a_pooling_that_only_the_host_does_is_an_error():
    with pytest.raises(ConfigError, match="trace pools by max"):
        opcodes(some_trace(pooling="max"))


def test_entries_that_are_not_pooled_are_sums_of_one():
    assert not opcodes(some_trace(pooling="none")).any()
