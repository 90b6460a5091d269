"""Calls of FBGEMM's table-batched embedding operators (TorchRec's sharded and fused modules), by schema.

One call reads all tables, which lie in one flat weight. The operators are told by the names of their
arguments, so FBGEMM is not needed and its many generated operators need no list: ``indices``, ``offsets``
(features x batch + 1), ``weights_offsets``, ``D_offsets`` (features + 1) or one ``D``, and the weights as
``weights``, ``host_weights``, or ``dev_weights`` and ``uvm_weights`` chosen by ``weights_placements``.
Source: github.com/pytorch/FBGEMM, fbgemm_gpu/codegen, the ``m.def`` schemas of release 1.8.

Lookups of pruned entries, which the inference operators take as index -1, read nothing and are none.
Not read, and an error: tables of FP8, MX4 and NFP8, pooled vectors that come as codes, means over pruned
entries, and batches that differ between features. Inference operators come without the sizes of tables: up to
127 bytes that align a table count as entries, which nobody reads. Entries in a device cache that are newer than
those in host memory make the check fail.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recnmp.errors import RecnmpError
from recnmp.trace import layouts
from recnmp.trace.layouts import Layout
from recnmp.trace.operators import EmbeddingCall, Reader, integers
from recnmp.trace.trace import POOLINGS
from recnmp.trace.weights import OF_TENSORS, TablePlace, Tables, TableSource

_POOLINGS = tuple(POOLINGS.index(name) for name in ("sum", "mean", "none"))
"""By FBGEMM's PoolingMode."""

_TYPES = ("FP32", "FP16", "INT8", "INT4", "INT2", "BF16", "FP8", "MX4", "NFP8")
"""By FBGEMM's SparseType."""

_DEVICE = 0  # of FBGEMM's EmbeddingLocation


def reader_of(name: str, arguments: set[str]) -> Reader | None:
    """Return what reads calls of an operator with these arguments, or None if it is none of FBGEMM's lookups."""
    whole = {"indices", "offsets"} <= arguments and arguments & {"D_offsets", "D"}
    weights = arguments & {"weights", "host_weights", "dev_weights"}
    return read_tables if name.startswith("fbgemm::") and whole and weights else None


def read_tables(name: str, given: Mapping[str, Any], result: Any, _tables: Tables) -> list[EmbeddingCall]:
    """Return a call for each feature; features that share a table read the same one."""
    given = _without_lists(given)
    if _filled(given.get("B_offsets")) or _filled(given.get("vbe_row_output_offsets")):
        raise RecnmpError(f"the model calls {name} with a batch of its own for every feature: not supported")
    if not result.is_floating_point():
        raise RecnmpError(f"the model calls {name} for pooled vectors of {result.dtype}: not supported")
    sources = list(_sources(given, _layouts(name, given)))
    offsets, indices = integers(given["offsets"]), integers(given["indices"])
    weights: Tensor | None = given.get("indice_weights")
    weight = weights.detach().float().cpu().numpy() if weights is not None and weights.numel() else None
    batch = (len(offsets) - 1) // len(sources)
    pooling = _POOLINGS[int(given["pooling_mode"])] if "pooling_mode" in given else _POOLINGS[2]
    none = pooling == POOLINGS.index("none")
    columns = np.cumsum([0, *(source.dim for source in sources)])
    calls = []
    for feature, source in enumerate(sources):
        ends = offsets[feature * batch : (feature + 1) * batch + 1]
        span = slice(int(ends[0]), int(ends[-1]))
        lengths = np.ones(span.stop - span.start, np.int64) if none else np.diff(ends)
        output = result[span, : source.dim] if none else result[:, columns[feature] : columns[feature + 1]]
        mine, entry = None if weight is None else weight[span], indices[span]
        call = EmbeddingCall(name, source, entry, lengths, mine, pooling, output)
        pruned = entry < 0
        if pruned.any() and POOLINGS[pooling] != "sum":
            raise RecnmpError(
                f"the model calls {name} for other than sums over pruned entries: not supported"
            )
        calls.append(call.without(pruned))
    return calls


def _without_lists(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the tensors of a list of weights the names that they have elsewhere."""
    weights = given.get("weights")
    if not isinstance(weights, list | tuple):
        return dict(given)
    names = ["host_weights", "weights_placements", "weights_offsets"]
    if len(weights) == 5:
        names = ["dev_weights", "uvm_weights", "weights_placements", "weights_offsets", "lxu_cache_weights"]
    if len(weights) != len(names):
        raise RecnmpError(f"table-batched embeddings with {len(weights)} weights: only 3 and 5 are known")
    return {
        **{name: value for name, value in given.items() if name != "weights"},
        **dict(zip(names, weights, strict=True)),
    }


def _filled(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.numel() > 0


def _layouts(name: str, given: Mapping[str, Any]) -> list[Layout] | None:
    """Return the layout of each feature's table; None where the weight is a tensor of numbers."""
    if given.get("weights_tys") is None:
        return None
    kinds = integers(given["weights_tys"]).tolist()
    for kind in kinds:
        if kind not in layouts.FBGEMM:
            named = _TYPES[kind] if kind < len(_TYPES) else f"type {kind}"
            known = ", ".join(_TYPES[k] for k in sorted(layouts.FBGEMM))
            raise RecnmpError(f"the model calls {name} on a table of {named}: capture knows {known}")
    return [layouts.FBGEMM[kind] for kind in kinds]


def _sources(given: Mapping[str, Any], of_bytes: list[Layout] | None) -> Iterator[TableSource]:
    """Yield the table of each feature."""
    starts = integers(given["weights_offsets"])
    widths = given.get("D_offsets")
    dims = np.full(len(starts), int(given["D"])) if widths is None else np.diff(integers(widths))
    places = given.get("weights_placements")
    places = np.zeros(len(starts), np.int64) if places is None else integers(places)
    chosen = [_weight(given, int(place)) for place in places]
    for feature, (flat, start, dim) in enumerate(zip(chosen, starts.tolist(), dims.tolist(), strict=True)):
        layout = of_bytes[feature] if of_bytes else OF_TENSORS.get(flat.dtype)
        if layout is None:
            raise RecnmpError(f"table-batched embeddings of {flat.dtype}: capture does not know them")
        width = layout.entry_bytes(dim) if of_bytes else dim
        stride = width + (-width % int(given.get("row_alignment") or 1) if of_bytes else 0)
        mine = [int(s) for s, other in zip(starts, chosen, strict=True) if other is flat]
        end = min((s for s in mine if s > start), default=flat.numel())
        entries = _entries(given.get("hash_size_cumsum"), feature) or (end - start) // stride
        first = int(flat.storage_offset()) + start
        rows = flat.detach().as_strided((entries, width), (stride, 1), first)
        place = TablePlace(flat.untyped_storage().data_ptr(), first, stride, dim)
        yield TableSource(place, layout, rows, dim)


def _entries(cumsum: Tensor | None, feature: int) -> int | None:
    """Return the entries of a feature's table from the sums over the tables before, which features may share."""
    if cumsum is None:
        return None
    sums = integers(cumsum)
    larger: NDArray[np.int64] = sums[sums > sums[feature]]
    return int(larger.min() - sums[feature])


def _weight(given: Mapping[str, Any], place: int) -> Tensor:
    names = ["weights", "host_weights", "dev_weights", "uvm_weights"]
    if place != _DEVICE:
        names = ["weights", "host_weights", "uvm_weights", "dev_weights"]
    filled = (given[name] for name in names if _filled(given.get(name)))
    found: Tensor | None = next(itertools.islice(filled, 1), None)
    if found is None:
        raise RecnmpError("table-batched embeddings without weights")
    return found
