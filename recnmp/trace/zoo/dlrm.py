"""DLRM (Naumov et al., arXiv:1906.00091) in PyTorch, at its full table sizes on an ordinary machine.

Tables lie in anonymous memory that the operating system backs page by page when touched. Before each batch
the entries which the batch reads get their values, ``recnmp.trace.values``, and afterwards the pages are
given back, so a run needs the memory of one batch. Dense layers have PyTorch's own initial weights.

Not modelled: training; tables on another device than the CPU.
"""

import contextlib
import mmap
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise

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


class Dlrm(nn.Module):
    """The model that ``RecModel`` describes: bottom MLP, pooled embeddings, interaction, top MLP.

    Args:
        model: tables and layer sizes.
        seed: of the dense layers' initial weights.
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
            self.bottom = _mlp(model.bottom_mlp, nn.ReLU())
            self.top = _mlp((model.top_input, *model.top_mlp), nn.Sigmoid())
        self._interaction = model.interaction

    def forward(self, dense: Tensor, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> Tensor:
        """Return the click probability of each sample, shape (B, outputs); arguments as in ``Inputs``."""
        x = self.bottom(dense)
        pooled = [table(i, o) for table, i, o in zip(self.tables, indices, offsets, strict=True)]
        vectors = [x, *pooled]
        if self._interaction == "cat":
            return self.top(torch.cat(vectors, dim=1))  # type: ignore[no-any-return]
        stacked = torch.stack(vectors, dim=1)
        row, column = torch.tril_indices(len(vectors), len(vectors), offset=-1)
        products = torch.bmm(stacked, stacked.transpose(1, 2))[:, row, column]
        return self.top(torch.cat([x, products], dim=1))  # type: ignore[no-any-return]

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
        dense = features.random((batch_size, model.bottom_mlp[0]), np.float32)
        indices, offsets = [], []
        for stream, group in zip(streams, model.each_table, strict=True):
            indices.append(torch.from_numpy(stream.draw(batch_size * group.pooling_factor)))
            offsets.append(torch.arange(batch_size) * group.pooling_factor)
        yield torch.from_numpy(dense), indices, offsets


def run(model: RecModel, batches: int, batch_size: int, seed: int, new_batch: Callable[[], None]) -> None:
    """Run inference on ``batches`` batches of ``inputs``, calling ``new_batch`` before each."""
    dlrm = Dlrm(model, seed)
    with torch.no_grad():
        for dense, indices, offsets in islice(inputs(model, batch_size, seed), batches):
            with dlrm.filled(indices):
                new_batch()
                dlrm(dense, indices, offsets)


class _Pages:
    """The weights of one table, (entries, dim) FP32, in memory that is backed only where it was touched."""

    def __init__(self, entries: int, dim: int) -> None:
        n_bytes = 4 * entries * dim
        try:
            self._memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise RecnmpError(f"no room for a table of {n_bytes} bytes: {error.strerror}") from None
        if hasattr(mmap, "MADV_NOHUGEPAGE"):
            self._memory.madvise(mmap.MADV_NOHUGEPAGE)  # a huge page would back 2 MiB for one entry
        self.weights: NDArray[np.float32] = np.frombuffer(self._memory, np.float32).reshape(entries, dim)

    def fill(self, table: int, entry: NDArray[np.int64]) -> None:
        self.weights[entry] = entry_values(table, entry, self.weights.shape[1])

    def release(self) -> None:
        self._memory.madvise(mmap.MADV_DONTNEED)


def _mlp(sizes: Sequence[int], last: nn.Module) -> nn.Sequential:
    """Return linear layers of the given sizes, ReLU between them and ``last`` at the end."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1], last)
