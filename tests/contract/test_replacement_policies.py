"""What every replacement policy of ``recnmp/cache/policies`` owes, whichever files the folder holds."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from reference import cache_policies as twins

from recnmp.cache.policy import find_policy, parse_policy, policy_hits, policy_names
from recnmp.cache.stream import Stream
from recnmp.errors import ConfigError

NAMES = policy_names()
SHAPES = [(1, 1), (1, 2), (1, 9), (1, 40), (1, 5000), (8, 1), (4, 4), (2, 21)]

policies = pytest.mark.parametrize("name", NAMES)
shapes = pytest.mark.parametrize(("sets", "ways"), SHAPES)


def make_stream(seed: int = 0, sets: int = 1, n: int = 1000) -> Stream:
    """Hot items, a scan, strays and a shift of what is hot, in samples of up to 6 and batches of up to 90."""
    rng = np.random.default_rng(seed)
    shift = np.where(np.arange(n) < n // 2, 0, 40)
    kinds = [(rng.zipf(1.3, n) + shift) % 97, np.arange(n) % 61, 97 + rng.integers(0, 400, n)]
    item = np.choose(rng.choice(3, n, p=[0.6, 0.3, 0.1]), kinds).astype(np.int32)
    sample = np.repeat(np.arange(n), rng.integers(1, 7, n))[:n]
    profile = np.bincount(item[: n // 3], minlength=500)  # what is hot later is not known then
    return Stream(item, rng.integers(0, sets, 500).astype(np.int32), sets, sample // 15, sample, profile)


def hits(name: str, stream: Stream, ways: int, **options: float) -> np.ndarray:
    if stream.sets > 1 and getattr(find_policy(name), "ONE_SET", False):
        pytest.skip("is fully associative only")
    return policy_hits(name, stream, ways, options)


def of_twin(name: str, stream: Stream, ways: int, **options: float) -> np.ndarray:
    """Hits of the twin, set after set."""
    told = {need: getattr(stream, need) for need in getattr(find_policy(name), "NEEDS", ())}
    if name == "random_replacement":
        told["draw"] = np.random.default_rng(1).integers(
            min(ways, stream.useful_ways(ways)), size=stream.accesses
        )
    hit = np.zeros(stream.accesses, bool)
    for s in range(stream.sets):
        mine = np.flatnonzero(stream.set_of[stream.item] == s)
        more = {key: values[mine].tolist() for key, values in told.items() if key != "profile"}
        if "profile" in told:
            in_set = np.flatnonzero(stream.set_of == s).tolist()
            more["profile"] = {x: int(told["profile"][x]) for x in in_set}
        hit[mine] = getattr(twins, name)(stream.item[mine].tolist(), ways, **more, **options)
    return hit


def in_order(name: str, stream: Stream, hit: np.ndarray) -> tuple[Stream, np.ndarray]:
    """Return accesses and hits in the order in which the policy sees them.

    Where a sample is looked up at once, its hits come before what comes in.
    """
    if not getattr(find_policy(name), "AT_ONCE", False):
        return stream, hit
    order = np.lexsort((~hit, stream.sample))
    return replace(stream, item=stream.item[order]), hit[order]


def most_kept(stream: Stream, hit: np.ndarray, always_taken_in: bool) -> np.ndarray:
    """Lines of each set that must have been there at once: from the access before a hit until it.

    A line just read is there, too, where every read takes its line in.
    """
    most = np.zeros(stream.sets, int)
    for s in range(stream.sets):
        mine = np.flatnonzero(stream.set_of[stream.item] == s)
        item, found = stream.item[mine], hit[mine]
        change, last, kept = np.zeros(len(mine) + 1, int), {}, np.zeros(len(mine) + 1, bool)
        for now, x in enumerate(item.tolist()):
            if found[now]:
                change[last[x]] += 1  # what lies between access k and the next one is at k
                change[now] -= 1
                kept[last[x]] = True
            last[x] = now
        there = np.cumsum(change)[:-1] + (always_taken_in & ~kept[:-1])
        most[s] = there.max(initial=0)
    return most


def test_the_policies_that_are_promised_are_there():
    promised = "lru fifo random_replacement lfu arc s3fifo sieve w_tinylfu clock belady belady_bypass pinned"
    assert {*promised.split(), "locality_bit", "aggregate_hit"} <= set(NAMES)


@policies
def test_a_policy_names_its_source_and_has_a_twin(name):
    assert "Source: " in find_policy(name).__doc__
    assert callable(getattr(twins, name))


@policies
@shapes
def test_hits_are_those_of_a_plain_twin(name, sets, ways):
    for seed in range(2):
        stream = make_stream(seed, sets)
        np.testing.assert_array_equal(hits(name, stream, ways), of_twin(name, stream, ways))


_DIGEST = """
import hashlib
from test_replacement_policies import NAMES, find_policy, make_stream, policy_hits

digest = hashlib.sha256()
for name in NAMES:
    sets = 1 if getattr(find_policy(name), "ONE_SET", False) else 3
    digest.update(policy_hits(name, make_stream(6, sets, 4000), 12).tobytes())
print(digest.hexdigest())
"""


def test_kernels_hit_alike_compiled_and_as_plain_python():
    found = set()
    for plain in "01":
        folders = os.pathsep.join(str(Path(__file__).parents[up]) for up in (0, 1))
        environment = os.environ | {"NUMBA_DISABLE_JIT": plain, "PYTHONPATH": folders}
        done = subprocess.run(
            [sys.executable, "-c", _DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("s3fifo", {"small_share": 0.5}),
        ("s3fifo", {"small_share": 0.0}),
        ("w_tinylfu", {"window_share": 0.5, "protected_share": 0.4, "sample": 2}),
        ("w_tinylfu", {"window_share": 1.0}),
        ("locality_bit", {"threshold": 4}),
        ("aggregate_hit", {"flush_at": 0.1, "flush_share": 0.5}),
        ("aggregate_hit", {"flush_at": 0.0, "flush_share": 1.0}),
    ],
)
@pytest.mark.parametrize("ways", [1, 7, 50])
def test_options_do_what_they_do_in_the_twin(name, options, ways):
    stream = make_stream(7)
    other = hits(name, stream, ways, **options)
    np.testing.assert_array_equal(other, of_twin(name, stream, ways, **options))


def test_every_option_changes_hits():
    changed = {
        "random_replacement": {"seed": 2},
        "s3fifo": {"small_share": 0.5},
        "w_tinylfu": {"window_share": 0.5, "protected_share": 0.2, "sample": 1},
        "locality_bit": {"threshold": 4},
        "aggregate_hit": {"flush_at": 0.05, "flush_share": 1.0},
    }
    stream = make_stream(3, n=4000)
    known = {name: {f.name for f in fields(find_policy(name).Options)} for name in NAMES}
    assert {name: set(of) for name, of in changed.items()} == {name: of for name, of in known.items() if of}
    start = {"aggregate_hit": {"flush_at": 0.1}}  # so that something is flushed at all
    for name, of in changed.items():
        base = start.get(name, {})
        for key, value in of.items():
            assert (hits(name, stream, 30, **base) != hits(name, stream, 30, **{**base, key: value})).any(), (
                key
            )


@policies
@shapes
def test_no_policy_holds_more_than_its_ways(name, sets, ways):
    stream = make_stream(0, sets)
    always = not getattr(find_policy(name), "BYPASSES", False)
    assert most_kept(*in_order(name, stream, hits(name, stream, ways)), always).max() <= ways


def test_more_than_the_ways_is_found_out():
    stream = make_stream(0)
    cycle = replace(stream, item=np.tile(np.arange(12, dtype=np.int32), 9))
    assert most_kept(cycle, hits("lru", cycle, 12), True).max() == 12
    assert most_kept(stream, hits("belady_bypass", stream, 10), False).max() == 10


@policies
@shapes
def test_no_policy_hits_more_often_than_the_optimum(name, sets, ways):
    for seed in range(2):
        stream = make_stream(seed, sets)
        stream, hit = in_order(name, stream, hits(name, stream, ways))
        best = hits("belady_bypass", stream, ways).sum()
        if not getattr(find_policy(name), "BYPASSES", False):
            best = min(best, hits("belady", stream, ways).sum())
        assert hit.sum() <= best


@policies
@shapes
def test_the_first_read_of_an_item_is_no_hit(name, sets, ways):
    stream = make_stream(1, sets)
    assert not hits(name, stream, ways)[stream.first_reads()].any()


@policies
@shapes
def test_the_same_stream_hits_alike_and_is_left_alone(name, sets, ways):
    one, two = make_stream(2, sets), make_stream(2, sets)
    np.testing.assert_array_equal(hits(name, one, ways), hits(name, one, ways))
    for field in fields(Stream):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name))


@policies
@shapes
def test_sets_do_not_meet(name, sets, ways):
    stream = make_stream(4, sets)
    if sets == 1 or name == "random_replacement":  # whose draws are numbered through all sets
        pytest.skip("nothing to meet")
    hit = hits(name, stream, ways)
    for s in range(sets):
        mine = stream.set_of[stream.item] == s
        alone = replace(
            stream, item=stream.item[mine], batch=stream.batch[mine], sample=stream.sample[mine]
        )  # fmt: skip
        np.testing.assert_array_equal(hits(name, alone, ways), hit[mine])


@policies
@shapes
def test_what_comes_later_does_not_change_what_hit_before(name, sets, ways):
    policy, stream = find_policy(name), make_stream(3, sets)
    if getattr(policy, "SEES_FUTURE", False) or {"batch", "sample"} & {*getattr(policy, "NEEDS", ())}:
        return  # a batch or a sample is known before it is looked up
    early = replace(stream, item=stream.item[:700])
    np.testing.assert_array_equal(hits(name, stream, ways)[:700], hits(name, early, ways))


@policies
def test_a_cache_of_everything_misses_only_first_reads(name):
    stream = make_stream(5)
    if name in ("pinned", "locality_bit", "aggregate_hit"):
        return  # what is not hot never comes in; what is read twice in a sample is looked up twice first
    np.testing.assert_array_equal(hits(name, stream, 500), ~stream.first_reads())


@policies
def test_nothing_asked_is_nothing_hit(name):
    none = np.empty(0, np.int32)
    empty = Stream(none, none, 1, none.astype(np.int64), none.astype(np.int64), none.astype(np.int64))
    assert hits(name, empty, 4).shape == (0,)


@policies
def test_a_policy_is_told_what_it_needs_or_refuses(name):
    stream = make_stream(0)
    bare = Stream(stream.item, stream.set_of)
    if needs := getattr(find_policy(name), "NEEDS", ()):
        with pytest.raises(ConfigError, match=f"{name} needs the {needs[0]}"):
            policy_hits(name, bare, 4)
    else:
        np.testing.assert_array_equal(policy_hits(name, bare, 4), policy_hits(name, stream, 4))


def test_a_fully_associative_policy_refuses_sets():
    with pytest.raises(ConfigError, match="no form with 4 sets"):
        policy_hits("aggregate_hit", make_stream(0, 4), 4)
    with pytest.raises(ConfigError, match="at least one way"):
        policy_hits("lru", make_stream(0), 0)


def test_a_policy_is_written_as_name_and_options():
    assert parse_policy("lru") == ("lru", {})
    assert parse_policy("s3fifo:small_share=0.2") == ("s3fifo", {"small_share": 0.2})
    assert parse_policy("w_tinylfu:sample=5,window_share=0.1") == (
        "w_tinylfu",
        {"sample": 5, "window_share": 0.1},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sive", "did you mean 'sieve'"),
        ("s3fifo:smal_share=0.2", "did you mean 'small_share'"),
        ("lru:size=2", "is not one of none"),
        ("s3fifo:small_share=much", "small_share is a float, got 'much'"),
        ("s3fifo:small_share=1.5", "share from 0 to 1"),
        ("locality_bit:threshold=0", "at least 1"),
        ("random_replacement:seed=-1", "at least 0"),
    ],
)
def test_a_wrong_policy_is_refused_with_what_is_allowed(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_policy(text)
