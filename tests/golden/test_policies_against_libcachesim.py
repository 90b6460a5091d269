"""Replacement policies beside libCacheSim (https://libcachesim.com, GPL; the extra `oracle`), access by access.

On a made-up stream wherever it is installed; on real ones with a folder of ``.npz`` streams named by RECNMP_DATASETS.
S3-FIFO and W-TinyLFU leave rules open, and libCacheSim decides otherwise: its S3-FIFO lets new lines into the main
queue before the cache has been full once, and has 90 % of the ways as ghosts, rounded down; its W-TinyLFU counts in a
sketch whose collisions are its own. Random draws differ. So there hits are only near.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from recnmp.cache.policy import policy_hits
from recnmp.cache.stream import Stream

FOLDER = os.environ.get("RECNMP_DATASETS", "")
SIZES = (64, 1024, 8192)
SAME = {
    "lru": "LRU", "fifo": "FIFO", "clock": "Clock", "belady": "Belady", "lfu": "LFU", "arc": "ARC", "sieve": "Sieve"
}  # fmt: skip
NEAR = {"s3fifo": "S3FIFO", "w_tinylfu": "WTinyLFU", "random_replacement": "Random"}
NEARNESS = {"s3fifo": 0.01, "w_tinylfu": 0.025, "random_replacement": 0.01}  # of all accesses
NEVER = 1 << 62


def stream_of_peer(peer: str, item: list[int], size: int) -> np.ndarray:
    oracle = pytest.importorskip("libcachesim", reason="the oracle is not installed: pip install '.[oracle]'")
    cache, request = getattr(oracle, peer)(cache_size=size), oracle.Request()
    request.obj_size = 1
    following, later = np.full(len(item), NEVER), {}
    for now in range(len(item) - 1, -1, -1):
        following[now] = later.get(item[now], NEVER)
        later[item[now]] = now
    hit = np.zeros(len(item), bool)
    for now, (x, then) in enumerate(zip(item, following.tolist(), strict=True)):
        request.obj_id, request.clock_time, request.next_access_vtime = x, now, then
        hit[now] = cache.get(request)
    return hit


def stream_of(keys: np.ndarray) -> Stream:
    known, item = np.unique(keys, return_inverse=True)
    return Stream(item.astype(np.int32), np.zeros(len(known), np.int32))


def compare(stream: Stream, sizes: tuple[int, ...]) -> None:
    item = stream.item.tolist()
    for size in sizes:
        for name, peer in SAME.items():
            np.testing.assert_array_equal(
                policy_hits(name, stream, size), stream_of_peer(peer, item, size), name
            )
        for name, peer in NEAR.items():
            if name == "w_tinylfu" and size < 100:
                continue  # libCacheSim's window then has no line, and it never hits
            ours, theirs = policy_hits(name, stream, size).mean(), stream_of_peer(peer, item, size).mean()
            assert ours == pytest.approx(theirs, abs=NEARNESS[name]), f"{name} at {size}"


def test_a_made_up_stream_hits_as_in_libcachesim():
    rng = np.random.default_rng(5)
    keys = np.choose(
        rng.choice(2, 12_000, p=[0.8, 0.2]), [rng.zipf(1.2, 12_000) % 3000, np.arange(12_000) % 700]
    )
    compare(stream_of(keys), (64, 200, 1000))


@pytest.mark.external("RECNMP_DATASETS")
@pytest.mark.parametrize(
    "name", ["criteo_kaggle_7k", "diginetica", "nowplaying", "retail_fimi", "scarab_recs", "talkingdata_100k"]
)
def test_real_streams_hit_as_in_libcachesim(name):
    with np.load(Path(FOLDER) / f"{name}.npz", allow_pickle=False) as file:
        keys = (
            file["table"] + np.concatenate([[0], np.cumsum(file["cardinalities"])[:-1]])
            if "table" in file
            else file["indices"]
        ).ravel()
    compare(stream_of(keys[:100_000]), SIZES)


@pytest.mark.external("RECNMP_DATASETS")
def test_aggregate_hits_are_those_of_evstore_s_own_program():
    # its hits and its samples without a miss on this sample of click logs, by entries of the cache; recorded
    recorded = {344: (0.4778, 0.0088), 1722: (0.6362, 0.0372), 3444: (0.6935, 0.0631), 8610: (0.7658, 0.1110)}
    with np.load(Path(FOLDER) / "criteo_kaggle_7k.npz", allow_pickle=False) as file:
        table = file["table"] + np.concatenate([[0], np.cumsum(file["cardinalities"])[:-1]])
    stream = stream_of(table.ravel())
    sample = np.repeat(np.arange(len(table)), table.shape[1])
    told = Stream(stream.item, stream.set_of, sample=sample)
    for size, (hits, whole) in recorded.items():
        hit = policy_hits("aggregate_hit", told, size).reshape(table.shape)
        assert hit.mean() == pytest.approx(hits, abs=2e-4)
        assert hit.all(1).mean() == pytest.approx(whole, abs=1e-4)
