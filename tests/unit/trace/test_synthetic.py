from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.errors import ConfigError
from recnmp.library.model import TableGroup, load_model
from recnmp.trace.inspect import reuse_histogram
from recnmp.trace.storage import load_trace, trace_digest
from recnmp.trace.synthetic import TABLE_MIX, IndexStream, Reuse, scatter, synthetic_trace
from recnmp.trace.trace import POOLINGS

# facebookresearch/dlrm_datasets, 2021, fbgemm_t856_bs65536: share of lookups by reuse count, bins as in
# REUSE_BINS; 1.036 million lookups per table, 14.5 % of them unique
META_2021 = [
    0.069, 0.044, 0.068, 0.101, 0.121, 0.104, 0.073, 0.058, 0.052,
    0.050, 0.049, 0.048, 0.048, 0.043, 0.031, 0.023, 0.019,
]  # fmt: skip
META_LOOKUPS = 1_036_000


def _counts(table: int, reuse: Reuse, lookups: int = META_LOOKUPS) -> np.ndarray:
    return np.unique(IndexStream(table, 4_000_000, reuse, seed=1).draw(lookups), return_counts=True)[1]


def test_the_mix_of_tables_reuses_entries_as_the_published_tables_do():
    counts = [_counts(table, reuse) for table, reuse in enumerate(TABLE_MIX)]
    shares = np.mean([list(reuse_histogram(of_table).values()) for of_table in counts], axis=0)
    unique = np.mean([len(of_table) / META_LOOKUPS for of_table in counts])
    assert np.max(np.abs(shares - META_2021)) < 0.03
    assert np.max(np.abs(np.cumsum(shares) - np.cumsum(META_2021))) < 0.05
    assert unique == pytest.approx(0.145, abs=0.01)


def test_every_table_of_the_mix_has_a_published_share_of_unique_entries():
    for table, reuse in enumerate(TABLE_MIX):
        assert 0.08 < len(_counts(table, reuse)) / META_LOOKUPS < 0.20


@given(st.integers(1, 3000), st.integers(0, 2**63 - 1))
@settings(deadline=None, max_examples=50)
def test_scattering_is_a_permutation_of_the_table(entries, key):
    scattered = scatter(np.arange(entries), entries, key)
    np.testing.assert_array_equal(np.sort(scattered), np.arange(entries))


def test_popular_entries_are_not_neighbours():
    top = np.sort(scatter(np.arange(1000), 4_000_000, key=5))
    # 1000 places drawn from 62,500 pages of 64 entries share a page about 8 times
    assert np.count_nonzero(np.diff(top // 64) == 0) < 25


def test_different_keys_scatter_differently():
    ranks = np.arange(1000)
    assert np.mean(scatter(ranks, 10_000, 1) == scatter(ranks, 10_000, 2)) < 0.01


def test_a_longer_stream_starts_with_the_shorter_one():
    short, long = (IndexStream(3, 1000, TABLE_MIX[0], seed=9) for _ in range(2))
    first = short.draw(500)
    np.testing.assert_array_equal(first, long.draw(500))
    assert len(long.draw(500)) == 500


def test_tables_and_seeds_have_streams_of_their_own():
    drawn = [
        IndexStream(t, 4_000_000, TABLE_MIX[0], s).draw(1000).tolist() for t, s in [(0, 1), (1, 1), (0, 2)]
    ]
    assert len({tuple(entries) for entries in drawn}) == 3


def test_exponent_zero_is_uniform():
    counts = np.bincount(IndexStream(0, 50, Reuse(0, 0, 50), seed=1).draw(100_000), minlength=50)
    assert np.all(np.abs(counts - 2000) < 5 * 2000**0.5)


def test_popularity_follows_the_law():
    drawn = IndexStream(0, 1000, Reuse(1.0, 2.0, 1000), seed=1).draw(400_000)
    counts = np.sort(np.bincount(drawn, minlength=1000))[::-1]
    law = 1 / (np.arange(1, 1001) + 2.0)
    expected = 400_000 * law / law.sum()
    np.testing.assert_allclose(counts[:20], expected[:20], rtol=0.05)


def test_a_small_table_uses_all_of_its_entries_and_no_other():
    assert set(IndexStream(0, 7, TABLE_MIX[0], seed=1).draw(5000).tolist()) == set(range(7))


def test_recency_repeats_what_was_read_shortly_before():
    window, share = 64, 0.4

    def near(reuse: Reuse) -> float:
        stream = IndexStream(0, 4_000_000, reuse, seed=1)
        drawn = np.concatenate([stream.draw(10_000) for _ in range(4)])  # repeats reach across draws
        recent = [drawn[i] in drawn[i - window : i] for i in range(9_000, 31_000)]
        return float(np.mean(recent))

    plain = near(Reuse(0.5, 1, 1_000_000))
    clustered = near(Reuse(0.5, 1, 1_000_000, recency=share, window=window))
    assert plain < 0.02
    assert clustered == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    "wrong",
    [{"exponent": -1}, {"shift": -1}, {"population": 0}, {"recency": 1.0}, {"recency": -0.1}, {"window": 0}],
)
def test_parameters_that_describe_no_distribution_are_refused(wrong):
    with pytest.raises(ConfigError, match="reuse"):
        Reuse(**{"exponent": 1.0, "shift": 1.0, "population": 10} | wrong)


def test_a_negative_seed_is_refused():
    with pytest.raises(ConfigError, match="seed -1 is negative"):
        IndexStream(0, 10, TABLE_MIX[0], seed=-1)


RM1 = load_model("rm1")
TINY = RM1.model_copy(
    update={
        "tables": (
            TableGroup(count=2, entries=1000, dim=4, pooling_factor=3),
            TableGroup(count=1, entries=50, dim=16, pooling_factor=7, dtype="int8_rowwise"),
        )
    }
)


def test_a_synthetic_trace_reads_what_the_zoo_reads():
    shipped = load_trace(Path(__file__).parents[3] / "traces" / "rm1.parquet")
    made = synthetic_trace(RM1, batches=8, batch_size=64, seed=1)
    for name in ("table", "bag", "entry"):
        np.testing.assert_array_equal(getattr(made, name), getattr(shipped, name))
        assert getattr(made, name).dtype == getattr(shipped, name).dtype
    for name in ("table", "first_bag", "bags", "batch", "pooling"):
        np.testing.assert_array_equal(getattr(made.calls, name), getattr(shipped.calls, name))
    assert [(t.entries, t.dim, t.dtype) for t in made.tables] == [
        (t.entries, t.dim, t.dtype) for t in shipped.tables
    ]


def test_a_synthetic_trace_has_the_tables_pooling_and_weights_asked_for():
    trace = synthetic_trace(TINY, 2, 5, seed=3, pooling="mean", weighted=True)
    assert [(t.dim, t.dtype) for t in trace.tables] == [(4, "fp32"), (4, "fp32"), (16, "int8_rowwise")]
    assert np.bincount(trace.bag).tolist() == ([3] * 10 + [7] * 5) * 2
    assert {POOLINGS[kind] for kind in trace.calls.pooling} == {"mean"}
    assert 0 <= trace.weight.min() < 0.1 < 0.9 < trace.weight.max() < 1
    assert (trace.batches, trace.batch_size) == (2, 5)
    again = synthetic_trace(TINY, 2, 5, seed=3, pooling="mean", weighted=True)
    assert trace_digest(again) == trace_digest(trace)
    assert trace_digest(synthetic_trace(TINY, 2, 5, seed=4)) != trace_digest(
        synthetic_trace(TINY, 2, 5, seed=3)
    )


@pytest.mark.parametrize(("batches", "batch_size", "seed"), [(0, 4, 1), (1, 0, 1), (1, 1, -1)])
def test_a_synthetic_trace_of_nothing_is_an_error(batches, batch_size, seed):
    with pytest.raises(ConfigError):
        synthetic_trace(TINY, batches, batch_size, seed)
