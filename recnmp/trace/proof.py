"""The proof of a capture: what was recorded, replayed by NumPy, is what the model's operators returned.

Every call is replayed where it happens, because weights may change afterwards: from the arrays that are
recorded and the whole table, not from the operator's own arguments. A digest of each call then shows that the
finished trace holds what was replayed.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.trace.operators import EmbeddingCall
from recnmp.trace.trace import POOLINGS, Trace

_EPSILON = float(np.finfo(np.float32).eps)
_BLOCK = 1 << 15  # lookups pooled at once: bounds the memory of their vectors
_LARGEST = float(np.finfo(np.float32).max)
_TINY = float(np.finfo(np.float32).tiny)  # below it, processors may round to zero

Block = tuple[slice, NDArray[np.float64], NDArray[np.float64]]


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

        A sum of n FP32 terms may differ by n roundings of the sum of their magnitudes, whatever the order.
        Raises RecnmpError that names call, operator, bag and both values.
        """
        what = f"call {self.calls} ({call.operator} on table {table})"
        if tuple(call.output.shape) != (call.bags, call.source.dim):
            raise RecnmpError(
                f"capture check failed: {what} returned shape {tuple(call.output.shape)}, "
                f"its record pools {(call.bags, call.source.dim)}"
            )
        rounding = max(_EPSILON, float(torch.finfo(call.output.dtype).eps))
        for span, pooled, allowed in _replayed(call):
            theirs: NDArray[np.float64] = call.output[span].detach().to(torch.float64).cpu().numpy()
            with np.errstate(invalid="ignore", over="ignore"):
                difference = np.abs(theirs - pooled)
                allowed += np.abs(pooled) * (rounding if rounding > _EPSILON else 0.0)
                known = np.isfinite(pooled) & np.isfinite(allowed) & (allowed < _LARGEST * _EPSILON)
                wrong = known & ~(difference <= allowed)
            if wrong.any():
                bag, element = np.argwhere(wrong)[0]
                raise RecnmpError(
                    f"capture check failed: {what}, bag {span.start + bag}, element {element}: the model has "
                    f"{theirs[bag, element]:.9g}, the replayed lookups give {pooled[bag, element]:.9g}"
                )
            self.incomparable += int((~known).any(axis=1).sum())
            self.largest_difference = max(self.largest_difference, float(difference[known].max(initial=0.0)))
        self.calls += 1
        self.bags += call.bags
        weight = call.weight_of_lookup
        self._digests.append(_digest((table, call.bags, call.pooling), call.bag, call.entry, weight))

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
            weight = None if trace.weight is None else trace.weight[span]
            shape = int(columns.table[n]), int(columns.bags[n]), int(columns.pooling[n])
            found = {_digest(shape, bag, trace.entry[span], weight)}
            if weight is not None and np.all(weight == 1):  # a call without weights in a weighted trace
                found.add(_digest(shape, bag, trace.entry[span], None))
            if expected not in found:
                raise RecnmpError(f"capture check failed: call {n} of the trace is not what was replayed")


def _digest(
    shape: tuple[int, int, int],
    bag: NDArray[np.int64],
    entry: NDArray[np.integer],
    weight: NDArray[np.float32] | None,
) -> bytes:
    digest = hashlib.blake2b(repr(shape).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(bag, np.int64).data)
    digest.update(np.ascontiguousarray(entry, np.uint32).data)
    digest.update(b"" if weight is None else np.ascontiguousarray(weight, np.float32).data)
    return digest.digest()


def _replayed(call: EmbeddingCall) -> Iterator[Block]:
    """Yield bags, their pooled vectors and how far rounding may move them, a block of bags at a time."""
    ends = np.cumsum(np.bincount(call.bag, minlength=call.bags))
    first = 0
    while first < call.bags:
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begin + _BLOCK, "right")))
        last = min(last, call.bags, first + _BLOCK)
        yield _replay_bags(call, first, last, begin, ends[first:last])
        first = last


def _replay_bags(call: EmbeddingCall, first: int, last: int, begin: int, ends: NDArray[np.int64]) -> Block:
    lookups = slice(begin, int(ends[-1]))
    lengths = np.diff(ends, prepend=begin)
    pooled = np.zeros((last - first, call.source.dim))
    allowed = np.zeros_like(pooled)
    mode, full = POOLINGS[call.pooling], np.flatnonzero(lengths)
    with np.errstate(invalid="ignore", over="ignore"):
        if not len(full):
            return slice(first, last), pooled, allowed
        values, magnitudes = call.source.values(call.entry[lookups])
        if call.weight_of_lookup is not None:
            scale = call.weight_of_lookup[lookups, None]
            values, magnitudes = values * scale, magnitudes * np.abs(scale)
        starts = (ends - lengths - begin)[full]
        if mode == "max":
            pooled[full] = np.maximum.reduceat(values, starts, axis=0)
        else:
            pooled[full] = np.add.reduceat(values, starts, axis=0, dtype=np.float64)
            roundings = (lengths[full, None] + 4) * _EPSILON
            allowed[full] = np.add.reduceat(magnitudes, starts, axis=0) * roundings + _TINY
        if mode == "mean":
            pooled[full] /= lengths[full, None]
            allowed[full] /= lengths[full, None]
    return slice(first, last), pooled, allowed
