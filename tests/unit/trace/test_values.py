import numpy as np

from recnmp.trace.values import LARGEST, entry_values


def test_values_are_small_integers_kept_as_fp32():
    values = entry_values(0, np.arange(5000), 32)
    assert values.dtype == np.float32
    assert values.shape == (5000, 32)
    np.testing.assert_array_equal(np.unique(values), np.arange(-LARGEST, LARGEST + 1))


def test_every_value_is_about_as_frequent_as_the_others():
    _, counts = np.unique(entry_values(3, np.arange(50_000), 16), return_counts=True)
    assert np.all(np.abs(counts / counts.sum() - 1 / 17) < 0.005)


def test_values_stay_what_they_are():
    # a change here makes every stored pooled output and every simulated functional check incomparable
    assert entry_values(0, [5, 6], 4).tolist() == [[-2, -7, 5, -1], [-6, -8, -5, 5]]
    assert (
        entry_values([7, 65535], [0, 2**32 - 1], 10)[1].tolist()
        == entry_values(65535, [2**32 - 1], 10)[0].tolist()
    )


def test_an_entry_has_one_value_however_it_is_asked_for():
    entries = np.random.default_rng(1).integers(0, 4_000_000, 70_000)
    together = entry_values(2, entries, 8)
    np.testing.assert_array_equal(together[:100], entry_values(2, entries[:100], 8))
    np.testing.assert_array_equal(together[::-1], entry_values(2, entries[::-1], 8))
    np.testing.assert_array_equal(together, entry_values(np.full(len(entries), 2), entries, 8))
    np.testing.assert_array_equal(together[:50, :5], entry_values(2, entries[:50], 5))


def test_tables_and_entries_have_vectors_of_their_own():
    vectors = np.concatenate([entry_values(table, np.arange(2000), 32) for table in range(8)])
    assert len(np.unique(vectors, axis=0)) == len(vectors)


def test_sums_do_not_depend_on_the_order_of_addition():
    values = entry_values(0, np.arange(100_000), 4)
    total = values.astype(np.int64).sum(axis=0)
    np.testing.assert_array_equal(np.add.accumulate(values)[-1], total)
    np.testing.assert_array_equal(np.add.accumulate(values[::-1])[-1], total)
