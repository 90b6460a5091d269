"""Calls of PyTorch's quantised embedding operators: entries of 8, 4 or 2 bits, packed or as rows of bytes.

Every one of them sums, whatever ``mode`` says. Pruned tables, whose indices go through a mapping, are an error.
"""

from collections.abc import Mapping
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.trace import layouts
from recnmp.trace.layouts import Layout
from recnmp.trace.operators import EmbeddingCall, Reader, gather, integers, read_bags
from recnmp.trace.trace import POOLINGS
from recnmp.trace.weights import Tables, table_of

_SUM = POOLINGS.index("sum")


def _read_packed_bag(name: str, given: Mapping[str, Any], result: Any, tables: Tables) -> list[EmbeddingCall]:
    source = tables.packed(given["weight"], bool(given.get("pruned_weights")))
    return [EmbeddingCall(name, source, *read_bags(given), _SUM, result)]


def _read_packed_entries(
    name: str, given: Mapping[str, Any], result: Any, tables: Tables
) -> list[EmbeddingCall]:
    source = tables.packed(given["weight"], bool(given.get("pruned_weights")))
    return [gather(name, source, integers(given["indices"]).reshape(-1), result)]


def _read_rows(layout: Layout) -> Reader:
    """Return what reads operators on rows of bytes of this layout."""

    def read(name: str, given: Mapping[str, Any], result: Any, _tables: Tables) -> list[EmbeddingCall]:
        mapping = given.get("compressed_indices_mapping")
        if given.get("pruned_weights") and mapping is not None and mapping.numel() > 1:
            raise RecnmpError("a pruned embedding table: a trace has no mapping of its compressed indices")
        source, first = table_of(given["weight"], layout)
        return [EmbeddingCall(name, source, *read_bags(given, first), _SUM, result)]

    return read


READERS: dict[str, Reader] = {
    "quantized::embedding_bag_byte": _read_packed_bag,
    "quantized::embedding_bag_4bit": _read_packed_bag,
    "quantized::embedding_byte": _read_packed_entries,
    "quantized::embedding_4bit": _read_packed_entries,
    "quantized::embedding_bag_byte_rowwise_offsets": _read_rows(layouts.ROWS_OF_8_BITS),
    "quantized::embedding_bag_4bit_rowwise_offsets": _read_rows(layouts.ROWS_OF_4_BITS),
    "quantized::embedding_bag_2bit_rowwise_offsets": _read_rows(layouts.ROWS_OF_2_BITS),
}
"""What reads each quantised operator."""
