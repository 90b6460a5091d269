"""Frames of pages: every page its own, scattered or kept in one rank."""

import numpy as np
import pytest

from recnmp.errors import ConfigError
from recnmp.placement.mapping import hashed, parse_mapping
from recnmp.placement.pages import coloured_frames, random_frames, scatter

SIZES = {"Ro": 64, "Ba": 4, "Bg": 4, "Ra": 8, "Co": 128, "Ch": 2}


@pytest.mark.parametrize("bits", [0, 1, 2, 3, 5, 8, 11, 16])
@pytest.mark.parametrize("seed", [0, 1, 99])
def test_scattering_is_one_to_one(bits, seed):
    frames = scatter(np.arange(1 << bits), bits, seed)
    np.testing.assert_array_equal(np.sort(frames), np.arange(1 << bits))


def test_scattering_of_wide_numbers_repeats_nothing_and_stays_within():
    index = np.random.default_rng(0).choice(1 << 40, 10_000, replace=False)
    frames = scatter(index, 40, 5)
    assert len(np.unique(frames)) == 10_000
    assert frames.min() >= 0
    assert frames.max() < 1 << 40


def test_the_frame_of_a_page_depends_on_page_and_seed_alone():
    pages = np.arange(1000)
    all_frames = random_frames(pages, 4096, seed=3)
    np.testing.assert_array_equal(random_frames(pages[500:510], 4096, seed=3), all_frames[500:510])
    assert np.any(random_frames(pages, 4096, seed=4) != all_frames)


def test_consecutive_pages_look_random():
    frames = scatter(np.arange(1 << 14), 14, 1)
    low_bits = np.bincount(frames[:2048] & 15, minlength=16)
    assert low_bits.min() > 128 * 0.6  # a fair share of 2048 pages is 128 each
    assert low_bits.max() < 128 * 1.4
    assert np.mean(np.diff(frames) == 1) < 0.01


def test_more_pages_than_frames_is_an_error():
    random_frames(np.array([15]), 16, 0)
    with pytest.raises(ConfigError, match="at least 17 pages but the memory has 16 frames"):
        random_frames(np.array([16, 3]), 16, 0)


@pytest.mark.parametrize(
    ("name", "page_bits"), [("RoBaBgRaChCo", 6), ("ChRaRoBaBgCo", 6), ("RoCoRaBaChBgCo3", 3)]
)
def test_every_page_of_a_colour_lies_in_its_rank(name, page_bits):
    mapping = parse_mapping(name, SIZES)
    page, colour = (a.ravel() for a in np.meshgrid(np.arange(50), np.arange(16)))
    frames = coloured_frames(page, colour, mapping, page_bits, seed=2)
    assert len(np.unique(frames)) == len(frames)
    for offset in (0, (1 << page_bits) - 1):
        fields = mapping.decode(frames << page_bits | offset)
        np.testing.assert_array_equal(fields["Ch"] * SIZES["Ra"] + fields["Ra"], colour)


def test_a_colour_holds_a_rank_of_pages_and_no_more():
    mapping = parse_mapping("RoBaBgRaChCo", SIZES)
    pages = SIZES["Ro"] * 16 * SIZES["Co"] >> 6
    frames = coloured_frames(np.arange(pages), np.full(pages, 3), mapping, 6, seed=0)
    assert len(np.unique(frames)) == pages
    with pytest.raises(ConfigError, match=f"at least {pages + 1} pages but a rank has {pages} frames"):
        coloured_frames(np.array([pages]), np.array([3]), mapping, 6, seed=0)


@pytest.mark.parametrize("name", ["RoBaBgCoRaChCo3", "RoBaBgRaCoCh"])
def test_colouring_needs_a_mapping_that_leaves_a_page_in_one_rank(name):
    with pytest.raises(ConfigError, match=f"{name} switches ranks within a page"):
        coloured_frames(np.array([0]), np.array([0]), parse_mapping(name, SIZES), 6, seed=0)


XOR = {
    "rank by row": {"Ra0": ["Ro0", "Ro3"], "Ra2": ["Ro1"]},
    "rank by bank": {"Ra1": ["Ba0", "Bg1", "Ro5"], "Ba0": ["Ro2"]},
    "rank by rank": {"Ra0": ["Ra1", "Ch0"], "Ra1": ["Ra2", "Ro0"], "Ch0": ["Ro4"]},
    "bits of the page": {"Co3": ["Ro0", "Ra0"], "Bg0": ["Co6", "Co0"], "Ra0": ["Ro0"]},
}


@pytest.mark.parametrize("xor", XOR.values(), ids=XOR.keys())
@pytest.mark.parametrize("order", ["RoBaBgRaChCo", "ChRaRoBaBgCo", "RoRaBaBgChCo"])
def test_with_hashing_every_page_of_a_colour_still_lies_in_its_rank_and_all_fill_the_memory(order, xor):
    mapping = hashed(parse_mapping(order, SIZES), "mine", xor)
    pages = SIZES["Ro"] * 16 * SIZES["Co"] >> 6
    page, colour = (a.ravel() for a in np.meshgrid(np.arange(pages), np.arange(16)))
    frames = coloured_frames(page, colour, mapping, 6, seed=2)
    np.testing.assert_array_equal(np.sort(frames), np.arange(pages * 16))
    for offset in (0, 1, 32, 63):
        fields = mapping.decode(frames << 6 | offset)
        np.testing.assert_array_equal(fields["Ch"] * SIZES["Ra"] + fields["Ra"], colour)


@pytest.mark.parametrize("xor", [{"Ra1": ["Co5"]}, {"Ch0": ["Ro0", "Co0"]}])
def test_a_rank_hashed_by_bits_of_the_page_cannot_be_coloured(xor):
    mapping = hashed(parse_mapping("RoBaBgRaChCo", SIZES), "mine", xor)
    with pytest.raises(ConfigError, match="mine switches ranks within a page"):
        coloured_frames(np.array([0]), np.array([0]), mapping, 6, seed=0)
