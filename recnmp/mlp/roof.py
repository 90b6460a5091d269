"""The roofs of this CPU: a large matrix product, and copies in DRAM and in cache, each timed in a fresh process."""

import gc
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from recnmp.errors import ConfigError
from recnmp.library.host_times import Clock, Roof
from recnmp.library.machine import available_bytes, llc_bytes
from recnmp.library.part_timing import instability
from recnmp.mlp.process import Asked, check_threads, choose_backend
from recnmp.mlp.profiling import today
from recnmp.mlp.sampling import Clocks, time_call
from recnmp.mlp.timing import part_from_samples

GEMM_SIZE = 1024
"""Rows and columns of the matrices: 4 MiB each, larger than what is lost at the edges, smaller than any wait."""

CACHE_COPY_BYTES = 256 << 10
"""Copied within the second level of any server's cache, source and target together half a mebibyte."""

_UNKNOWN_LLC = 64 << 20


def dram_copy_bytes() -> int:
    """Return what is copied in DRAM: twice the last-level cache, at most an eighth of the free memory."""
    wanted = 2 * (llc_bytes() or _UNKNOWN_LLC)
    free = available_bytes()
    return wanted if free is None else min(wanted, free // 8)


def measure_roof(
    *, threads: int = 1, clock: Clock = "wall", repeats: int = 30, copied: int | None = None
) -> Roof:
    """Time an FP32 matrix product and two copies by PyTorch with ``threads`` threads on this CPU.

    ``copied`` bytes are copied in DRAM, by default those of `dram_copy_bytes`. ``clock`` cpu leaves out when other
    work had the core, for one thread. Raises ConfigError for threads without cores and without PyTorch.
    """
    if clock == "cpu" and threads > 1:
        raise ConfigError("clock cpu: that of one thread; allowed here: wall")
    check_threads(threads, "threads")
    choose_backend("torch")
    request = {
        "threads": threads,
        "clock": clock,
        "repeats": repeats,
        "gemm": GEMM_SIZE,
        "dram_copy": copied or dram_copy_bytes(),
        "cache_copy": CACHE_COPY_BYTES,
    }
    process = Asked("recnmp.mlp.roof", request, threads=threads, what="timing the machine's roofs")
    try:
        answer = process.answer()
    finally:
        process.close()
    parts = {name: part_from_samples(samples) for name, samples in answer["samples"].items()}
    share = round(answer["cpu_ns"] / (answer["wall_ns"] * threads), 3)
    return Roof(
        date=today(),
        backend=answer["backend"],
        threads=threads,
        clock=clock,
        gemm_size=request["gemm"],
        dram_copy_bytes=request["dram_copy"],
        cache_copy_bytes=request["cache_copy"],
        **parts,
        cpu_share=share,
        stable=not instability(parts, share),
    )


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Time what was asked for, in the fresh process, once the word comes."""
    import torch

    torch.set_num_threads(request["threads"])
    torch.set_num_interop_threads(1)
    gc.disable()
    size = request["gemm"]
    left, right, product = (torch.rand(size, size) for _ in range(3))
    calls: dict[str, Callable[[], Any]] = {"gemm": lambda: torch.mm(left, right, out=product)}
    for name in ("dram_copy", "cache_copy"):
        source = torch.ones(request[name] // 4)
        target = torch.zeros_like(source)
        calls[name] = partial(target.copy_, source)
    sys.stdin.readline()
    clocks = Clocks()
    clock = clocks.cpu if request["clock"] == "cpu" else clocks.wall
    wall, cpu = clocks.wall(), clocks.cpu()
    samples = {name: time_call(call, request["repeats"], clock) for name, call in calls.items()}
    return {
        "backend": f"torch {torch.__version__}",
        "samples": samples,
        "cpu_ns": clocks.cpu() - cpu,
        "wall_ns": max(clocks.wall() - wall, 1),
    }


if __name__ == "__main__":
    answered = _answer(json.loads(sys.stdin.readline()))
    sys.stdout.write(json.dumps(answered) + "\n")
