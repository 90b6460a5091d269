"""Recommendation models: tables and layer sizes, read from ``library/models/*.yaml``."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from recnmp._registry import PACKAGE
from recnmp.config import Document
from recnmp.units import TableDtype

Size = Annotated[int, Field(ge=1)]


class TableGroup(BaseModel):
    """``count`` equal embedding tables; ``dtype`` is how memory holds their entries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Size
    entries: Size
    dim: Size
    pooling_factor: Size
    dtype: TableDtype = "fp32"


class RecModel(BaseModel):
    """A DLRM-style model: bottom MLP on dense features, pooled embeddings, interaction, top MLP.

    ``bottom_mlp`` starts with the dense features; ``top_mlp`` lists layer outputs, its input follows from
    the interaction: ``cat`` concatenates the bottom output and all pooled vectors, ``dot`` adds to the bottom
    output the pairwise dot products. A sigmoid follows the last layer, ReLU every other one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str = Field(description="where the figures come from")
    bottom_mlp: tuple[Size, ...] = Field(min_length=1)
    top_mlp: tuple[Size, ...] = Field(min_length=1)
    interaction: Literal["cat", "dot"]
    tables: tuple[TableGroup, ...] = Field(min_length=1)

    @property
    def n_tables(self) -> int:
        """Tables, T."""
        return sum(group.count for group in self.tables)

    @property
    def each_table(self) -> tuple[TableGroup, ...]:
        """Every table on its own, T of them (their ``count`` is the group's)."""
        return tuple(group for group in self.tables for _ in range(group.count))

    @property
    def top_input(self) -> int:
        """Elements that enter the top MLP per sample."""
        if self.interaction == "cat":
            return self.bottom_mlp[-1] + sum(g.count * g.dim for g in self.tables)
        vectors = self.n_tables + 1
        return self.bottom_mlp[-1] + vectors * (vectors - 1) // 2


def load_model(name: str) -> RecModel:
    """Read ``library/models/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return Document.read(PACKAGE / "library" / "models" / f"{name}.yaml").validate(RecModel)
