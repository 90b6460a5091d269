"""The forward passes of modules as they run: whose lookups these are, and what ran elsewhere or not as usual."""

import contextlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from threading import current_thread, get_ident
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from recnmp.trace.weights import address_of


class Forwards:
    """Knows the forward pass that is under way, of which outermost module, and that module's parameters.

    Args:
        on_root: called with a module when it is first seen as the outermost one.

    ``elsewhere`` names the threads, other than the capturing one, in which embeddings were looked up; threads
    that ran before capture began are seen by their modules alone. ``linear`` holds the (inputs, outputs) of
    the linear layers in the order in which they first ran; ``compiled`` tells whether compiled code was called.
    """

    def __init__(self, on_root: Callable[[nn.Module], None]) -> None:
        self.elsewhere: dict[str, None] = {}
        self.linear: dict[int, tuple[int, int]] = {}
        self.compiled = False
        self._on_root = on_root
        self._thread = get_ident()
        self._running: list[nn.Module] = []
        self._passes = 0
        self._roots: dict[int, nn.Module] = {}

    @property
    def current(self) -> tuple[int, int] | None:
        """Number of the forward pass under way and identity of its outermost module, or None."""
        return (self._passes, id(self._running[0])) if self._running else None

    @property
    def innermost(self) -> nn.Module | None:
        """The module whose forward runs, not one of those around it."""
        return self._running[-1] if self._running else None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Follow the modules that run inside the ``with`` block."""
        self._thread = get_ident()
        before = register_module_forward_pre_hook(self._begin)
        after = register_module_forward_hook(self._end, always_call=True)
        try:
            with warnings.catch_warnings(), _new_threads(self._looked_up_elsewhere):
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
                address = address_of(tensor) if isinstance(tensor, Tensor) else None
                if address is not None:
                    short = name.replace("_orig_mod.", "").removesuffix("weight").removesuffix(".")
                    names.setdefault(address, short or type(root).__name__)
        return names

    def name_of(self, module: nn.Module | None) -> str | None:
        """Return the name of ``module`` in the outermost module that has it."""
        for root in self._roots.values():
            for name, found in root.named_modules():
                if found is module:
                    return name.replace("_orig_mod.", "") or type(root).__name__
        return None

    def _looked_up_elsewhere(self) -> None:
        self.elsewhere[current_thread().name] = None

    def _begin(self, module: nn.Module, _args: Any) -> None:
        if get_ident() != self._thread:
            if isinstance(module, nn.Embedding | nn.EmbeddingBag):
                self._looked_up_elsewhere()
            return
        if not self._running:
            self._passes += 1
            if id(module) not in self._roots:
                self._roots[id(module)] = module
                self._on_root(module)
        if isinstance(module, nn.Linear):
            self.linear.setdefault(id(module), (module.in_features, module.out_features))
        # the class is not imported: that of torch.compile takes seconds
        self.compiled |= type(module).__name__ == "OptimizedModule"
        self._running.append(module)

    def _end(self, module: nn.Module, _args: Any, _output: Any) -> None:
        if get_ident() == self._thread and any(module is running for running in self._running):
            while self._running.pop() is not module:
                pass  # modules that an error left without a word


class _Listener(TorchDispatchMode):
    """Reports embedding operators of the thread that it is entered in, until ``on`` is cleared."""

    supports_higher_order_operators = True

    def __init__(self, on: threading.Event, report: Callable[[], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on, self._report = on, report

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        schema = getattr(func, "_schema", None)
        if self._on.is_set() and schema is not None and "embedding" in schema.name:
            self._report()
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _new_threads(report: Callable[[], None]) -> Iterator[None]:
    """Call ``report`` in every thread that starts inside the ``with`` block and looks embeddings up.

    ``threading.setprofile`` is Python's hook for the start of threads; modules are not needed for it, and
    what a thread class overrides does not matter.
    """
    on, before = threading.Event(), threading.getprofile()
    on.set()

    def begin(frame: Any, event: Any, argument: Any) -> None:
        sys.setprofile(before)
        if on.is_set():
            _Listener(on, report).__enter__()  # type: ignore[no-untyped-call]
        if before is not None:
            before(frame, event, argument)

    threading.setprofile(begin)
    try:
        yield
    finally:
        on.clear()
        threading.setprofile(before)
