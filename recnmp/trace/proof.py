"""The proof of a capture: what was recorded, replayed by NumPy, is what the model's operators returned.

Every call is replayed where it happens, because weights may change afterwards: from the arrays that are
recorded and the whole table, not from the operator's own arguments. A digest of each call then shows that the
finished trace holds what was replayed.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recnmp.errors import RecnmpError
from recnmp.trace.operators import EmbeddingCall
from recnmp.trace.trace import POOLINGS, Trace

_EPSILON = float(np.finfo(np.float32).eps)
_BLOCK = 1 << 13  # lookups pooled at once: their vectors stay in a cache
_LARGEST = float(np.finfo(np.float32).max)
_TINY = float(np.finfo(np.float32).tiny)  # below it, processors may round to zero


class Proof:
    """Compares calls with what their operators returned, and a trace with the calls.

    Attributes:
        calls: calls compared.
        bags: pooled vectors compared.
        incomparable: bags among them with elements that are not finite, or overflow, and tell nothing.
        largest_difference: largest absolute difference of an element.
    """

    def __init__(self) -> None:
        self.calls = self.bags = self.incomparable = 0
        self.largest_difference = 0.0
        self._digests: list[bytes] = []

    def check(self, call: EmbeddingCall, table: int) -> None:
        """Compare one call on table number ``table``, the next of the trace.

        A sum of n FP32 terms may differ by n + 4 roundings of the sum of their magnitudes, whatever the order;
        four roundings of the bag's largest element pass without a look at the terms. What does not pass at once
        is added again in FP64.
        Raises RecnmpError that names call, operator, bag and both values.
        """
        what = f"call {self.calls} ({call.operator} on table {table})"
        if tuple(call.output.shape) != (call.bags, call.source.dim):
            raise RecnmpError(
                f"capture check failed: {what} returned shape {tuple(call.output.shape)}, "
                f"its record pools {(call.bags, call.source.dim)}"
            )
        returned = torch.finfo(call.output.dtype)
        rounding = max(_EPSILON, float(returned.eps))
        smallest = float(returned.smallest_normal) * rounding  # steps near zero
        tiny, largest = max(_TINY, smallest), float(returned.max) * (1 - rounding)
        for bags, lookups in _groups(call.lengths):
            theirs: NDArray[np.float64] = _of(call.output, bags).to(torch.float64).cpu().numpy()
            with np.errstate(invalid="ignore", over="ignore"):
                quick = _pooled(call, lookups, np.float32)
                difference = np.abs(theirs - quick)
                # most are within a few roundings of the bag's largest element: their terms need not be known
                close = difference.max(axis=1) <= np.abs(quick).max(axis=1) * rounding * 4 + tiny
                unsure = np.flatnonzero(~close)
                pooled = _pooled(call, lookups[unsure], np.float64)
                difference[unsure] = np.abs(theirs[unsure] - pooled)
                allowed = _allowed(call, lookups[unsure]) + np.abs(pooled) * rounding + tiny
                known = np.isfinite(allowed) & (np.abs(pooled) < largest)
                known &= allowed < _LARGEST * _EPSILON
                wrong = known & ~(difference[unsure] <= allowed)
            if wrong.any():
                row, element = np.argwhere(wrong)[0]
                raise RecnmpError(
                    f"capture check failed: {what}, bag {bags[unsure[row]]}, element {element}: the model has "
                    f"{theirs[unsure[row], element]:.9g}, the replayed lookups give {pooled[row, element]:.9g}"
                )
            self.incomparable += int((~known).any(axis=1).sum())
            finite = difference[np.isfinite(difference)]
            self.largest_difference = max(self.largest_difference, float(finite.max(initial=0.0)))
        self.calls += 1
        self.bags += call.bags
        weight = call.weight_of_lookup
        self._digests.append(_digest((table, call.pooling), call.lengths, call.entry, weight))

    def confirm(self, trace: Trace) -> None:
        """Compare the finished ``trace`` with the calls; raises RecnmpError that names the first that differs."""
        if len(trace.calls) != self.calls:
            raise RecnmpError(
                f"capture check failed: {len(trace.calls)} calls of the trace, {self.calls} replayed"
            )
        columns = trace.calls
        starts = np.searchsorted(trace.bag, columns.first_bag)
        ends = np.searchsorted(trace.bag, columns.first_bag + columns.bags)
        for n, expected in enumerate(self._digests):
            span = slice(starts[n], ends[n])
            bag = trace.bag[span].astype(np.int64) - columns.first_bag[n]
            lengths = np.bincount(bag, minlength=columns.bags[n])
            weight = None if trace.weight is None else trace.weight[span]
            which = int(columns.table[n]), int(columns.pooling[n])
            found = {_digest(which, lengths, trace.entry[span], weight)}
            if weight is not None and np.all(weight == 1):  # a call without weights in a weighted trace
                found.add(_digest(which, lengths, trace.entry[span], None))
            if expected not in found:
                raise RecnmpError(f"capture check failed: call {n} of the trace is not what was replayed")


def _digest(
    which: tuple[int, int],
    lengths: NDArray[np.int64],
    entry: NDArray[np.integer],
    weight: NDArray[np.float32] | None,
) -> bytes:
    digest = hashlib.blake2b(repr(which).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(lengths, np.int64).data)
    digest.update(np.ascontiguousarray(entry, np.uint32).data)
    digest.update(b"" if weight is None else np.ascontiguousarray(weight, np.float32).data)
    return digest.digest()


def _groups(lengths: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield bags of one length, shape (k,), and their lookups, shape (k, length), in blocks that fit a cache.

    Pooling equal bags along an axis takes a tenth of the time of ``ufunc.reduceat``.
    """
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if len(same) == 0:
            continue
        length = int(lengths[same[0]])
        most = max(_BLOCK // max(length, 1), 1)
        for first in range(0, len(same), most):
            bags = same[first : first + most]
            yield bags, starts[bags][:, None] + np.arange(length)


def _of(output: Tensor, bags: NDArray[np.int64]) -> Tensor:
    return output.detach().index_select(0, torch.from_numpy(bags).to(output.device))


def _pooled(call: EmbeddingCall, lookups: NDArray[np.int64], dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Return the pooled vectors of the bags of ``lookups``, shape (k, length), added in ``dtype``.

    FP32 sums are products with a row of weights, which take a fifth of the time of ``sum``.
    """
    k, length = lookups.shape
    if k * length == 0:
        return np.zeros((k, call.source.dim), dtype)
    values = (
        call.source.values(call.entry[lookups].reshape(-1)).reshape(k, length, -1).astype(dtype, copy=False)
    )
    mode = POOLINGS[call.pooling]
    weight = call.weight_of_lookup
    pooled: NDArray[Any]
    if mode == "max":
        pooled = values.max(axis=1)
    elif length == 1 and weight is None:
        pooled = values[:, 0]
    else:
        row = np.ones((1, length), dtype) if weight is None else weight[lookups][:, None, :].astype(dtype)
        pooled = np.matmul(row, values)[:, 0]
    return pooled / dtype(length) if mode == "mean" else pooled


def _allowed(call: EmbeddingCall, lookups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how far rounding may move the elements of these bags: n + 4 roundings of their terms' magnitudes."""
    k, length = lookups.shape
    mode = POOLINGS[call.pooling]
    if k * length == 0 or mode == "max":
        return np.zeros((k, call.source.dim))
    magnitudes = call.source.magnitudes(call.entry[lookups].reshape(-1)).reshape(k, length, -1)
    if call.weight_of_lookup is not None:
        magnitudes *= np.abs(call.weight_of_lookup[lookups])[:, :, None]
    allowed: NDArray[np.float64] = (
        magnitudes.sum(axis=1, dtype=np.float64) * ((length + 4) * _EPSILON) + _TINY
    )
    return allowed / length if mode == "mean" else allowed
