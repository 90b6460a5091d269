"""The only door to numba: how kernels are compiled and where their machine code is kept.

Numba decides whether a cached function is fresh by the time stamp of its own file alone, so an edited
helper in another file leaves stale machine code and silently wrong numbers. Here the cache folder is named
by a digest of every kernel source in the package, so an edit anywhere starts a new folder.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

_Function = Callable[..., Any]


def kernel_digest(package: Path = Path(__file__).parent) -> str:
    """Return a digest of this door, every ``_kernels.py`` below ``package`` and all replacement policies."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    # a policy is one file, so its kernel stands in it
    for path in sorted([*package.rglob("_kernels.py"), *package.glob("cache/policies/*.py")]):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    base = os.environ.get("RECNMP_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(base) if base else Path.home() / ".cache"


setattr(numba.config, "CACHE_DIR", str(_cache_folder() / "recnmp" / f"kernels-{kernel_digest()}"))  # noqa: B010


# neither allocates nor counts references: kernels work on the arrays they are given
_OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False}
# only called by other kernels: no entry from Python, no machine code of its own on disk
_INTERNAL = _OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def jit(function: _Function) -> _Function:
    """Compile ``function``, a kernel called from Python, and keep its machine code between processes.

    A kernel runs without the GIL and may not allocate. ``NUMBA_DISABLE_JIT=1`` leaves it plain Python, which
    is how the suite measures kernel coverage.
    """
    compiled: _Function = numba.njit(cache=True, **_OPTIONS)(function)
    return compiled


def helper(function: _Function) -> _Function:
    """Compile ``function``, called by kernels only."""
    compiled: _Function = numba.njit(**_INTERNAL)(function)
    return compiled


def inlined(function: _Function) -> _Function:
    """Compile ``function`` into every kernel that calls it: for small, hot helpers."""
    compiled: _Function = numba.njit(forceinline=True, **_INTERNAL)(function)
    return compiled


def spliced(function: _Function) -> _Function:
    """Make ``function`` part of the source of every kernel that calls it, never compiled on its own.

    For what calls a large kernel: each function compiled between the two would have the large one compiled again.
    """
    compiled: _Function = numba.njit(inline="always", **_INTERNAL)(function)
    return compiled


def _popcount(word: Any) -> Any:
    # the one form that LLVM turns into a single instruction; the product is meant to overflow
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = np.uint64(0x3333333333333333)
    word = (word & fours) + ((word >> np.uint64(2)) & fours)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


_JITTED = not getattr(numba.config, "DISABLE_JIT")  # noqa: B009

index: _Function = inlined(lambda i: np.uintp(i)) if _JITTED else lambda i: i
"""Marks a number that is no less than zero, so that no code is made for indexing from an array's end."""

popcount: _Function = inlined(_popcount) if _JITTED else lambda word: int(word).bit_count()
"""Counts the set bits of a ``uint64``, for kernels."""
