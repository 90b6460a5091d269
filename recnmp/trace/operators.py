"""What PyTorch's embedding operators read: one operator call in, arrays of entries and bags out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
        lengths: lookups of each bag, shape (bags,); the first bag's come first.
        weight_of_lookup: weight of each lookup, shape (lookups,), or None.
        pooling: index into ``POOLINGS``.
        output: what the operator returned for these bags, shape (bags, dim).
    """

    operator: str
    source: TableSource
    entry: NDArray[np.int64]
    lengths: NDArray[np.int64]
    weight_of_lookup: NDArray[np.float32] | None
    pooling: int
    output: Tensor

    @property
    def bags(self) -> int:
        """Bags pooled, empty ones included."""
        return len(self.lengths)

    def without(self, left_out: NDArray[np.bool_]) -> "EmbeddingCall":
        """Return the call without the lookups that ``left_out``, shape (lookups,), marks; no bag goes."""
        if not left_out.any():
            return self
        bag, keep, weight = np.repeat(np.arange(self.bags), self.lengths), ~left_out, self.weight_of_lookup
        return replace(
            self,
            entry=self.entry[keep],
            lengths=np.bincount(bag[keep], minlength=self.bags),
            weight_of_lookup=None if weight is None else weight[keep],
        )


Reader = Callable[[str, Mapping[str, Any], Any, Tables], list[EmbeddingCall]]
"""Returns what an operator, by name, with these arguments by name and this result, reads of the tables."""


def read_bags(
    given: Mapping[str, Any], first: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32] | None]:
    """Return entries, lengths of bags and weights that ``indices`` and ``offsets`` of a call describe."""
    indices, offsets = integers(given["indices"]), given.get("offsets")
    if offsets is None:  # two dimensions: a bag a row
        lengths = np.full(len(indices), indices.shape[1])
        indices = indices.reshape(-1)
    else:
        ends = integers(offsets)
        if not given.get("include_last_offset"):
            ends = np.append(ends, len(indices))
        lengths = np.diff(ends)
    lookups = int(lengths.sum())
    entry = indices[:lookups]
    return first + entry if first else entry, lengths, _weights(given.get("per_sample_weights"), lookups)


def _weights(given: Tensor | None, n: int) -> NDArray[np.float32] | None:
    return None if given is None else given.detach().float().cpu().numpy().reshape(-1)[:n]


def _read_embedding_bag(
    name: str, given: Mapping[str, Any], result: Any, _tables: Tables
) -> list[EmbeddingCall]:
    weight: Tensor = given["weight"]
    source, first = table_of(weight)
    entry, lengths, weights = read_bags(given, first)
    mode = int(given.get("mode", 0))  # sum, mean, max: the order of POOLINGS
    call = EmbeddingCall(name, source, entry, lengths, weights, mode, result[0])
    padding = _padding(name, given.get("padding_idx"), weight.shape[0])
    # torch does not read padded lookups
    return [call if padding is None else call.without(entry == first + padding)]


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
    return EmbeddingCall(name, source, entry, np.ones(len(entry), np.int64), None, pooling, output)


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
