"""DLRM (Naumov et al., arXiv:1906.00091) in PyTorch: RM1 to RM3, and the MLPerf model with dot interaction."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recnmp.library.model import RecModel
from recnmp.trace.zoo.virtual import VirtualModel, mlp


class Dlrm(VirtualModel):
    """Bottom MLP, pooled embeddings, interaction ``cat`` or ``dot``, top MLP with a sigmoid at its end.

    A model of tables alone returns its pooled vectors side by side.
    """

    def build(self, model: RecModel) -> None:
        """Add bottom and top MLP."""
        self.bottom = mlp(model.bottom_mlp, nn.ReLU())
        self.top = mlp((model.top_input, *model.top_mlp), nn.Sigmoid())
        self._interaction = model.interaction

    def forward(self, dense: Tensor, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> Tensor:
        """Return the click probability of each sample, shape (B, outputs); arguments as in ``Inputs``."""
        x = self.bottom(dense)
        vectors = [x, *self.pooled(indices, offsets)]
        if self._interaction == "cat":
            return self.top(torch.cat(vectors, dim=1))  # type: ignore[no-any-return]
        stacked = torch.stack(vectors, dim=1)
        row, column = torch.tril_indices(len(vectors), len(vectors), offset=-1)
        products = torch.bmm(stacked, stacked.transpose(1, 2))[:, row, column]
        return self.top(torch.cat([x, products], dim=1))  # type: ignore[no-any-return]
