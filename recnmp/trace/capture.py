"""Capture: every embedding lookup of a PyTorch run, without a change to the model.

``Capture`` watches the operators that PyTorch executes, so it sees modules, functional calls, slices and
indexing of weights, quantised and fused tables, and compiled code alike. A table is a weight storage: slices of
one weight read one table. A batch ends where a new forward pass comes to a model or table that it has already
seen, or where ``new_batch`` says.

Not captured, and an error where it can be seen: other threads and processes; tables of other types than FP32
and ``int8_rowwise``, unless told as which of them to record those. Not captured, and counted: indexing of
tensors that are no parameters. Not seen: replayed CUDA graphs, code without PyTorch operators. What pools
nothing, an ``nn.Embedding`` of a (B, S) input, counts as B * S bags of one lookup.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

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
from torch.utils._python_dispatch import TorchDispatchMode

from recnmp.trace.forwards import Forwards
from recnmp.trace.layouts import Layout
from recnmp.trace.operators import EmbeddingCall, Reader
from recnmp.trace.proof import Proof
from recnmp.trace.readers import reader_of
from recnmp.trace.recorder import BatchLimitReached, Recorder
from recnmp.trace.running import capture_target, run_captured
from recnmp.trace.trace import DTYPES, Table, Trace
from recnmp.trace.weights import Tables, TableSource
from recnmp.units import TableDtype

__all__ = ["BatchLimitReached", "Capture", "capture_target", "run_captured"]


class Capture(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the embedding lookups of what runs inside its ``with`` block, in this thread.

    >>> with Capture() as capture:  # doctest: +SKIP
    ...     model(features, indices, offsets)
    >>> trace = capture.trace()  # doctest: +SKIP

    Args:
        batches: leave the ``with`` block when a further batch begins.
        on_batch: called with the number of every batch that begins, from 0.
        check: replay every call by NumPy and compare it with what the model got; see ``recnmp.trace.proof``.
        tables: tensors by name, shape (entries, dim), whose indexing (``tensor[ids]``) is a lookup although
            they are no parameters or buffers of a module.
        table_dtype: as what a trace records tables of types that it does not have (FP16, 4 bits, ...); an error
            when None. The lookups and their proof stay exact, the bytes of an entry become those of this type.

    Attributes:
        proof: what was compared, or None without ``check``.
        own_seconds: time that reading, recording and comparing calls took; not what PyTorch takes to hand
            every operator over.
    """

    supports_higher_order_operators = True

    def __init__(
        self,
        batches: int | None = None,
        on_batch: Callable[[int], None] | None = None,
        *,
        check: bool = True,
        tables: Mapping[str, Tensor] | None = None,
        table_dtype: TableDtype | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.proof = Proof() if check else None
        self.own_seconds = 0.0
        self._recorder = Recorder(batches, on_batch)
        self._tables = Tables(dict(tables or {}))
        self._table_dtype = table_dtype
        self._forwards = Forwards(self._expect)
        self._readers: dict[Any, tuple[str, list[str], Reader] | None] = {}
        self._module_of_packed: dict[int, nn.Module | None] = {}

    def __enter__(self) -> "Capture":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._forwards.watched())
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            super().__enter__()  # type: ignore[no-untyped-call]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> bool:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._stack.close()
        return isinstance(error[1], BatchLimitReached)  # all that was wanted is there

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and, if it is an embedding lookup, record what it read."""
        kwargs = kwargs or {}
        if func not in self._readers:
            self._readers[func] = _known(func)
        known = self._readers[func]
        result = func(*args, **kwargs)
        if known is None:
            return result
        begin = time.perf_counter()
        name, names, read = known
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        if not any(map(_is_hollow, given.values())):  # inference of shapes reads nothing
            for n, call in enumerate(read(name, given, result, self._tables)):
                self._record(call, continues=n > 0)
        self.own_seconds += time.perf_counter() - begin
        return result

    def new_batch(self) -> None:
        """Say that the next lookup begins a batch; from the first time on, nothing else begins one."""
        self._recorder.new_batch()

    @property
    def linear_layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of the ``nn.Linear`` layers that ran, in the order of their first run."""
        return list(self._forwards.linear.values())

    @property
    def recorded_as(self) -> dict[str, TableDtype]:
        """The types of tables that a trace does not have, and as which it records them."""
        layouts = (source.layout for source in self._tables)
        return {layout.name: self._dtype(layout) for layout in layouts if layout.dtype is None}

    @property
    def notes(self) -> list[str]:
        """What whoever reads the trace should know of the run, a sentence each."""
        notes = [
            f"tables of {name} are recorded as {dtype}: their lookups are exact, the bytes of an entry are not"
            for name, dtype in self.recorded_as.items()
        ]
        if self._forwards.compiled:
            notes.append("compiled code ran eagerly: its operators are those that were compiled")
        if self._tables.passed_over:
            notes.append(f"{self._passed_over()}, was not taken for lookups")
        if self.proof is not None and self.proof.incomparable:
            notes.append(f"{self.proof.incomparable} bags hold values that are not finite and prove nothing")
        return notes

    def trace(self, meta: Mapping[str, Any] | None = None) -> Trace:
        """Return what was captured so far, with ``meta`` as its provenance.

        Raises RecnmpError when nothing was, or when embeddings were looked up where capture cannot see them.
        """
        if self._forwards.elsewhere:
            raise RecnmpError(
                f"embeddings were looked up in another thread ({', '.join(self._forwards.elsewhere)}), where "
                "capture cannot record them: run the model in the thread that entered capture"
            )
        if not self._recorder.calls:
            passed_over = f"; {self._passed_over()}, was seen" if self._tables.passed_over else ""
            raise RecnmpError(
                "nothing was captured: no embedding operator ran in this thread and process while capture was "
                "on (nn.Embedding, nn.EmbeddingBag, their functional, quantised and FBGEMM forms and indexing of "
                f"parameters are seen){passed_over}"
            )
        trace = self._recorder.trace(self._named_tables(), meta or {})
        if self.proof is not None:
            self.proof.confirm(trace)
        return trace

    def _passed_over(self) -> str:
        times = self._tables.passed_over
        return (
            f"indexing of tensors that are no parameters, {times} time{'s' * (times != 1)} "
            "(make them parameters or give them as Capture(tables=...))"
        )

    def _expect(self, root: nn.Module) -> None:
        self._tables.expect([*root.parameters(), *root.buffers()])

    def _dtype(self, layout: Layout) -> TableDtype:
        dtype = layout.dtype or self._table_dtype
        if dtype is None:
            raise RecnmpError(
                f"an embedding table of {layout.name}: a trace has no such type; --table-dtype, or "
                f"Capture(table_dtype=...), says as which its lookups are to be recorded: {' or '.join(DTYPES)}"
            )
        return dtype

    def _record(self, call: EmbeddingCall, continues: bool) -> None:
        self._dtype(call.source.layout)
        table = self._tables.number(call.source)
        if call.source.packed:
            self._module_of_packed.setdefault(call.source.place.address, self._forwards.innermost)
        self._recorder.record(
            table,
            self._forwards.current,
            call.entry,
            call.lengths,
            call.weight_of_lookup,
            pooling=call.pooling,
            continues=continues,
        )
        if self.proof is not None:
            self.proof.check(call, table)

    def _named_tables(self) -> list[Table]:
        """Return the tables in the order of their numbers, under distinct names."""
        names = {**self._forwards.names(), **self._tables.names}
        tables: list[Table] = []
        taken: set[str] = set()
        for number, source in enumerate(self._tables):
            name = self._name(source, names) or f"table{number}"
            name = name if name not in taken else f"{name}#{number}"
            taken.add(name)
            tables.append(Table(name, source.entries, source.dim, self._dtype(source.layout)))
        return tables

    def _name(self, source: TableSource, names: Mapping[int, str]) -> str | None:
        address = source.place.address
        if source.packed:
            return self._forwards.name_of(self._module_of_packed.get(address))
        return names.get(address)


def _known(func: Any) -> tuple[str, list[str], Reader] | None:
    """Return name, argument names and reader of an operator; None if it looks nothing up."""
    schema = getattr(func, "_schema", None)  # higher-order operators have none
    if schema is None:
        return None
    names = [argument.name for argument in schema.arguments]
    reader = reader_of(schema.name, set(names))
    return None if reader is None else (schema.name, names, reader)


def _is_hollow(value: object) -> bool:
    """Tell whether ``value`` is a tensor without elements of its own, with which shapes are inferred."""
    if not isinstance(value, Tensor):
        return False
    return value.device.type == "meta" or type(value).__name__ in ("FakeTensor", "FunctionalTensor")
