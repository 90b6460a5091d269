"""The tensors behind embedding tables: which table a weight shows, and what its entries hold."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recnmp.errors import RecnmpError
from recnmp.trace import layouts
from recnmp.trace.layouts import Layout

_MOST_TABLES, _MOST_ENTRIES = 1 << 16, 1 << 32

OF_TENSORS = {
    torch.float32: layouts.FP32,
    torch.float16: layouts.FP16,
    torch.bfloat16: layouts.BF16,
    torch.float64: layouts.FP64,
}
"""How tensors of numbers hold entries."""

_OWN = {4: "float16", 8: "float32"}


@dataclass(frozen=True)
class TablePlace:
    """Where the entries of a table lie in a tensor's storage; equal places are one table.

    Attributes:
        address: of the storage; of the packed object where PyTorch hides the storage.
        phase: elements from the start of the storage to entry 0.
        stride: elements from one entry to the next.
        dim: elements of an entry.
    """

    address: int
    phase: int
    stride: int
    dim: int


@dataclass(frozen=True)
class TableSource:
    """One table as the model holds it.

    Attributes:
        place: its identity.
        layout: how its entries are stored.
        rows: the whole table, shape (entries, dim) of floating-point numbers, or of bytes, an entry each.
            It keeps the storage alive, so that its address stays its own.
        dim: elements of an entry.
        packed: whether PyTorch keeps it in a packed object, whose storage no parameter names.
    """

    place: TablePlace
    layout: Layout
    rows: Tensor
    dim: int
    packed: bool = False

    @property
    def entries(self) -> int:
        """Entries of the table."""
        return len(self.rows)

    def values(self, entry: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the elements of the given entries as they are now, shape (n, dim)."""
        elements, bias = self._read(entry)
        return elements if bias is None else elements + bias

    def magnitudes(self, entry: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what rounding of a sum of these entries is relative to, shape (n, dim).

        For codes that is code * scale and bias apart: the two may cancel.
        """
        elements, bias = self._read(entry)
        magnitudes: NDArray[np.float32] = np.abs(elements)
        return magnitudes if bias is None else magnitudes + np.abs(bias)

    def _read(self, entry: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        if self.rows.device.type == "cpu" and self.rows.dtype in (torch.float32, torch.uint8):
            rows: NDArray[Any] = np.take(self.rows.numpy(), entry, axis=0)
        else:
            read = self.rows.index_select(0, torch.from_numpy(entry).to(self.rows.device)).cpu()
            rows = (read if read.dtype == torch.uint8 else read.float()).numpy()
        return self.layout.decode(rows, self.dim) if rows.dtype == np.uint8 else (rows, None)


class Tables:
    """The tables seen so far, numbered in the order of their first lookup, and the weights that may become some.

    Args:
        registered: tensors of shape (entries, dim) whose indexing is a lookup although they are no parameters,
            by name.

    ``passed_over`` counts indexed tensors of a table's shape that are none of these.
    """

    def __init__(self, registered: dict[str, Tensor]) -> None:
        self.passed_over = 0
        self._numbers: dict[TablePlace, tuple[int, TableSource]] = {}
        self._packed: dict[int, tuple[Any, TableSource]] = {}  # a held object keeps its address its own
        self._indexable: dict[int, Tensor] = {}
        self.expect(registered.values())
        self.names = {tensor.untyped_storage().data_ptr(): name for name, tensor in registered.items()}

    def number(self, source: TableSource) -> int:
        """Return the number of the table, a new one at first sight."""
        number, _ = self._numbers.setdefault(source.place, (len(self._numbers), source))
        self._indexable.setdefault(source.place.address, source.rows)
        if source.entries > _MOST_ENTRIES:
            raise RecnmpError(f"an embedding table of {source.entries:,} entries: a trace holds at most 2^32")
        if number >= _MOST_TABLES:
            raise RecnmpError("more than 65,536 tables: are the weights computed anew in every forward pass?")
        return number

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[TableSource]:
        return (source for _, source in self._numbers.values())

    def expect(self, tensors: Iterable[Tensor]) -> None:
        """Take indexing of these tensors, where they have two dimensions or more, for lookups from now on."""
        for tensor in tensors:
            address = address_of(tensor) if tensor.dim() >= 2 and tensor.is_floating_point() else None
            if address is not None:
                self._indexable.setdefault(address, tensor)

    def may_be_indexed(self, weight: Tensor) -> bool:
        """Tell whether ``weight`` is a parameter, a registered tensor or a known table, or a view of one."""
        return isinstance(weight, nn.Parameter) or address_of(weight) in self._indexable

    def packed(self, packed: Any, pruned: bool) -> TableSource:
        """Return the table in one of PyTorch's packed objects; it is unpacked once."""
        if pruned:
            raise RecnmpError("a pruned embedding table: a trace has no mapping of its compressed indices")
        key = hash(packed)  # such objects have no ==
        if key not in self._packed:
            weight = torch.ops.quantized.embedding_bag_unpack(packed)
            layout = layouts.ROWS_OF_8_BITS if weight.dtype == torch.quint8 else layouts.ROWS_OF_4_BITS
            scale = weight.q_per_channel_scales().float()
            bias = -(weight.q_per_channel_zero_points().float() * scale)
            own = torch.stack([scale, bias], dim=1).to(getattr(torch, _OWN[layout.scale_bytes]))
            rows = torch.cat([weight.int_repr().reshape(len(own), -1), own.view(torch.uint8)], dim=1)
            place = TablePlace(key, 0, rows.shape[1], rows.shape[1])
            self._packed[key] = packed, TableSource(place, layout, rows, weight.shape[1], packed=True)
        return self._packed[key][1]


def address_of(tensor: Tensor) -> int | None:
    """Return the address of a tensor's storage; None where it has none: sparse ones, wrappers around others."""
    if tensor.layout != torch.strided:
        return None
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):
        return None


def table_of(weight: Tensor, layout: Layout | None = None) -> tuple[TableSource, int]:
    """Return the table that ``weight``, the whole of it or a slice, shows, and the entry at which it starts.

    ``layout`` is that of rows of bytes. Raises RecnmpError for a type that holds no entries and for entries that
    are not contiguous.
    """
    layout = layout or OF_TENSORS.get(weight.dtype)
    address = address_of(weight)
    if layout is None or address is None:
        kind = weight.dtype if layout is None else f"{type(weight).__name__}, which has no storage of its own"
        raise RecnmpError(f"an embedding table of {kind}: capture does not know how it holds entries")
    entries, width = weight.shape
    stride = weight.stride(0) if entries > 1 else max(width, 1)
    if not has_whole_entries(weight):
        raise RecnmpError(
            f"an embedding table of shape ({entries}, {width}) has strides {weight.stride()}: "
            "its entries are not contiguous in memory"
        )
    first, phase = divmod(int(weight.storage_offset()), stride)
    elements = weight.untyped_storage().nbytes() // weight.element_size()
    whole = (elements - phase - width) // stride + 1
    rows = weight.detach().as_strided((whole, width), (stride, 1), phase)
    place = TablePlace(address, phase, stride, width)
    dim = layout.dim(width) if weight.dtype == torch.uint8 else width
    return TableSource(place, layout, rows, dim), first


def has_whole_entries(weight: Tensor) -> bool:
    """Tell whether the entries of a weight of two dimensions are contiguous in memory."""
    entries, width = weight.shape
    stride = weight.stride(0) if entries > 1 else max(width, 1)
    return stride >= width and (width <= 1 or weight.stride(1) == 1)
