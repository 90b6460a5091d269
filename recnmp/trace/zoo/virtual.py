"""What every model of the zoo shares: tables of full size on an ordinary machine, and inputs.

Tables are virtual: each lies in anonymous memory of its full logical size, for which the system reserves
addresses alone and backs a page when it is touched. Before each batch the entries which the batch reads get
their values, ``recnmp.trace.values``, and afterwards the pages are given back, so a run needs the memory of one
batch. Operators see the logical table: what capture records are logical entries of tables of logical size.

Not modelled: training; tables on another device than the CPU.
"""

import contextlib
import mmap
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recnmp.errors import RecnmpError
from recnmp.library.model import RecModel
from recnmp.trace.synthetic import IndexStream, table_reuse
from recnmp.trace.values import entry_values

Inputs = tuple[Tensor, list[Tensor], list[Tensor]]
"""Dense features (B, F); then for each of T tables its indices (lookups,) and its bag offsets (B,)."""

_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # Python names it from 3.13 on
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class VirtualModel(nn.Module):
    """Tables that ``RecModel`` describes, and dense layers that a subclass adds in ``build``.

    Args:
        model: tables and layer sizes.
        seed: of the dense layers' initial weights, which are PyTorch's own.
    """

    def __init__(self, model: RecModel, seed: int) -> None:
        super().__init__()
        self._pages = [_Pages(group.entries, group.dim) for group in model.each_table]
        self.tables = nn.ModuleList(
            nn.EmbeddingBag.from_pretrained(torch.from_numpy(pages.weights), freeze=True, mode="sum")
            for pages in self._pages
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.build(model)

    def build(self, model: RecModel) -> None:
        """Add the dense layers of ``model``."""
        raise NotImplementedError

    def pooled(self, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> list[Tensor]:
        """Return the pooled vectors of each table, shape (B, dim); arguments as in ``Inputs``."""
        return [table(i, o) for table, i, o in zip(self.tables, indices, offsets, strict=True)]

    @contextlib.contextmanager
    def filled(self, indices: Sequence[Tensor]) -> Iterator[None]:
        """Give the entries that ``indices`` name their values for the length of the ``with`` block."""
        for table, (pages, wanted) in enumerate(zip(self._pages, indices, strict=True)):
            pages.fill(table, np.unique(wanted.numpy()))
        try:
            yield
        finally:
            for pages in self._pages:
                pages.release()


def inputs(model: RecModel, batch_size: int, seed: int) -> Iterator[Inputs]:
    """Yield batches of ``batch_size`` samples for ever, the same ones for the same seed.

    Indices follow ``recnmp.trace.synthetic.TABLE_MIX``, as many per bag as the table's pooling factor; dense
    features are uniform in [0, 1).
    """
    streams = [
        IndexStream(table, group.entries, table_reuse(table), seed)
        for table, group in enumerate(model.each_table)
    ]
    features = np.random.default_rng([seed, len(streams)])  # table numbers end where this stream starts
    while True:
        dense = features.random((batch_size, model.dense_features), np.float32)
        indices, offsets = [], []
        for stream, group in zip(streams, model.each_table, strict=True):
            indices.append(torch.from_numpy(stream.draw(batch_size * group.pooling_factor)))
            offsets.append(torch.arange(batch_size) * group.pooling_factor)
        yield torch.from_numpy(dense), indices, offsets


def mlp(sizes: Sequence[int], last: nn.Module) -> nn.Sequential:
    """Return linear layers of the given sizes, ReLU between them and ``last`` at the end; none for one size."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1], *[last] * bool(layers))


class _Pages:
    """The weights of one table, (entries, dim) FP32, in memory that is backed only where it was touched."""

    def __init__(self, entries: int, dim: int) -> None:
        n_bytes = 4 * entries * dim
        try:
            self._memory = mmap.mmap(-1, n_bytes, flags=_FLAGS | _NORESERVE)
        except OSError as error:
            raise RecnmpError(f"no room for a table of {n_bytes} bytes: {error.strerror}") from None
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self._memory.madvise(mmap.MADV_NOHUGEPAGE)  # a huge page would back 2 MiB for one entry
        self.weights: NDArray[np.float32] = np.frombuffer(self._memory, np.float32).reshape(entries, dim)

    def fill(self, table: int, entry: NDArray[np.int64]) -> None:
        self.weights[entry] = entry_values(table, entry, self.weights.shape[1])

    def release(self) -> None:
        self._memory.madvise(mmap.MADV_DONTNEED)
