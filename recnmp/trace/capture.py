"""Capture: every embedding lookup of a PyTorch run, without a change to the model.

``Capture`` watches the operators that PyTorch executes, so it sees modules, functional calls, slices of
weights and compiled code alike. A table is a weight storage: slices of one weight read one table. A batch
ends where a new forward pass comes to a model or table that it has already seen, or where ``new_batch`` says.

Not captured: indexing such as ``weight[ids]``, and what runs in other threads or processes (an error where it
can be seen). Quantised tables and TorchRec's fused operators are an error, never skipped. An ``nn.Embedding``
of a (B, S) input counts as B * S bags of one lookup.
"""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np

from recnmp.errors import ConfigError, RecnmpError

try:
    import torch
except ModuleNotFoundError as missing:
    if missing.name != "torch":
        raise
    raise ConfigError(
        "capturing needs PyTorch: install torch 2.6 or later (the build you want), then 'recnmp[torch]'"
    ) from None

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from recnmp.trace.operators import EmbeddingCall, TablePlace, is_lookup, read_call
from recnmp.trace.recorder import BatchLimitReached, Recorder
from recnmp.trace.storage import save_trace
from recnmp.trace.targets import find_target
from recnmp.trace.trace import Table, Trace


class Capture(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the embedding lookups of what runs inside its ``with`` block, in this thread.

    >>> with Capture() as capture:  # doctest: +SKIP
    ...     model(features, indices, offsets)
    >>> trace = capture.trace()  # doctest: +SKIP

    Args:
        batches: end the run, by ``recorder.BatchLimitReached``, when a further batch begins.
        on_batch: called with the number of every batch that begins, from 0.
    """

    supports_higher_order_operators = True

    def __init__(self, batches: int | None = None, on_batch: Callable[[int], None] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._recorder = Recorder(batches, on_batch)
        self._forwards = _Forwards()
        self._tables: dict[TablePlace, tuple[int, Tensor]] = {}  # a held weight keeps its address its own

    def __enter__(self) -> "Capture":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._forwards.watched())
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            super().__enter__()  # type: ignore[no-untyped-call]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._stack.close()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and, if it is an embedding lookup, record what it read."""
        kwargs = kwargs or {}
        schema = getattr(func, "_schema", None)  # higher-order operators have none
        if schema is None or not is_lookup(schema.name):
            return func(*args, **kwargs)
        result = func(*args, **kwargs)
        names = [argument.name for argument in schema.arguments]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if given["weight"].device.type != "meta":  # inference of shapes reads nothing
            self._record(read_call(schema.name, given))
        return result

    def new_batch(self) -> None:
        """Say that the next lookup begins a batch; from the first time on, nothing else begins one."""
        self._recorder.new_batch()

    def trace(self, meta: Mapping[str, Any] | None = None) -> Trace:
        """Return what was captured so far, with ``meta`` as its provenance.

        Raises RecnmpError when nothing was, or when embedding modules ran where capture cannot see them.
        """
        if self._forwards.elsewhere:
            raise RecnmpError(
                f"{self._forwards.elsewhere} embedding forwards ran in another thread, where capture cannot "
                "see them: run the model in the thread that entered capture"
            )
        if not self._recorder.calls:
            raise RecnmpError(
                "nothing was captured: no embedding operator ran in this thread while capture was on "
                "(nn.Embedding, nn.EmbeddingBag and their functional forms are seen, weight[indices] is not)"
            )
        return self._recorder.trace(_tables(self._tables, self._forwards.names()), meta or {})

    def _record(self, call: EmbeddingCall) -> None:
        if call.weight.dtype != torch.float32:
            raise RecnmpError(f"an embedding table of {call.weight.dtype}: capture supports torch.float32")
        table, _ = self._tables.setdefault(call.place, (len(self._tables), call.weight))
        if table > 0xFFFF:
            raise RecnmpError("more than 65,536 tables: are the weights computed anew in every forward pass?")
        self._recorder.record(
            table,
            self._forwards.current,
            call.entry,
            call.bag,
            call.weight_of_lookup,
            bags=call.bags,
            pooling=call.pooling,
        )


class _Forwards:
    """Knows the forward pass that is under way, of which outermost module, and that module's parameters."""

    def __init__(self) -> None:
        self.elsewhere = 0
        self._thread = get_ident()
        self._running: list[nn.Module] = []
        self._passes = 0
        self._roots: dict[int, nn.Module] = {}

    @property
    def current(self) -> tuple[int, int] | None:
        """Number of the forward pass under way and identity of its outermost module, or None."""
        return (self._passes, id(self._running[0])) if self._running else None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Follow the modules that run inside the ``with`` block."""
        self._thread = get_ident()
        before = register_module_forward_pre_hook(self._begin)
        after = register_module_forward_hook(self._end, always_call=True)
        try:
            with warnings.catch_warnings():
                # compiled modules warn that they fire these hooks once more, which does no harm here
                warnings.filterwarnings("ignore", "Using `torch.compile", UserWarning)
                yield
        finally:
            before.remove()
            after.remove()
            self._running.clear()

    def names(self) -> dict[int, str]:
        """Return the name of the first parameter or buffer in each storage, by the storage's address."""
        names: dict[int, str] = {}
        for root in self._roots.values():
            for name, tensor in [*root.named_parameters(), *root.named_buffers()]:
                if isinstance(tensor, Tensor) and tensor.layout == torch.strided:
                    short = name.replace("_orig_mod.", "").removesuffix("weight").removesuffix(".")
                    short = short or type(root).__name__
                    names.setdefault(tensor.untyped_storage().data_ptr(), short)
        return names

    def _begin(self, module: nn.Module, _args: Any) -> None:
        if get_ident() != self._thread:
            self.elsewhere += isinstance(module, nn.Embedding | nn.EmbeddingBag)
            return
        if not self._running:
            self._passes += 1
            self._roots[id(module)] = module
        self._running.append(module)

    def _end(self, module: nn.Module, _args: Any, _output: Any) -> None:
        if get_ident() == self._thread and any(module is running for running in self._running):
            while self._running.pop() is not module:
                pass  # modules that an error left without a word


def _tables(places: Mapping[TablePlace, tuple[int, Tensor]], names: Mapping[int, str]) -> list[Table]:
    """Return the tables in the order of their numbers, under distinct names."""
    tables: list[Table] = []
    taken: set[str] = set()
    for place, (number, weight) in places.items():
        elements = weight.untyped_storage().nbytes() // weight.element_size()
        entries = (elements - place.phase - place.dim) // place.stride + 1
        name = names.get(place.address, f"table{number}")
        name = name if name not in taken else f"{name}#{number}"
        taken.add(name)
        tables.append(Table(name, entries, place.dim))
    return tables


def capture_target(
    target: str,
    *,
    out: Path | None = None,
    batches: int | None = None,
    batch_size: int | None = None,
    seed: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Trace:
    """Run ``target`` under capture and return its trace, written to ``out`` as well when given.

    Args:
        target: ``zoo:NAME`` (a file of library/models), ``SCRIPT.py [ARGUMENTS]``, or ``MODULE:FACTORY``,
            where ``FACTORY()`` returns a model and an iterable of inputs (tuple: positional, dict: by name).
        out: trace file to write.
        batches: batches to run; all when None, 8 for the zoo.
        batch_size: samples in a batch of the zoo, 64 when None; a script or factory has its own.
        seed: of the zoo's inputs; for scripts and factories, of the random generators of Python, NumPy and
            PyTorch before the start.
        progress: called with a line of text when a batch begins.

    Raises ConfigError for a target that does not exist or options that do not fit it, RecnmpError when it
    fails or makes no embedding lookups.
    """
    if out is not None and not Path(out).parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {Path(out).parent} to write to")
    what = find_target(target, batches=batches, batch_size=batch_size, seed=seed)

    def on_batch(number: int) -> None:
        if progress is not None:
            progress(f"{target}: batch {number + 1}" + (f" of {what.batches}" if what.batches else ""))

    capture = Capture(what.batches, on_batch)
    with contextlib.suppress(BatchLimitReached), capture:
        if what.uses_global_seed:
            _seed(seed)
        what.run(capture.new_batch)
    trace = capture.trace(what.meta)
    if out is not None:
        save_trace(trace, out)
    return trace


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the script's own draws, wherever it makes them
    torch.manual_seed(seed)
