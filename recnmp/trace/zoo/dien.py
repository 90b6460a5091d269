"""DIEN (Zhou et al., AAAI 2019) as DeepRecSys runs it, commit 1383176.

The released code has plain recurrent layers (tanh) where the paper has GRU and AUGRU; it is followed. Between
the two layers a fully connected one and a softmax over its units are added to the first one's outputs. The
second layer's last state meets the other vectors. Every top layer ends with a ReLU there and here. Not followed:
the released code lays behaviours side by side and reshapes, which mixes the samples of a batch between steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recnmp.library.model import RecModel
from recnmp.trace.zoo.virtual import VirtualModel, mlp


class Dien(VirtualModel):
    """Tables: user profile, then the behaviours in order of time, then advertisement and context."""

    def build(self, model: RecModel) -> None:
        """Add both recurrent layers, the one between them, and the top MLP."""
        assert model.hidden is not None
        self.interest = nn.RNN(model.tables[0].dim, model.hidden)
        self.attention = nn.Linear(model.hidden, model.hidden)
        self.evolution = nn.RNN(model.hidden, model.hidden)
        self.top = mlp((model.top_input, *model.top_mlp), nn.ReLU())

    def forward(self, dense: Tensor, indices: Sequence[Tensor], offsets: Sequence[Tensor]) -> Tensor:  # noqa: ARG002
        """Return the output, shape (B, outputs); arguments as in ``Inputs``, there are no dense features."""
        profile, *behaviours, ad, context = self.pooled(indices, offsets)
        states, _ = self.interest(torch.stack(behaviours))  # (steps, B, hidden)
        _, last = self.evolution(states + torch.softmax(self.attention(states), dim=2))
        return self.top(torch.cat([last[0], profile, ad, context], dim=1))  # type: ignore[no-any-return]
