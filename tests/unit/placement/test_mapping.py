"""Address mappings: names read, bits split and joined again."""

import numpy as np
import pytest

from recnmp.config.schema import MemoryConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.placement.mapping import FIELDS, hashed, parse_mapping
from recnmp.placement.place import make_mapping

SIZES = {"Ro": 16, "Ba": 4, "Bg": 4, "Ra": 8, "Co": 128, "Ch": 2}
NAMES = [
    "RoBaBgRaChCo",
    "RoBaBgRaCoCh",
    "ChRaBaBgCoRo",
    "RoBaRaChCoBgCo1",
    "RoCoBaBgRaChCo2",
    "Ro3BaRaRoBg1CoBgChCo2",
    "RoBaBgRaChCoCo0",
]


@pytest.mark.parametrize("name", NAMES)
def test_decoding_every_address_and_encoding_it_again_changes_nothing(name):
    mapping = parse_mapping(name, SIZES)
    burst = np.arange(1 << mapping.bits)
    fields = mapping.decode(burst)
    assert fields.keys() == set(FIELDS)
    for field, values in fields.items():
        np.testing.assert_array_equal(np.unique(values), np.arange(SIZES[field]))
    np.testing.assert_array_equal(mapping.encode(fields), burst)


@pytest.mark.parametrize("name", NAMES)
def test_a_field_changes_with_its_own_bits_alone(name):
    mapping = parse_mapping(name, SIZES)
    for field in FIELDS:
        positions = mapping.positions(field)
        assert 1 << len(positions) == SIZES[field]
        for bit in range(mapping.bits):
            value = int(mapping.decode(np.array([1 << bit]))[field][0])
            assert value == (1 << positions.index(bit) if bit in positions else 0)


def test_fields_are_named_from_the_most_significant_bit_down():
    mapping = parse_mapping("RoBaBgRaChCo", SIZES)
    assert mapping.positions("Co") == list(range(7))
    assert mapping.positions("Ch") == [7]
    assert mapping.positions("Ra", "Ch") == [7, 8, 9, 10]
    assert mapping.positions("Ro")[-1] == mapping.bits - 1 == 18


def test_a_split_field_takes_its_low_bits_from_the_low_piece():
    mapping = parse_mapping("RoBaRaChCoBgCo1", SIZES)
    assert mapping.positions("Co") == [0, 3, 4, 5, 6, 7, 8]
    assert mapping.positions("Bg") == [1, 2]


def test_a_field_of_one_value_takes_no_bit():
    mapping = parse_mapping("RoBaBgRaChCo", SIZES | {"Ch": 1, "Ra": 1})
    assert mapping.bits == 4 + 2 + 2 + 7
    assert mapping.positions("Ch", "Ra") == []
    assert not mapping.decode(np.array([(1 << 15) - 1]))["Ra"].any()


def test_a_field_of_one_value_need_not_be_named():
    short = parse_mapping("RoBaBgCo", SIZES | {"Ch": 1, "Ra": 1})
    assert short.pieces == tuple(
        piece
        for piece in parse_mapping("RoBaBgRaCoCh", SIZES | {"Ch": 1, "Ra": 1}).pieces
        if piece[0] not in ("Ch", "Ra")
    )
    with pytest.raises(ConfigError, match="must name Ra exactly once"):
        parse_mapping("RoBaBgCo", SIZES | {"Ch": 1})
    with pytest.raises(ConfigError, match="must name Ra exactly once"):
        parse_mapping("RoBaBgRaRaCo", SIZES | {"Ch": 1, "Ra": 1})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is not a list of Ro, Ba, Bg, Ra, Co, Ch"),
        ("robabgrachco", "is not a list of"),
        ("RoBaBgRaChCo ", "is not a list of"),
        ("RoBaBgRaChCo-1", "is not a list of"),
        ("1RoBaBgRaChCo", "is not a list of"),
        ("RoBaBgRaCh", "must name Co exactly once"),
        ("RoBaBgRaChCo2", "must name Co exactly once"),
        ("RoBaBgRaChCoBg", "must name Bg exactly once"),
        ("RoBaBgRaChCoXy", "Xy is not one of"),
        ("RoBaBgRaChCoXy2", "Xy is not one of"),
        ("RoBaBgRaChCoCo8", "takes 8 bits of Co, which has 7"),
        ("RoBaBgRaChCoRa2Ra2", "takes 4 bits of Ra, which has 3"),
    ],
)
def test_a_name_that_cannot_be_meant_is_an_error(name, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_mapping(name, SIZES)
    assert repr(name) in str(caught.value)


def test_a_hashed_bit_is_its_own_bit_xor_the_bits_named():
    plain = parse_mapping("RoBaBgRaChCo", SIZES)
    mapping = hashed(plain, "mine", {"Bg1": ["Ro0", "Co6", "Bg0"], "Ra2": ["Ro3"]})
    assert mapping.name == "mine"
    burst = np.arange(1 << mapping.bits)
    before, after = plain.decode(burst), mapping.decode(burst)
    odd = (before["Ro"] ^ before["Co"] >> 6 ^ before["Bg"]) & 1
    np.testing.assert_array_equal(after["Bg"], before["Bg"] ^ odd << 1)
    np.testing.assert_array_equal(after["Ra"], before["Ra"] ^ (before["Ro"] >> 3 & 1) << 2)
    for field in ("Ro", "Ba", "Co", "Ch"):
        np.testing.assert_array_equal(after[field], before[field])


def test_bits_are_read_as_the_order_has_them_in_whatever_sequence_they_are_listed():
    plain = parse_mapping("RoBaBgRaChCo", SIZES)
    rules = {"Ch0": ["Bg0", "Ra1"], "Bg0": ["Ra1", "Ro0"], "Ra1": ["Ro2"]}
    burst = np.arange(1 << plain.bits)
    before = plain.decode(burst)
    for xor in (rules, dict(reversed(rules.items()))):
        mapping = hashed(plain, "mine", xor)
        after = mapping.decode(burst)
        np.testing.assert_array_equal(after["Ch"], before["Ch"] ^ (before["Bg"] ^ before["Ra"] >> 1) & 1)
        np.testing.assert_array_equal(after["Bg"], before["Bg"] ^ (before["Ra"] >> 1 ^ before["Ro"]) & 1)
        np.testing.assert_array_equal(mapping.encode(after), burst)


def test_bits_that_the_memory_does_not_have_are_not_hashed():
    small = parse_mapping("RoBaBgRaChCo", SIZES | {"Ch": 1})
    assert hashed(small, "mine", {"Ch0": ["Ro0"], "Bg7": ["Ro1"]}).hashes == ()


@pytest.mark.parametrize(
    ("xor", "message"),
    [
        ({"Bg0": ["Ro9"]}, "'mine': the xor of Bg0 reads Ro9, but Ro has 4 bits here"),
        ({"Bg0": ["Bg0"]}, "'mine': xor in a circle: Bg0 by Bg0"),
        ({"Bg0": ["Ro0", "Ba0"], "Ba0": ["Bg0"]}, "xor in a circle: (Bg0 by Ba0 by Bg0|Ba0 by Bg0 by Ba0)"),
    ],
)
def test_hashing_that_cannot_be_meant_is_an_error(xor, message):
    with pytest.raises(ConfigError, match=message):
        hashed(parse_mapping("RoBaBgRaChCo", SIZES), "mine", xor)


def test_skylake_like_has_the_published_functions_of_address_bits():
    memory = MemoryConfig(channels=2, ranks_per_dimm=2, mapping="skylake_like")
    mapping = make_mapping(memory, load_standard("ddr4_2400"))
    address = np.random.default_rng(3).integers(0, 1 << mapping.bits + 6, 5000)
    found = mapping.decode(address >> 6)
    functions = {
        ("Ch", 0): (8, 9, 12, 13, 18, 19),
        ("Bg", 0): (7, 14),
        ("Bg", 1): (15, 19),
        ("Ra", 0): (16, 20),
        ("Ba", 0): (17, 21),
        ("Ba", 1): (18, 22),
    }
    for (field, bit), places in functions.items():
        odd = sum(address >> place & 1 for place in places) & 1
        np.testing.assert_array_equal(found[field] >> bit & 1, odd, err_msg=f"{field}{bit}")
    np.testing.assert_array_equal(found["Ro"], address >> 19)


def test_a_name_resembling_one_of_the_library_is_recognised():
    memory = MemoryConfig(mapping="skylake_lik")
    with pytest.raises(ConfigError, match=r"neither a list of Ro.*; did you mean 'skylake_like'\?"):
        make_mapping(memory, load_standard("ddr4_2400"))
