"""NCF (He et al., WWW 2017) as DeepRecSys runs it, commit 1383176.

The matrix factorisation branch adds its two vectors where the paper multiplies them; the released code is
followed. Every layer, the last one included, ends with a ReLU there and here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recnmp.library.model import RecModel
from recnmp.trace.zoo.virtual import VirtualModel, mlp


class Ncf(VirtualModel):
    """Tables 0 and 1 (user, item) are added, 2 and 3 go through the top MLP; ``head_mlp`` joins both."""

    def build(self, model: RecModel) -> None:
        """Add the MLP branch and the layers after both branches."""
        self.top = mlp((model.top_input, *model.top_mlp), nn.ReLU())
        self.head = mlp((model.tables[0].dim + model.top_mlp[-1], *model.head_mlp), nn.ReLU())

    def forward(self, dense: Tensor, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> Tensor:  # noqa: ARG002
        """Return the output, shape (B, outputs); arguments as in ``Inputs``, there are no dense features."""
        user, item, *others = self.pooled(indices, offsets)
        deep = self.top(torch.cat(others, dim=1))
        return self.head(torch.cat([user + item, deep], dim=1))  # type: ignore[no-any-return]
