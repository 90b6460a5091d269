"""Page placement: which physical frame holds each page of the tables."""

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.placement.mapping import Mapping


def scatter(index: NDArray[np.int64], bits: int, seed: int) -> NDArray[np.int64]:
    """Map ``index`` one to one onto ``range(2**bits)`` in an order that looks random, chosen by ``seed``.

    Four rounds of an odd multiply-add and a xor-shift, each invertible modulo ``2**bits``; so the frame of a
    page depends on the page and the seed alone, not on which other pages a trace touches.
    """
    rng = np.random.default_rng(seed)
    mask = np.uint64((1 << bits) - 1)
    shift = np.uint64(max(bits // 2, 1))
    x = index.astype(np.uint64)
    for _ in range(4):
        factor, offset = rng.integers(0, 2**63, 2, dtype=np.uint64)
        x = (x * (factor | np.uint64(1)) + offset) & mask
        x ^= x >> shift
    return x.astype(np.int64)


def random_frames(page: NDArray[np.int64], frames: int, seed: int) -> NDArray[np.int64]:
    """Return the frame of each page when the system hands out free frames at random.

    ``frames`` is a power of two. Raises ConfigError when a page number exceeds the frames there are.
    """
    _fits(page, frames, "the memory")
    return scatter(page, frames.bit_length() - 1, seed)


def coloured_frames(
    page: NDArray[np.int64], colour: NDArray[np.int64], mapping: Mapping, page_bits: int, seed: int
) -> NDArray[np.int64]:
    """Return the frame of each page when all pages of a colour lie in one rank of one channel.

    Args:
        page: page number within its colour, shape (n,).
        colour: rank over all channels, ``channel * ranks + rank``, shape (n,).
        mapping: the address mapping; no bit within a page may change its rank or channel.
        page_bits: address bits (of burst numbers) within a page.
        seed: seed of the placement within a rank.

    With hashing a rank is not certain address bits but a function of several; pages take every value of the
    other bits, and as many bits as choose the rank are set so that it comes out as the colour.

    Raises ConfigError when the mapping interleaves ranks within a page, or a rank is too small.
    """
    turns = mapping.rank_of(1 << np.arange(mapping.bits)).tolist()
    if any(turns[:page_bits]):
        raise ConfigError(
            f"page colouring needs a page in one rank, but {mapping.name} switches ranks within a page; "
            "take smaller pages, or a mapping that chooses ranks and channels by the highest bits"
        )
    # every colour, and address bits that turn colour 0 into it; XOR is linear, so bits add up
    reach = {0: 0}
    free = []
    homes = {*mapping.positions("Ra", "Ch")}
    for bit in sorted(range(page_bits, mapping.bits), key=lambda bit: (bit not in homes, bit)):
        if turns[bit] in reach:
            free.append(bit)
        else:
            reach |= {found ^ turns[bit]: bits | 1 << bit for found, bits in reach.items()}
    free.sort()
    _fits(page, 1 << len(free), "a rank")
    frame = scatter(page, len(free), seed)
    burst = np.zeros_like(page)
    for k, bit in enumerate(free):
        burst |= (frame >> k & 1) << bit
    turned = np.array([reach[c] for c in range(len(reach))], np.int64)
    burst |= turned[colour ^ mapping.rank_of(burst)]
    return burst >> page_bits


def _fits(page: NDArray[np.int64], frames: int, where: str) -> None:
    needed = int(page.max(initial=-1)) + 1
    if needed > frames:
        raise ConfigError(f"the tables need at least {needed} pages but {where} has {frames} frames")
