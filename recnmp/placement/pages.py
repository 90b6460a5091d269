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
        mapping: the address mapping; its rank and channel bits must lie above the page offset.
        page_bits: address bits (of burst numbers) within a page.
        seed: seed of the placement within a rank.

    Raises ConfigError when the mapping interleaves ranks within a page, or a rank is too small.
    """
    rank_bits, channel_bits = mapping.positions("Ra"), mapping.positions("Ch")
    if any(bit < page_bits for bit in rank_bits + channel_bits):
        raise ConfigError(
            f"page colouring needs a page in one rank, but {mapping.name} switches ranks within a page"
        )
    free = [bit for bit in range(page_bits, mapping.bits) if bit not in (*rank_bits, *channel_bits)]
    _fits(page, 1 << len(free), "a rank")
    frame = scatter(page, len(free), seed)
    ranks = colour & ((1 << len(rank_bits)) - 1)
    channels = colour >> len(rank_bits)
    burst = np.zeros_like(page)
    for values, bits in ((frame, free), (ranks, rank_bits), (channels, channel_bits)):
        for k, bit in enumerate(bits):
            burst |= (values >> k & 1) << bit
    return burst >> page_bits


def _fits(page: NDArray[np.int64], frames: int, where: str) -> None:
    needed = int(page.max(initial=-1)) + 1
    if needed > frames:
        raise ConfigError(f"the tables need at least {needed} pages but {where} has {frames} frames")
