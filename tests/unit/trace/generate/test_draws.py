"""Popularity laws: against their definition, and against what the reference generators were seen to draw."""

import itertools

import numpy as np
import pytest

from recnmp.trace.generate.draws import RequestDraws, StackDraws, ZipfDraws, make_draws, recssd_profile
from recnmp.trace.generate.spec import RecSsd, Requests, Stack, Zipf

# facebookresearch/dlrm, its example trace 1,2,3,4,5,3,4,1,1,6,3 profiled
DLRM = {"distances": (0, 1, 3, 4, 5), "cumulative": (6 / 11, 7 / 11, 9 / 11, 10 / 11, 1.0)}


def zipf(entries=1000, seed=1, **law):
    return ZipfDraws(Zipf(kind="zipf", **law), entries, np.random.default_rng(seed))


def counts_by_rank(entry, entries):
    return np.sort(np.bincount(entry, minlength=entries))[::-1]


@pytest.mark.parametrize(("alpha", "q"), [(0.9, 0), (1.05, 5), (0, 0), (2, 0)])
def test_every_rank_has_the_share_of_its_law(alpha, q):
    n = 400_000
    entry = zipf(500, alpha=alpha, q=q).draw(n)
    share = (np.arange(1, 501) + q) ** -float(alpha)
    share /= share.sum()
    seen = counts_by_rank(entry, 500)
    if alpha == 0:
        assert abs(seen - n / 500).max() < 6 * np.sqrt(n / 500)
    else:
        head = slice(0, 5 if alpha < 2 else 3)  # beyond, neighbours change places by chance
        assert np.allclose(seen[head], n * share[head], atol=5 * np.sqrt(n * share[head].max()))
        assert np.abs(np.cumsum(seen) / n - np.cumsum(share)).max() < 0.01


def test_ranks_beyond_the_head_have_their_share_of_the_law():
    population = 3 << 20
    entry = zipf(population, alpha=0.5).draw(2_000_000)
    ranks = np.arange(1, population + 1, dtype=float) ** -0.5
    counts = np.bincount(entry, minlength=population)
    expected = population - np.exp(-2_000_000 * ranks / ranks.sum()).sum()
    assert np.count_nonzero(counts) == pytest.approx(expected, rel=0.005)


def test_a_population_is_all_that_is_read():
    entry = zipf(100_000, alpha=0.3, population=50).draw(20_000)
    assert len(np.unique(entry)) == 50
    assert entry.max() > 5000


def test_the_same_seed_draws_the_same_entries_and_another_one_does_not():
    assert np.array_equal(zipf(alpha=1, seed=3).draw(1000), zipf(alpha=1, seed=3).draw(1000))
    assert not np.array_equal(zipf(alpha=1, seed=3).draw(1000), zipf(alpha=1, seed=4).draw(1000))


def test_drift_makes_the_coldest_entry_the_hottest_and_moves_the_others_down():
    draws = zipf(10, alpha=1.5, drift=0.1)
    lengths = np.full(100, 1000)
    order = [np.argsort(np.bincount(draws.batch(lengths), minlength=10))[::-1] for _ in range(3)]
    for before, after in itertools.pairwise(order):
        assert np.array_equal(after[1:5], before[:4])
        assert after[0] in before[-3:]


def stack(uniform, **options):
    law = Stack(kind="stack", **DLRM, population=6, **options)
    return StackDraws(law, np.arange(1, 7, dtype=np.uint32), np.random.default_rng(1)).from_uniform(uniform)


@pytest.mark.parametrize(
    ("options", "drawn"),
    [
        ({}, "1 2 3 4 2 5 1 2 6 3 4 6 5 1 2 5 3 4 6 1 1 3 6 6 1 2 5 4 3 3"),
        ({"reorder": False}, "1 2 3 4 2 5 1 3 6 1 2 6 3 4 5 3 6 1 2 3 3 6 1 3 1 4 5 6 1 1"),
        ({"padding": True}, "1 2 3 4 2 5 1 4 5 1 4 2 1 1 4 5 5 5 1 4 2 3 1 4 2 1 4 2 1 3"),
    ],
)
def test_a_stack_profile_draws_what_the_dlrm_generator_draws(options, drawn):
    # facebookresearch/dlrm, trace_generate_lru and _rand, run with NumPy seed 123
    uniform = np.random.RandomState(123).rand(30)
    assert stack(uniform, **options).tolist() == [int(word) for word in drawn.split()]


def test_a_stack_goes_on_over_batches():
    law = Stack(kind="stack", distances=(0, 1), cumulative=(0.5, 1.0), population=6)
    draws = make_draws(law, 6, np.random.default_rng(1))
    read = np.concatenate([draws.batch(np.array([2])) for _ in range(60)])
    assert np.mean(read[1:] == read[:-1]) == pytest.approx(0.5, abs=0.15)
    assert set(read.tolist()) == set(range(6))


@pytest.mark.parametrize(
    ("k", "mean", "sd"), [(0, 0.143, 0.026), (1, 0.555, 0.014), (2, 0.707, 0.009), (3, 0.782, 0.007)]
)
def test_recssd_s_k_has_the_share_of_new_entries_of_its_script(k, mean, sd):
    # wilkening-mark/RecSSD-RecInfra, gen_dist.py, run with 300 seeds
    rng = np.random.default_rng(5)
    shares = [recssd_profile(RecSsd(kind="recssd", k=k), rng).cumulative[0] for _ in range(300)]
    assert abs(np.mean(shares) - mean) < 2 * sd / np.sqrt(300) + 0.001
    assert np.std(shares) == pytest.approx(sd, rel=0.2)


def test_recssd_s_k_is_the_share_of_unique_entries_until_its_pool_is_used_up():
    law = RecSsd(kind="recssd", k=1)
    read = make_draws(law, 1_000_000, np.random.default_rng(7)).batch(np.array([10_000]))
    assert abs(len(np.unique(read)) / 10_000 - 0.555) < 2 * 0.014


def test_fbgemm_requests_keep_the_ranks_that_its_generator_keeps():
    # pytorch/FBGEMM, generate_requests on the CPU, NumPy seed 0: 2 tables of 1000, 4 bags of 5, alpha 1.15
    draws = RequestDraws(Requests(kind="fbgemm", alpha=1.15), 1000, np.random.RandomState(0))
    rank = draws.ranks(np.full(8, 5))
    order = np.random.default_rng(12345).choice(1000, rank.max() + 1, replace=False)  # its own permutation
    assert order[rank].reshape(8, 5).tolist() == [
        [367, 866, 415, 184, 548],
        [932, 205, 671, 658, 21],
        [367, 700, 484, 476, 399],
        [367, 866, 146, 862, 86],
        [367, 932, 541, 44, 244],
        [367, 852, 259, 774, 593],
        [700, 963, 462, 158, 862],
        [367, 53, 422, 425, 313],
    ]


@pytest.mark.parametrize(("alpha", "unique"), [(1.05, 0.71194), (1.15, 0.44097), (1.2, 0.35244)])
def test_fbgemm_requests_have_the_unique_share_of_its_generator(alpha, unique):
    # pytorch/FBGEMM, generate_requests: 512 bags of 80 of 1,000,000 entries
    draws = RequestDraws(Requests(kind="fbgemm", alpha=alpha), 1_000_000, np.random.default_rng(1))
    entry = draws.batch(np.full(512, 80))
    assert len(np.unique(entry)) / len(entry) == pytest.approx(unique, rel=0.02)
    bags = entry.reshape(512, 80)
    assert all(len(np.unique(bag)) == 80 for bag in bags)
    assert draws.uniform_calls == 0


def test_fbgemm_requests_are_uniform_and_sorted_where_bags_find_too_few_entries():
    draws = RequestDraws(Requests(kind="fbgemm", alpha=1.5), 1_000_000, np.random.default_rng(1))
    entry = draws.batch(np.full(512, 80))
    assert draws.uniform_calls == 1
    assert np.all(np.diff(entry.reshape(512, 80).astype(int), axis=1) >= 0)
    assert len(np.unique(entry)) / len(entry) == pytest.approx(0.9804, rel=0.02)  # FBGEMM's own share


def test_fbgemm_reuse_repeats_positions_of_the_batch_before():
    draws = RequestDraws(Requests(kind="fbgemm", reuse=0.25), 1 << 30, np.random.default_rng(1))
    first, second = draws.batch(np.full(100, 10)), draws.batch(np.full(100, 10))
    assert np.count_nonzero(first == second) == 250
