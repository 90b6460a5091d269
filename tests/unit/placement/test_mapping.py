"""Address mappings: names read, bits split and joined again."""

import numpy as np
import pytest

from recnmp.errors import ConfigError
from recnmp.placement.mapping import FIELDS, parse_mapping

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
