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
from numba.core import cgutils, types
from numba.extending import intrinsic

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


JITTED: bool = not getattr(numba.config, "DISABLE_JIT")  # noqa: B009
"""Whether kernels are machine code, and so may run in several threads that tell each other."""


def _word(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return the address of element ``args[1]`` of the array ``args[0]``."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
        context, builder, signature.args[0], array, [args[1]]
    )


def _seen(_: Any, words: Any, i: Any) -> Any:
    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_word(context, builder, signature, args), ordering="acquire", align=8)

    return types.int64(words, types.intp), make


def _tell(_: Any, words: Any, i: Any, value: Any) -> Any:
    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _word(context, builder, signature, args), ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), make


def _take(_: Any, words: Any, i: Any, old: Any, new: Any) -> Any:
    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = _word(context, builder, signature, args)
        swapped = builder.cmpxchg(word, args[2], args[3], ordering="acq_rel", failordering="acquire")
        return builder.extract_value(swapped, 1)

    return types.boolean(words, types.intp, types.int64, types.int64), make


def _count_one(_: Any, words: Any, i: Any) -> Any:
    def make(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = context.get_constant(types.int64, 1)
        return builder.atomic_rmw("add", _word(context, builder, signature, args), one, "acq_rel")

    return types.int64(words, types.intp), make


index: _Function = inlined(lambda i: np.uintp(i)) if JITTED else lambda i: i
"""Marks a number that is no less than zero, so that no code is made for indexing from an array's end."""

popcount: _Function = inlined(_popcount) if JITTED else lambda word: int(word).bit_count()
"""Counts the set bits of a ``uint64``, for kernels."""

# What threads in kernels tell each other: ``words`` (int64) that are read and written whole, and all that was written
# before a word is told is there for who has seen it. Plain Python knows one thread only.


def _plainly_tell(words: Any, i: int, value: int) -> None:
    words[i] = value


def _plainly_take(words: Any, i: int, old: int, new: int) -> bool:
    words[i] = new
    return True


def _plainly_count(words: Any, i: int) -> int:
    words[i] += 1
    return int(words[i]) - 1


seen: _Function = intrinsic(_seen) if JITTED else lambda words, i: words[i]
"""Reads ``words[i]``."""

tell: _Function = intrinsic(_tell) if JITTED else _plainly_tell
"""Writes ``words[i]``: ``tell(words, i, value)``."""

take: _Function = intrinsic(_take) if JITTED else _plainly_take
"""``take(words, i, old, new)`` writes ``new`` if ``words[i]`` is ``old``, and tells whether it was."""

count_one: _Function = intrinsic(_count_one) if JITTED else _plainly_count
"""Adds 1 to ``words[i]``."""

give_way: _Function = types.ExternalFunction("sched_yield", types.int32()) if JITTED else lambda: 0
"""Lets another thread have the core."""
