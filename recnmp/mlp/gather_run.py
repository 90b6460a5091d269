"""The process that gathers: allocates tables, and times PyTorch's embedding bags over a trace's lookups."""

import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from recnmp.mlp.gather_plan import PlannedTable
from recnmp.mlp.process import RUNNING
from recnmp.units import TableDtype

_BLOCK = 1 << 20


class _Call(NamedTuple):
    table: int
    first_slot: Tensor
    slot: Tensor
    offsets: Tensor


class Gather:
    """Tables in memory as PyTorch allocates it, and the calls of a pass over the trace."""

    def __init__(self, file: Path, dtype: TableDtype) -> None:
        with np.load(file) as arrays:
            self._tables = [PlannedTable(*map(int, row)) for row in arrays["tables"]]
            self._calls = list(_calls({name: arrays[name] for name in arrays.files}))
            self._group = arrays["group"]
        self._weights = [_filled(table.slots, table.dim, dtype) for table in self._tables]
        self._dtype = dtype

    def prepare(self, number: int) -> None:
        """Set the indices of pass ``number``; this is not timed, as indices arrive ready in service."""
        for call in self._calls:
            torch.add(call.first_slot, self._tables[call.table].offset(number), out=call.slot)

    @property
    def groups(self) -> int:
        """Groups of calls, each timed by itself."""
        return int(self._group[-1]) + 1

    def run(self, group: int) -> None:
        """Look up and sum every bag of a group of calls."""
        for at in np.flatnonzero(self._group == group):
            call = self._calls[at]
            pool(self._weights[call.table], call.slot, call.offsets, self._dtype)


def pool(weight: Tensor, slot: Tensor, offsets: Tensor, dtype: TableDtype) -> Tensor:
    """Return the sums of all bags, shape (bags, dim), by the operator for tables of ``dtype``."""
    if dtype == "fp32":
        return F.embedding_bag(slot, weight, offsets, mode="sum", include_last_offset=True)
    rowwise: Callable[..., Tensor] = torch.ops.quantized.embedding_bag_byte_rowwise_offsets
    return rowwise(weight, slot, offsets, False, 0, False, None, None, True)


def _calls(arrays: dict[str, Any]) -> Iterator[_Call]:
    slot = offset = 0
    for table, lookups, ends in zip(arrays["table"], arrays["lookups"], arrays["ends"], strict=True):
        first = torch.from_numpy(arrays["slot"][slot : slot + lookups])
        offsets = torch.from_numpy(arrays["offsets"][offset : offset + ends])
        yield _Call(int(table), first, torch.empty_like(first), offsets)
        slot, offset = slot + lookups, offset + ends


def _filled(slots: int, dim: int, dtype: TableDtype) -> Tensor:
    """Return a table whose every page is written, so that each has memory of its own behind it."""
    rng = np.random.default_rng(dim)
    rows = max(1, min(slots, _BLOCK // dim))
    values = rng.random((rows, dim), np.float32)
    block = torch.from_numpy(values)
    if dtype == "int8_rowwise":
        codes = (values * 255).astype(np.uint8)
        scale_and_bias = np.tile(np.array([2**-8, -0.5], np.float32).view(np.uint8), (rows, 1))
        block = torch.from_numpy(np.concatenate((codes, scale_and_bias), axis=1))
    table = torch.empty((slots, block.shape[1]), dtype=block.dtype)
    for start in range(0, slots, rows):
        part = table[start : start + rows]
        part.copy_(block[: len(part)])
    return table


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    torch.set_num_threads(request["threads"])
    torch.set_num_interop_threads(1)
    gather = Gather(Path(request["plan"]), request["dtype"])
    gc.disable()
    passes, stop = request["passes"], threading.Event()
    sys.stdin.readline()
    samples: dict[str, list[int]] = {"group": [], "began_ns": [], "ns": [], "cpu": []}
    _timed(gather, 0, {key: [] for key in samples})  # warm-up
    if passes is None:
        sys.stdout.write(f"{RUNNING}\n")
        sys.stdout.flush()
        threading.Thread(target=_set_on_a_line, args=(stop,), daemon=True).start()
    cpu_ns = number = 0
    while number < passes if passes is not None else not stop.is_set():
        number += 1
        cpu_ns += _timed(gather, number, samples)
    return {"backend": f"torch {torch.__version__}", **samples, "cpu_ns": cpu_ns}


def _timed(gather: Gather, number: int, samples: dict[str, list[int]]) -> int:
    """Make pass ``number``, add a sample for each group, and return the CPU time [ns] of all of them."""
    gather.prepare(number)
    cpu_ns = 0
    for group in range(gather.groups):
        cpu, began = time.process_time_ns(), time.perf_counter_ns()
        gather.run(group)
        samples["ns"].append(time.perf_counter_ns() - began)
        samples["cpu"].append(time.process_time_ns() - cpu)
        samples["began_ns"].append(began)
        samples["group"].append(group)
        cpu_ns += samples["cpu"][-1]
    return cpu_ns


def _set_on_a_line(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


if __name__ == "__main__":
    with torch.inference_mode():
        answer = _answer(json.loads(sys.stdin.readline()))
    sys.stdout.write(json.dumps(answer) + "\n")
