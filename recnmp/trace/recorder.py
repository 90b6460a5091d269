"""Embedding calls as they happen -> a Trace: numbering of bags and batches, no PyTorch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.trace.trace import Calls, Table, Trace

_LARGEST = np.iinfo(np.uint32).max


class BatchLimitReached(BaseException):
    """Ends the recorded run after the wanted batches; not an Exception, so that no model stops it."""


class Recorder:
    """Collects operator calls in memory, 4 to 8 bytes per lookup and 4 per bag.

    Args:
        batches: raise ``BatchLimitReached`` when a further batch begins; no limit when None.
        on_batch: called with the number of every batch that begins, from 0.
    """

    def __init__(self, batches: int | None, on_batch: Callable[[int], None] | None) -> None:
        self._limit, self._on_batch = batches, on_batch
        self._entries: list[NDArray[np.uint32]] = []
        self._lengths: list[NDArray[np.uint32]] = []
        self._weights: list[NDArray[np.float32] | None] = []
        self._calls: list[tuple[int, int, int, int]] = []  # table, bags, batch, pooling
        self._bags = 0
        self._batch = -1
        self._explicit = False
        self._seen: dict[object, int | None] = {}  # tables and models of this batch: in which forward pass

    def new_batch(self) -> None:
        """Say that the next call begins a batch; from the first time on, nothing else begins one."""
        self._explicit = True
        self._seen.clear()

    def record(
        self,
        table: int,
        forward: tuple[int, object] | None,
        entry: NDArray[np.int64],
        lengths: NDArray[np.int64],
        weight: NDArray[np.float32] | None,
        *,
        pooling: int,
        continues: bool = False,
    ) -> None:
        """Add a call on ``table``.

        Args:
            table: number of the table.
            forward: number of the forward pass it belongs to and whose it is, or None outside of any.
            entry: entries read, shape (lookups,), below 2^32.
            lengths: lookups of each bag, shape (bags,).
            weight: weight of each lookup, or None.
            pooling: index into ``POOLINGS``.
            continues: whether it is part of the operator that the call before was part of.
        """
        if continues:
            self._seen.setdefault(table, forward[0] if forward else None)
        else:
            self._enter_batch(table, forward)
        self._bags += len(lengths)
        if self._bags > _LARGEST:
            raise RecnmpError("a trace holds fewer than 2^32 bags")
        # copies, since the model may change its tensors
        self._entries.append(entry.astype(np.uint32))
        self._lengths.append(lengths.astype(np.uint32))
        self._weights.append(None if weight is None else weight.copy())
        self._calls.append((table, len(lengths), self._batch, pooling))

    @property
    def calls(self) -> int:
        """Calls recorded so far."""
        return len(self._calls)

    def trace(self, tables: Sequence[Table], meta: Mapping[str, Any]) -> Trace:
        """Return what was recorded; at least one call must have been."""
        table, bags, batch, pooling = np.array(self._calls, np.int64).T
        calls = Calls(table.astype(np.uint16), np.cumsum(bags) - bags, bags, batch, pooling.astype(np.uint8))
        bag = np.repeat(np.arange(self._bags, dtype=np.uint32), np.concatenate(self._lengths))
        entry = np.concatenate(self._entries)
        weight = None
        if any(weights is not None for weights in self._weights):
            pairs = zip(self._entries, self._weights, strict=True)
            weight = np.concatenate([np.ones(len(e), np.float32) if w is None else w for e, w in pairs])
        of_table = np.repeat(calls.table, [len(entries) for entries in self._entries])
        return Trace(of_table, bag, entry, weight, tuple(tables), calls, dict(meta))

    def _enter_batch(self, table: int, forward: tuple[int, object] | None) -> None:
        """Begin a batch where a new forward pass comes to a table or a model that this batch has seen."""
        number, model = forward or (None, None)
        keys = [table] if forward is None else [table, model]
        again = any(key in self._seen and (number is None or self._seen[key] != number) for key in keys)
        if self._batch < 0 or (not self._seen if self._explicit else again):
            if self._batch + 1 == self._limit:
                raise BatchLimitReached
            self._batch += 1
            self._seen.clear()
            if self._on_batch is not None:
                self._on_batch(self._batch)
        self._seen.update((key, number) for key in keys if key not in self._seen)
