"""What PyTorch's embedding operators read: one operator call in, arrays of entries and bags out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recnmp.trace.trace import POOLINGS
from recnmp.trace.weights import Tables, TableSource, has_whole_entries, table_of


@dataclass(frozen=True)
class EmbeddingCall:
    """What one operator reads of one table.

    Attributes:
        operator: its name, such as ``aten::embedding_bag``.
        source: the table.
        entry: entries read, in the numbering of the whole table, shape (lookups,).
        bag: bag of each lookup, from 0, shape (lookups,), not decreasing.
        bags: bags pooled, empty ones included.
        weight_of_lookup: weight of each lookup, shape (lookups,), or None.
        pooling: index into ``POOLINGS``.
        output: what the operator returned for these bags, shape (bags, dim).
    """

    operator: str
    source: TableSource
    entry: NDArray[np.int64]
    bag: NDArray[np.int64]
    bags: int
    weight_of_lookup: NDArray[np.float32] | None
    pooling: int
    output: Tensor


Reader = Callable[[str, Mapping[str, Any], Any, Tables], list[EmbeddingCall]]
"""Returns what an operator, by name, with these arguments by name and this result, reads of the tables."""


def read_bags(
    given: Mapping[str, Any], first: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, NDArray[np.float32] | None]:
    """Return entries, bags, number of bags and weights that ``indices`` and ``offsets`` of a call describe."""
    indices = integers(given["indices"])
    offsets = given.get("offsets")
    if offsets is None:  # two dimensions: a bag a row
        width = indices.shape[1]
        offsets_array, indices = np.arange(0, indices.size, max(width, 1)), indices.reshape(-1)
        offsets_array = offsets_array if width else np.zeros(len(given["indices"]), np.int64)
    else:
        offsets_array = integers(offsets)
    last = bool(given.get("include_last_offset")) and offsets is not None
    starts = offsets_array[:-1] if last else offsets_array
    end = offsets_array[-1] if last else len(indices)
    bag = np.repeat(np.arange(len(starts)), np.diff(starts, append=end))
    entry = indices[: len(bag)]
    return (
        first + entry if first else entry,
        bag,
        len(starts),
        _weights(given.get("per_sample_weights"), len(bag)),
    )


def _weights(given: Tensor | None, n: int) -> NDArray[np.float32] | None:
    return None if given is None else given.detach().float().cpu().numpy().reshape(-1)[:n]


def _read_embedding_bag(
    name: str, given: Mapping[str, Any], result: Any, _tables: Tables
) -> list[EmbeddingCall]:
    weight: Tensor = given["weight"]
    source, first = table_of(weight)
    entry, bag, bags, weights = read_bags(given, first)
    padding = _padding(name, given.get("padding_idx"), weight.shape[0])
    if padding is not None:
        keep = entry != first + padding  # torch does not read padded lookups
        entry, bag = entry[keep], bag[keep]
        weights = None if weights is None else weights[keep]
    mode = int(given.get("mode", 0))  # sum, mean, max: the order of POOLINGS
    return [EmbeddingCall(name, source, entry, bag, bags, weights, mode, result[0])]


def _padding(name: str, index: int | None, entries: int) -> int | None:
    """Return the entry that is padding; only the composite operator counts negative indices from the end."""
    if index is None or (index < 0 and name != "aten::embedding_bag"):
        return None
    return index % entries


def _read_embedding(name: str, given: Mapping[str, Any], result: Any, _tables: Tables) -> list[EmbeddingCall]:
    # torch reads the entry at padding_idx too: it only skips that entry's gradient
    source, first = table_of(given["weight"])
    return [gather(name, source, first + integers(given["indices"]).reshape(-1), result)]


def _read_index(name: str, given: Mapping[str, Any], result: Any, tables: Tables) -> list[EmbeddingCall]:
    """Read ``weight[ids]`` and ``weight.index_select(0, ids)`` of what may be a table."""
    weight: Tensor = given["self"]
    if weight.dim() != 2 or not weight.is_floating_point():
        return []
    if name == "aten::index_select":
        index = given["index"] if given["dim"] in (0, -2) else None
    else:
        index, *others = given["indices"]
        index = None if any(other is not None for other in others) else index
    if index is None or index.device.type == "meta":
        return []
    if not tables.may_be_indexed(weight) or not has_whole_entries(weight):
        tables.passed_over += 1
        return []
    if index.dtype in (torch.bool, torch.uint8) and name == "aten::index":  # a mask
        if index.dim() != 1:
            return []
        index = index.nonzero()
    source, first = table_of(weight)
    return [gather(name, source, first + integers(index).reshape(-1) % weight.shape[0], result)]


def gather(name: str, source: TableSource, entry: NDArray[np.int64], result: Tensor) -> EmbeddingCall:
    """Return a call that pools nothing: a bag for each entry."""
    pooling, output = POOLINGS.index("none"), result.reshape(len(entry), source.dim)
    return EmbeddingCall(name, source, entry, np.arange(len(entry)), len(entry), None, pooling, output)


def integers(tensor: Tensor) -> NDArray[np.int64]:
    """Return an integer tensor's values, which may be its own memory."""
    return tensor.detach().cpu().numpy().astype(np.int64, copy=False)


READERS: dict[str, Reader] = {
    "aten::embedding_bag": _read_embedding_bag,  # arrives whole under inference_mode, as its parts elsewhere
    "aten::_embedding_bag": _read_embedding_bag,
    "aten::_embedding_bag_forward_only": _read_embedding_bag,
    "aten::embedding": _read_embedding,
    "aten::index": _read_index,
    "aten::index_select": _read_index,
}
"""What reads each operator of PyTorch's own."""
