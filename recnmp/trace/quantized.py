"""Calls of PyTorch's quantised embedding operators: 8-bit entries, packed or as rows of bytes.

Every one of them sums, whatever ``mode`` says. Tables of 4 and 2 bits are an error, since traces have no type
for them; so are pruned tables, whose indices go through a mapping.
"""

from collections.abc import Mapping
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.trace.operators import EmbeddingCall, Reader, gather, integers, read_bags
from recnmp.trace.trace import POOLINGS
from recnmp.trace.weights import Tables, table_of, unsupported

_SUM = POOLINGS.index("sum")


def _read_packed_bag(name: str, given: Mapping[str, Any], result: Any, tables: Tables) -> list[EmbeddingCall]:
    source = tables.packed(given["weight"], bool(given.get("pruned_weights")))
    entry, bag, bags, weights = read_bags(given)
    return [EmbeddingCall(name, source, entry, bag, bags, weights, _SUM, result)]


def _read_packed_entries(
    name: str, given: Mapping[str, Any], result: Any, tables: Tables
) -> list[EmbeddingCall]:
    source = tables.packed(given["weight"], bool(given.get("pruned_weights")))
    return [gather(name, source, integers(given["indices"]).reshape(-1), result)]


def _read_byte_rows(name: str, given: Mapping[str, Any], result: Any, _tables: Tables) -> list[EmbeddingCall]:
    mapping = given.get("compressed_indices_mapping")
    if given.get("pruned_weights") and mapping is not None and mapping.numel() > 1:
        raise RecnmpError("a pruned embedding table: a trace has no mapping of its compressed indices")
    source, first = table_of(given["weight"], "int8_rowwise")
    entry, bag, bags, weights = read_bags(given, first)
    return [EmbeddingCall(name, source, entry, bag, bags, weights, _SUM, result)]


def _refuse(name: str, _given: Mapping[str, Any], _result: Any, _tables: Tables) -> list[EmbeddingCall]:
    bits = "2 bits" if "2bit" in name else "4 bits"
    raise RecnmpError(f"the model calls {name}: {unsupported(f'{bits} an element')}")


READERS: dict[str, Reader] = {
    "quantized::embedding_bag_byte": _read_packed_bag,
    "quantized::embedding_byte": _read_packed_entries,
    "quantized::embedding_bag_byte_rowwise_offsets": _read_byte_rows,
    "quantized::embedding_4bit": _refuse,
    "quantized::embedding_bag_4bit": _refuse,
    "quantized::embedding_bag_4bit_rowwise_offsets": _refuse,
    "quantized::embedding_bag_2bit_rowwise_offsets": _refuse,
}
"""What reads each quantised operator."""
