"""Wide&Deep (Cheng et al., DLRS 2016) and its multi-task form MT-WnD, as DeepRecSys runs them, commit 1383176.

Dense features pass no layer; there is no separate wide part: raw features and pooled vectors enter one MLP.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recnmp.library.model import RecModel
from recnmp.trace.zoo.virtual import VirtualModel, mlp


class WideDeep(VirtualModel):
    """Dense features and pooled vectors side by side, top MLP, then ``heads`` task MLPs if there are any."""

    def build(self, model: RecModel) -> None:
        """Add the shared MLP and the tasks' own."""
        last: nn.Module = nn.ReLU() if model.head_mlp else nn.Sigmoid()
        self.top = mlp((model.top_input, *model.top_mlp), last)
        self.heads = nn.ModuleList(
            mlp((model.top_mlp[-1], *model.head_mlp), nn.Sigmoid()) for _ in range(model.heads)
        )

    def forward(self, dense: Tensor, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> Tensor:
        """Return the outputs of all tasks side by side, shape (B, outputs); arguments as in ``Inputs``."""
        shared = self.top(torch.cat([dense, *self.pooled(indices, offsets)], dim=1))
        return torch.cat([head(shared) for head in self.heads], dim=1)
