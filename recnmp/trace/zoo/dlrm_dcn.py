"""DLRM with a cross network, DLRM-DCNv2 of MLPerf; DCN v2 is Wang et al., arXiv:2008.13535."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recnmp.library.model import RecModel
from recnmp.trace.zoo.virtual import VirtualModel, mlp


class DlrmDcn(VirtualModel):
    """Bottom MLP, pooled embeddings, low-rank cross layers on all of them side by side, top MLP.

    A cross layer is x0 * (W V x + b) + x: V maps to ``cross.rank`` elements and W back, only W has a bias.
    """

    def build(self, model: RecModel) -> None:
        """Add bottom MLP, cross layers and top MLP."""
        assert model.cross is not None
        n, rank = model.top_input, model.cross.rank
        self.bottom = mlp(model.bottom_mlp, nn.ReLU())
        self.cross = nn.ModuleList(
            nn.Sequential(nn.Linear(n, rank, bias=False), nn.Linear(rank, n))
            for _ in range(model.cross.layers)
        )
        self.top = mlp((n, *model.top_mlp), nn.Sigmoid())

    def forward(self, dense: Tensor, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> Tensor:
        """Return the click probability of each sample, shape (B, outputs); arguments as in ``Inputs``."""
        first = torch.cat([self.bottom(dense), *self.pooled(indices, offsets)], dim=1)
        x = first
        for layer in self.cross:
            x = first * layer(x) + x
        return self.top(x)  # type: ignore[no-any-return]
