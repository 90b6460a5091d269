"""The tensors behind embedding tables: which table a weight shows, and what its entries hold."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recnmp.errors import RecnmpError
from recnmp.trace.trace import SCALE_AND_BIAS_BYTES
from recnmp.units import TableDtype

_MOST_TABLES = 1 << 16


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
        dtype: how its entries are stored.
        rows: the whole table, shape (entries, dim) of FP32, or (entries, dim + 8) of bytes: codes, scale, bias.
            It keeps the storage alive, so that its address stays its own.
        packed: whether PyTorch keeps it in a packed object, whose storage no parameter names.
    """

    place: TablePlace
    dtype: TableDtype
    rows: Tensor
    packed: bool = False

    @property
    def entries(self) -> int:
        """Entries of the table."""
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Elements of an entry."""
        return self.rows.shape[1] - (SCALE_AND_BIAS_BYTES if self.dtype == "int8_rowwise" else 0)

    def values(self, entry: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the elements of the given entries as they are now, shape (n, dim)."""
        if self.dtype == "fp32":
            return self._read(entry)
        codes, bias = self._codes(entry)
        return codes + bias

    def magnitudes(self, entry: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what rounding of a sum of these entries is relative to, shape (n, dim).

        For 8-bit entries that is code * scale and bias apart: the two may cancel.
        """
        if self.dtype == "fp32":
            magnitudes: NDArray[np.float32] = np.abs(self._read(entry))
            return magnitudes
        codes, bias = self._codes(entry)
        return np.abs(codes) + np.abs(bias)

    def _codes(self, entry: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows = self._read(entry)
        scale, bias = np.ascontiguousarray(rows[:, self.dim :]).view("<f4").T
        return rows[:, : self.dim] * scale[:, None], bias[:, None]

    def _read(self, entry: NDArray[np.int64]) -> NDArray[Any]:
        rows: NDArray[Any]
        if self.rows.device.type == "cpu":
            rows = np.take(self.rows.numpy(), entry, axis=0)
        else:
            rows = self.rows.index_select(0, torch.from_numpy(entry).to(self.rows.device)).cpu().numpy()
        return rows


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
            if tensor.layout == torch.strided and tensor.dim() >= 2 and tensor.is_floating_point():
                self._indexable.setdefault(tensor.untyped_storage().data_ptr(), tensor)

    def may_be_indexed(self, weight: Tensor) -> bool:
        """Tell whether ``weight`` is a parameter, a registered tensor or a known table, or a view of one."""
        return isinstance(weight, nn.Parameter) or weight.untyped_storage().data_ptr() in self._indexable

    def packed(self, packed: Any, pruned: bool) -> TableSource:
        """Return the 8-bit table in one of PyTorch's packed objects; it is unpacked once."""
        if pruned:
            raise RecnmpError("a pruned embedding table: a trace has no mapping of its compressed indices")
        key = hash(packed)  # such objects have no ==
        if key not in self._packed:
            weight = torch.ops.quantized.embedding_bag_unpack(packed)
            if weight.dtype != torch.quint8:
                raise unsupported(weight.dtype)
            scale = weight.q_per_channel_scales().float()
            bias = -(weight.q_per_channel_zero_points().float() * scale)
            parts = [
                weight.int_repr(),
                *(x.reshape(-1, 1).contiguous().view(torch.uint8) for x in (scale, bias)),
            ]
            rows = torch.cat(parts, dim=1)
            place = TablePlace(key, 0, rows.shape[1], rows.shape[1])
            self._packed[key] = packed, TableSource(place, "int8_rowwise", rows, packed=True)
        return self._packed[key][1]


def table_of(weight: Tensor, dtype: TableDtype = "fp32") -> tuple[TableSource, int]:
    """Return the table that ``weight``, the whole of it or a slice, shows, and the entry at which it starts.

    Raises RecnmpError for elements of another type than ``dtype`` has and for entries that are not contiguous.
    """
    expected = torch.float32 if dtype == "fp32" else torch.uint8
    if weight.dtype != expected:
        raise unsupported(weight.dtype)
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
    place = TablePlace(weight.untyped_storage().data_ptr(), phase, stride, width)
    return TableSource(place, dtype, rows), first


def has_whole_entries(weight: Tensor) -> bool:
    """Tell whether the entries of a weight of two dimensions are contiguous in memory."""
    entries, width = weight.shape
    stride = weight.stride(0) if entries > 1 else max(width, 1)
    return stride >= width and (width <= 1 or weight.stride(1) == 1)


def unsupported(dtype: object) -> RecnmpError:
    """Return the error for a table whose elements a trace has no type for."""
    return RecnmpError(
        f"an embedding table of {dtype}: capture supports torch.float32 and 8-bit entries with an FP32 scale and "
        "bias each (int8_rowwise)"
    )
