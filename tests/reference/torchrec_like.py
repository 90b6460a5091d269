"""What TorchRec's unsharded modules do for a user's script, in plain PyTorch, under TorchRec's own names.

Behaviour of release 1.8: a jagged tensor of several features lies feature by feature; a collection calls one
``nn.EmbeddingBag`` for each table and feature, by keyword, with offsets that include the last.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class EmbeddingBagConfig:
    name: str
    embedding_dim: int
    num_embeddings: int
    feature_names: list = field(default_factory=list)


class _Jagged:
    def __init__(self, values: Tensor, lengths: Tensor, weights: Tensor | None) -> None:
        self._values, self._lengths, self._weights = values, lengths, weights

    def values(self) -> Tensor:
        return self._values

    def offsets(self) -> Tensor:
        return torch.cat([torch.zeros(1, dtype=torch.int64), self._lengths.cumsum(0)])

    def weights_or_none(self) -> Tensor | None:
        return self._weights


class KeyedJaggedTensor:
    def __init__(self, keys: list, values: Tensor, lengths: Tensor, weights: Tensor | None) -> None:
        self._keys, self._lengths = keys, lengths.view(len(keys), -1)
        sizes = self._lengths.sum(dim=1).tolist()
        parts = [None] * len(keys) if weights is None else weights.split(sizes)
        self._parts = dict(
            zip(keys, zip(values.split(sizes), self._lengths, parts, strict=True), strict=True)
        )

    @staticmethod
    def from_lengths_sync(keys, values, lengths, weights=None) -> "KeyedJaggedTensor":
        return KeyedJaggedTensor(keys, values, lengths, weights)

    def __getitem__(self, key: str) -> _Jagged:
        return _Jagged(*self._parts[key])


class KeyedTensor:
    def __init__(self, parts: list) -> None:
        self._parts = parts

    def values(self) -> Tensor:
        return torch.cat(self._parts, dim=1)


class EmbeddingBagCollection(nn.Module):
    def __init__(self, tables: list, is_weighted: bool = False, device: torch.device | None = None) -> None:
        super().__init__()
        self._tables, self._weighted = tables, is_weighted
        self.embedding_bags = nn.ModuleDict(
            {
                t.name: nn.EmbeddingBag(
                    t.num_embeddings, t.embedding_dim, mode="sum", include_last_offset=True, device=device
                )
                for t in tables
            }
        )

    def forward(self, features: KeyedJaggedTensor) -> KeyedTensor:
        pooled = []
        for table in self._tables:
            for name in table.feature_names:
                jagged = features[name]
                pooled.append(
                    self.embedding_bags[table.name](
                        input=jagged.values(),
                        offsets=jagged.offsets(),
                        per_sample_weights=jagged.weights_or_none() if self._weighted else None,
                    )
                )
        return KeyedTensor(pooled)
