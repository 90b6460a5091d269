"""What the model itself would pool: the reference of every functional check."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recnmp.trace.trace import POOLINGS, SCALE_AND_BIAS_BYTES, Table, Trace
from recnmp.trace.values import entry_codes, entry_content, entry_values

Pooled = tuple[int, NDArray[np.float32]]
"""A call's number in the trace and its pooled vectors, shape (bags, dim)."""


def reference() -> str:
    """Name what pools: torch where it is installed, NumPy otherwise."""
    library = "torch" if importlib.util.find_spec("torch") else "numpy"
    return f"{library} {importlib.metadata.version(library)}"


def pooled_outputs(trace: Trace) -> Iterator[Pooled]:
    """Pool the entries' values call by call with PyTorch's own operators, or NumPy's sum.

    These are ``torch.nn.functional.embedding_bag``, and ``quantized::embedding_bag_byte_rowwise_offsets`` on the
    stored bytes of ``int8_rowwise`` tables. Each call only holds the entries it reads. A weighted mean is the
    weighted sum over the number of lookups. Calls that pool nothing (``none``) are gathered, dequantised.
    """
    has_torch = importlib.util.find_spec("torch") is not None
    starts = np.searchsorted(trace.bag, trace.calls.first_bag)
    ends = np.searchsorted(trace.bag, trace.calls.first_bag + trace.calls.bags)
    for n in range(len(trace.calls)):
        span, number = slice(starts[n], ends[n]), int(trace.calls.table[n])
        table = trace.tables[number]
        entries, index = np.unique(trace.entry[span], return_inverse=True)
        bags = trace.calls.first_bag[n] + np.arange(trace.calls.bags[n])
        offsets = np.searchsorted(trace.bag[span], bags)
        scale = None if trace.weight is None else trace.weight[span]
        mode = POOLINGS[trace.calls.pooling[n]]
        if has_torch and table.dtype == "int8_rowwise" and mode in ("sum", "mean"):
            yield n, _torch_pool_bytes(entry_content(number, table, entries), index, offsets, mode, scale)
            continue
        weights = _elements(number, table, entries)
        # torch weights sums alone
        pool = _torch_pool if has_torch and (scale is None or mode == "sum") else _numpy_pool
        yield n, weights[index] if mode == "none" else pool(weights, index, offsets, mode, scale)


def _elements(number: int, table: Table, entries: NDArray[np.uint32]) -> NDArray[np.float32]:
    if table.dtype == "fp32":
        return entry_values(number, entries, table.dim)
    codes, scale, bias = entry_codes(number, entries, table.dim)
    return codes * scale[:, None] + bias[:, None]


def _torch_pool(
    weights: NDArray[np.float32],
    index: NDArray[np.int64],
    offsets: NDArray[np.int64],
    mode: str,
    scale: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        pooled: NDArray[np.float32] = torch.nn.functional.embedding_bag(
            torch.from_numpy(index.astype(np.int64)),
            torch.from_numpy(weights),
            torch.from_numpy(offsets.astype(np.int64)),
            mode=mode,
            per_sample_weights=None if scale is None else torch.from_numpy(scale.copy()),
        ).numpy()
    return pooled


def _torch_pool_bytes(
    content: NDArray[np.uint8],
    index: NDArray[np.int64],
    offsets: NDArray[np.int64],
    mode: str,
    scale: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    import torch

    pooled = np.zeros((len(offsets), content.shape[1] - SCALE_AND_BIAS_BYTES), np.float32)
    if len(index):
        pooled[:] = torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
            torch.from_numpy(content),
            torch.from_numpy(index.astype(np.int64)),
            torch.from_numpy(offsets.astype(np.int64)),
            per_sample_weights=None if scale is None else torch.from_numpy(scale.copy()),
        ).numpy()
    if mode == "mean":  # the operator ignores its own mode and sums
        pooled /= np.maximum(np.diff(np.append(offsets, len(index))), 1)[:, None].astype(np.float32)
    return pooled


def _numpy_pool(
    weights: NDArray[np.float32],
    index: NDArray[np.int64],
    offsets: NDArray[np.int64],
    mode: str,
    scale: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    lengths = np.diff(np.append(offsets, len(index)))
    full = np.flatnonzero(lengths)
    pooled = np.zeros((len(offsets), weights.shape[1]), np.float32)
    if len(full):
        vectors = weights[index] if scale is None else weights[index] * scale[:, None]
        combine = np.maximum if mode == "max" else np.add
        pooled[full] = combine.reduceat(vectors, offsets[full], axis=0)
        if mode == "mean":
            pooled[full] /= lengths[full, None].astype(np.float32)
    return pooled
