"""How memory holds an entry of an embedding table: what its bytes say, and what a trace calls it.

Codes of 8, 4 or 2 bits have a scale and a bias of their entry's own; element = code * scale + bias, and the
first element is in the lowest bits of a byte. PyTorch puts scale and bias behind the codes, FBGEMM in front.
Sources: github.com/pytorch/pytorch, aten/src/ATen/native/quantized/cpu/qembeddingbag_prepack.cpp;
github.com/pytorch/FBGEMM, fbgemm_gpu's split_embedding_configs.py and ``nbit`` kernels, release 1.8.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.units import TableDtype

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """A way to hold entries.

    Attributes:
        name: what messages call it.
        dtype: what a trace calls it; None where a trace has no such type.
        bits: bits of an element.
        scale: NumPy type of scale and bias; None where elements are floating-point numbers.
        in_front: whether scale and bias come before the codes.
        high_half: whether an element is the upper half of an FP32 number (BF16).
    """

    name: str
    dtype: TableDtype | None
    bits: int
    scale: str | None = None
    in_front: bool = False
    high_half: bool = False

    @property
    def scale_bytes(self) -> int:
        """Bytes of an entry's scale and bias together."""
        return 0 if self.scale is None else 2 * np.dtype(self.scale).itemsize

    def entry_bytes(self, dim: int) -> int:
        """Bytes of an entry of ``dim`` elements, without what aligns the next one."""
        return -(-dim * self.bits // 8) + self.scale_bytes

    def dim(self, entry_bytes: int) -> int:
        """Elements of an entry that fills ``entry_bytes``."""
        return (entry_bytes - self.scale_bytes) * 8 // self.bits

    def decode(self, rows: NDArray[np.uint8], dim: int) -> tuple[Floats, Floats | None]:
        """Return elements without bias, shape (n, dim), and biases, shape (n, 1), or None where there are none.

        ``rows`` are the bytes of n entries, shape (n, at least ``entry_bytes(dim)``).
        """
        rows = rows[:, : self.entry_bytes(dim)]
        if self.scale is None:
            return self._floats(np.ascontiguousarray(rows)), None
        first = self.scale_bytes if self.in_front else 0
        last = rows.shape[1] - (0 if self.in_front else self.scale_bytes)
        own = rows[:, :first] if self.in_front else rows[:, last:]
        scale, bias = np.ascontiguousarray(own).view(self.scale).astype(np.float32).T
        return self._codes(rows[:, first:last], dim) * scale[:, None], bias[:, None]

    def _floats(self, rows: NDArray[np.uint8]) -> Floats:
        if self.high_half:
            return (rows.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
        return rows.view(f"<f{self.bits // 8}").astype(np.float32)

    def _codes(self, octets: NDArray[np.uint8], dim: int) -> NDArray[np.uint8]:
        if self.bits == 8:
            return octets
        shifts = np.arange(0, 8, self.bits, dtype=np.uint8)
        codes = (octets[:, :, None] >> shifts) & np.uint8((1 << self.bits) - 1)
        return codes.reshape(len(octets), -1)[:, :dim]


FP32 = Layout("FP32", "fp32", 32)
FP16 = Layout("FP16", None, 16)
BF16 = Layout("BF16", None, 16, high_half=True)
FP64 = Layout("FP64", None, 64)
ROWS_OF_8_BITS = Layout("8-bit codes with FP32 scale and bias", "int8_rowwise", 8, "<f4")
ROWS_OF_4_BITS = Layout("4-bit codes with FP16 scale and bias", None, 4, "<f2")
ROWS_OF_2_BITS = Layout("2-bit codes with FP16 scale and bias", None, 2, "<f2")
FBGEMM = {
    0: FP32,
    1: FP16,
    5: BF16,
    **{
        kind: Layout(f"{bits}-bit codes behind FP16 scale and bias", None, bits, "<f2", in_front=True)
        for kind, bits in ((2, 8), (3, 4), (4, 2))
    },
}
"""By FBGEMM's SparseType."""
