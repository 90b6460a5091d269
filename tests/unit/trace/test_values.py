import struct

import numpy as np
import pytest

from recnmp.trace.trace import Table
from recnmp.trace.values import LARGEST, entry_codes, entry_content, entry_values


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


def test_8_bit_entries_have_every_code_scale_and_bias():
    codes, scale, bias = entry_codes(0, np.arange(5000), 32)
    assert (codes.dtype, scale.dtype, bias.dtype) == (np.uint8, np.float32, np.float32)
    np.testing.assert_array_equal(np.unique(codes), np.arange(256))
    np.testing.assert_array_equal(np.unique(scale), [1 / 128, 1 / 64, 1 / 32, 1 / 16])
    np.testing.assert_array_equal(np.unique(bias), np.arange(-LARGEST, LARGEST + 1))
    pairs, counts = np.unique(np.column_stack([scale, bias]), axis=0, return_counts=True)
    assert len(pairs) == 4 * 17
    assert counts.max() < 130  # of 5000 / 68 = 74 on average: scale and bias are independent


def test_8_bit_entries_stay_what_they_are():
    codes, scale, bias = entry_codes(0, [5, 6], 4)
    assert codes.tolist() == [[92, 28, 209, 116], [44, 1, 59, 198]]
    assert (scale.tolist(), bias.tolist()) == ([0.0625, 0.0625], [2.0, -4.0])


def test_an_8_bit_entry_is_one_however_it_is_asked_for():
    entries = np.random.default_rng(1).integers(0, 4_000_000, 70_000)
    together = entry_codes(2, entries, 8)
    shorter = entry_codes(2, entries[:50], 5)
    np.testing.assert_array_equal(together[0][:50, :5], shorter[0])
    for whole, part in zip(together[1:], shorter[1:], strict=True):
        np.testing.assert_array_equal(whole[:50], part)


def test_sums_of_5000_8_bit_elements_do_not_depend_on_the_order_of_addition():
    codes, scale, bias = entry_codes(0, np.arange(5000), 4)
    values = codes * scale[:, None] + bias[:, None]
    assert values.dtype == np.float32
    assert np.abs(values).max() < 24
    total = values.astype(np.float64).sum(axis=0)
    np.testing.assert_array_equal(np.add.accumulate(values)[-1], total)
    np.testing.assert_array_equal(np.add.accumulate(np.sort(values, axis=0))[-1], total)


def test_memory_holds_fp32_elements_little_endian():
    content = entry_content(3, Table("t", 100, 5), [7, 8])
    assert (content.dtype, content.shape) == (np.uint8, (2, 20))
    assert content[1].tobytes() == struct.pack("<5f", *entry_values(3, [8], 5)[0])


def test_memory_holds_codes_then_scale_then_bias():
    content = entry_content(3, Table("t", 100, 5, "int8_rowwise"), [7, 8])
    codes, scale, bias = entry_codes(3, [7, 8], 5)
    assert content.shape == (2, 13)
    assert content[1].tobytes() == codes[1].tobytes() + struct.pack("<2f", scale[1], bias[1])


def test_pytorch_reads_the_fused_layout_as_we_do():
    torch = pytest.importorskip("torch", reason="the layout is PyTorch's own")
    content = entry_content(3, Table("t", 1000, 21, "int8_rowwise"), np.arange(1000))
    codes, scale, bias = entry_codes(3, np.arange(1000), 21)
    unpacked = torch.ops.quantized.embedding_bag_byte_unpack(torch.from_numpy(content)).numpy()
    np.testing.assert_array_equal(unpacked, codes * scale[:, None] + bias[:, None])
