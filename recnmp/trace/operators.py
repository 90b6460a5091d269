"""What PyTorch's embedding operators read: one operator call in, arrays of entries and bags out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recnmp.errors import RecnmpError
from recnmp.trace.trace import POOLINGS

_BAG_OPERATORS = {
    "aten::embedding_bag",  # arrives whole under inference_mode, as its parts elsewhere
    "aten::_embedding_bag",
    "aten::_embedding_bag_forward_only",
}
_ENTRY_OPERATOR = "aten::embedding"

# their names say embedding, but they look nothing up: gradients, norms and losses
_NO_LOOKUP = {"aten::embedding_renorm_", "aten::hinge_embedding_loss", "aten::cosine_embedding_loss"}


@dataclass(frozen=True)
class TablePlace:
    """Where the entries of a table lie in a tensor's storage; equal places are one table.

    Attributes:
        address: of the storage.
        phase: elements from the start of the storage to entry 0.
        stride: elements from one entry to the next.
        dim: elements of an entry.
    """

    address: int
    phase: int
    stride: int
    dim: int


@dataclass(frozen=True)
class EmbeddingCall:
    """One operator call.

    Attributes:
        weight: the tensor it read, the whole table or a slice of it.
        place: the table.
        entry: entries read, in the numbering of the whole table, shape (lookups,).
        bag: bag of each lookup, from 0, shape (lookups,), not decreasing.
        bags: bags pooled, empty ones included.
        weight_of_lookup: weight of each lookup, shape (lookups,), or None.
        pooling: index into ``POOLINGS``.
    """

    weight: Tensor
    place: TablePlace
    entry: NDArray[np.int64]
    bag: NDArray[np.int64]
    bags: int
    weight_of_lookup: NDArray[np.float32] | None
    pooling: int


def is_lookup(name: str) -> bool:
    """Tell whether operator ``name`` (``aten::embedding``) reads embedding entries in a way known here.

    Raises RecnmpError for an operator that looks like an embedding lookup and is not known: a trace without
    its lookups would be wrong, and nobody would see it.
    """
    if "embedding" not in name:
        return False
    if name in _BAG_OPERATORS or name == _ENTRY_OPERATOR:
        return True
    if name in _NO_LOOKUP or (name.startswith("aten::") and name.endswith("_backward")):
        return False
    raise RecnmpError(
        f"the model calls {name}, an embedding operator unknown to capture: its lookups would be missing"
    )


def read_call(name: str, given: Mapping[str, Any]) -> EmbeddingCall:
    """Return what a call of operator ``name`` with the ``given`` arguments by name reads.

    Raises RecnmpError for a weight whose entries are not contiguous.
    """
    weight: Tensor = given["weight"]
    indices = _integers(given["indices"])
    place, first = _place(weight)
    if name == _ENTRY_OPERATOR:
        # torch reads the entry at padding_idx too: it only skips that entry's gradient
        entry = indices.reshape(-1)
        return EmbeddingCall(
            weight, place, first + entry, np.arange(len(entry)), len(entry), None, POOLINGS.index("none")
        )
    offsets = _integers(given["offsets"])
    starts = offsets[:-1] if given.get("include_last_offset") else offsets
    end = offsets[-1] if given.get("include_last_offset") else len(indices)
    bag = np.repeat(np.arange(len(starts)), np.diff(starts, append=end))
    entry = indices[: len(bag)]
    weighting = given.get("per_sample_weights")
    weights = None if weighting is None else weighting.detach().float().cpu().numpy().reshape(-1)[: len(bag)]
    padding = _padding(name, given.get("padding_idx"), weight.shape[0])
    if padding is not None:
        keep = entry != padding  # torch does not read padded lookups
        entry, bag = entry[keep], bag[keep]
        weights = None if weights is None else weights[keep]
    mode = int(given.get("mode", 0))  # sum, mean, max: the order of POOLINGS
    return EmbeddingCall(weight, place, first + entry, bag, len(starts), weights, mode)


def _padding(name: str, index: int | None, entries: int) -> int | None:
    """Return the entry that is padding; only the composite operator counts negative indices from the end."""
    if index is None or (index < 0 and name != "aten::embedding_bag"):
        return None
    return index % entries


def _place(weight: Tensor) -> tuple[TablePlace, int]:
    """Return the table that ``weight`` shows, and the entry at which it starts."""
    entries, dim = weight.shape
    stride = weight.stride(0) if entries > 1 else max(dim, 1)
    if stride < dim or (dim > 1 and weight.stride(1) != 1):
        raise RecnmpError(
            f"an embedding table of shape ({entries}, {dim}) has strides {weight.stride()}: "
            "its entries are not contiguous in memory"
        )
    first, phase = divmod(int(weight.storage_offset()), stride)
    return TablePlace(weight.untyped_storage().data_ptr(), phase, stride, dim), first


def _integers(tensor: Tensor) -> NDArray[np.int64]:
    return tensor.detach().cpu().numpy().astype(np.int64)
