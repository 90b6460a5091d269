"""Whatever order and hashing: every address has a place of its own, and every place an address."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.errors import ConfigError
from recnmp.placement.mapping import FIELDS, Mapping, hashed, parse_mapping
from recnmp.placement.pages import coloured_frames

many = settings(deadline=None, max_examples=200, derandomize=True)


@st.composite
def mappings(draw: st.DrawFn) -> Mapping:
    """A permutation of split fields of up to three bits, some of its bits hashed by bits after them in a list."""
    bits = {field: draw(st.integers(0, 3)) for field in FIELDS}
    split = [f"{field}1" for field in FIELDS if bits[field] > 1 and draw(st.booleans())]
    pieces = [*FIELDS, *split]
    order = "".join(draw(st.permutations(pieces)))
    plain = parse_mapping(order, {field: 1 << n for field, n in bits.items()})
    names = draw(st.permutations([f"{field}{k}" for field in FIELDS for k in range(bits[field])]))
    xor = {
        name: draw(st.lists(st.sampled_from(names[k + 1 :]), min_size=1, max_size=4, unique=True))
        for k, name in enumerate(names[:-1])
        if draw(st.booleans())
    }
    return hashed(plain, "mine", xor)


@many
@given(mappings())
def test_decoding_is_one_to_one_and_encoding_its_inverse(mapping):
    burst = np.arange(1 << mapping.bits)
    fields = mapping.decode(burst)
    np.testing.assert_array_equal(mapping.encode(fields), burst)
    place = np.zeros_like(burst)
    for field, values in fields.items():
        bits = len(mapping.positions(field))
        assert 0 <= values.min() <= values.max() < 1 << bits
        place = place << bits | values
    # as many places as addresses, each met once
    np.testing.assert_array_equal(np.sort(place), burst)


@many
@given(mappings(), st.integers(0, 3))
def test_coloured_pages_lie_in_their_rank_or_are_refused_because_ranks_change_within_a_page(
    mapping, page_bits
):
    page_bits = min(page_bits, mapping.bits)
    ranks, channels = (1 << len(mapping.positions(field)) for field in ("Ra", "Ch"))
    burst = np.arange(1 << mapping.bits)
    fields = mapping.decode(burst)
    rank = (fields["Ch"] * ranks + fields["Ra"]).reshape(-1, 1 << page_bits)
    whole = bool((rank == rank[:, :1]).all())
    pages = len(rank) // (ranks * channels)
    page, colour = (a.ravel() for a in np.meshgrid(np.arange(pages), np.arange(ranks * channels)))
    try:
        frames = coloured_frames(page, colour, mapping, page_bits, seed=1)
    except ConfigError:
        assert not whole
        return
    assert whole
    np.testing.assert_array_equal(np.sort(frames), np.arange(len(rank)))
    np.testing.assert_array_equal(rank[frames, 0], colour)
