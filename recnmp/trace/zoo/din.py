"""DIN (Zhou et al., KDD 2018) as DeepRecSys runs it, commit 1383176.

Each behaviour of the user has a table, whose lookups are pooled before attention. An attention unit returns the
weighted vector itself; the paper's returns a weight, and compares by difference and product where the released
code adds. Every layer ends with a ReLU there and here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recnmp.library.model import RecModel
from recnmp.trace.zoo.virtual import VirtualModel, mlp


class Din(VirtualModel):
    """Tables: user profile, then the behaviours, then advertisement and context; one unit per behaviour."""

    def build(self, model: RecModel) -> None:
        """Add an attention unit per behaviour, and the top MLP."""
        assert model.attention_mlp is not None
        dim = model.tables[0].dim
        self.units = nn.ModuleList(
            mlp((3 * dim, *model.attention_mlp, dim), nn.ReLU()) for _ in range(model.n_tables - 3)
        )
        self.top = mlp((model.top_input, *model.top_mlp), nn.ReLU())

    def forward(self, dense: Tensor, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> Tensor:  # noqa: ARG002
        """Return the output, shape (B, outputs); arguments as in ``Inputs``, there are no dense features."""
        profile, *behaviours, ad, context = self.pooled(indices, offsets)
        attended = torch.zeros_like(ad)
        for unit, behaviour in zip(self.units, behaviours, strict=True):
            attended = attended + unit(torch.cat([behaviour, ad, behaviour + ad], dim=1))
        return self.top(torch.cat([profile, attended, ad, context], dim=1))  # type: ignore[no-any-return]
