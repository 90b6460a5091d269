"""Recommendation models: tables and layer sizes, read from ``library/models/*.yaml``."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recnmp._registry import PACKAGE
from recnmp.config import Document
from recnmp.config.mapping import names_file
from recnmp.units import TableDtype

Size = Annotated[int, Field(ge=1)]
Interaction = Literal["cat", "dot", "dcn", "ncf", "attention", "recurrent"]

_NEEDS: dict[str, Interaction] = {"cross": "dcn", "attention_mlp": "attention", "hidden": "recurrent"}
"""Fields that belong to one interaction, which needs them."""

DENSE_PARTS = ("bottom_mlp", "attention", "recurrent", "interaction", "cross", "top_mlp", "heads")
"""Operators outside SLS that a model may have, in the order they run."""

_OTHER_VECTORS = 3
"""Vectors that are no behaviour of the user: user profile (the first table), advertisement and context."""


class TableGroup(BaseModel):
    """``count`` equal embedding tables; ``dtype`` is how memory holds their entries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: Size
    entries: Size
    dim: Size
    pooling_factor: Size
    dtype: TableDtype = "fp32"


class Cross(BaseModel):
    """A low-rank cross network: ``layers`` layers x -> x0 * (W V x + b) + x, V to ``rank`` elements."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: Size
    rank: Size


class RecModel(BaseModel):
    """A recommendation model: bottom MLP on dense features, pooled embeddings, interaction, top MLP, heads.

    ``bottom_mlp`` starts with the dense features and is empty where there are none; ``top_mlp`` lists layer
    outputs, its input follows from the interaction:

    - ``cat`` concatenates the bottom output and all pooled vectors;
    - ``dot`` adds to the bottom output the pairwise dot products;
    - ``dcn`` concatenates like ``cat``, then crosses by ``cross``;
    - ``ncf`` (four tables) concatenates tables 2 and 3; the sum of tables 0 and 1 joins after the top MLP;
    - ``attention`` weighs each behaviour (tables 1 to T - 3) by a unit ``attention_mlp`` of behaviour,
      advertisement (table T - 2) and their sum, and concatenates what they add up to with the other vectors;
    - ``recurrent`` runs two recurrent layers of ``hidden`` units over the behaviours, which come in order.

    ``head_mlp`` lists the outputs of the layers that follow the top MLP, ``heads`` times side by side.
    With neither bottom nor top MLP a model is its embedding tables alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str = Field(description="where the figures come from")
    bottom_mlp: tuple[Size, ...]
    top_mlp: tuple[Size, ...]
    interaction: Interaction
    tables: tuple[TableGroup, ...] = Field(min_length=1)
    cross: Cross | None = None
    attention_mlp: tuple[Size, ...] | None = Field(None, description="hidden layers of the attention unit")
    hidden: Size | None = Field(None, description="units of each recurrent layer")
    head_mlp: tuple[Size, ...] = ()
    heads: Size = 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field, interaction in _NEEDS.items():
            if (getattr(self, field) is not None) != (self.interaction == interaction):
                raise ValueError(f"{field} is for interaction {interaction}, which needs it")
        dims = {group.dim for group in self.tables}
        if self.interaction in ("ncf", "attention", "recurrent"):
            fits = self.n_tables == 4 if self.interaction == "ncf" else self.n_tables > _OTHER_VECTORS
            if self.bottom_mlp or len(dims) > 1 or not fits:
                raise ValueError(
                    f"interaction {self.interaction} takes no bottom_mlp, tables of one dim, and "
                    f"{'4 of them' if self.interaction == 'ncf' else 'at least 4 of them'}"
                )
        if self.interaction in ("dot", "dcn") and not self.bottom_mlp:
            raise ValueError(f"interaction {self.interaction} needs a bottom_mlp")
        if (self.bottom_mlp or self.head_mlp or self.interaction != "cat") and not self.top_mlp:
            raise ValueError("only a model of embedding tables alone has no top_mlp")
        if self.heads > 1 and not self.head_mlp:
            raise ValueError("heads need a head_mlp")
        return self

    @property
    def n_tables(self) -> int:
        """Tables, T."""
        return sum(group.count for group in self.tables)

    @property
    def each_table(self) -> tuple[TableGroup, ...]:
        """Every table on its own, T of them (their ``count`` is the group's)."""
        return tuple(group for group in self.tables for _ in range(group.count))

    @property
    def dense_features(self) -> int:
        """Dense features of a sample; 0 without a bottom MLP."""
        return self.bottom_mlp[0] if self.bottom_mlp else 0

    @property
    def top_input(self) -> int:
        """Elements that enter the top MLP per sample."""
        bottom = self.bottom_mlp[-1] if self.bottom_mlp else 0
        dim = self.tables[0].dim
        if self.interaction == "dot":
            vectors = self.n_tables + 1
            return bottom + vectors * (vectors - 1) // 2
        if self.interaction == "ncf":
            return 2 * dim
        if self.interaction == "attention":
            return (1 + _OTHER_VECTORS) * dim
        if self.hidden is not None:
            return self.hidden + _OTHER_VECTORS * dim
        return bottom + sum(g.count * g.dim for g in self.tables)

    @property
    def parts(self) -> tuple[str, ...]:
        """The model's operators outside SLS, in the order they run; none of a model that is tables alone."""
        there = {
            "bottom_mlp": len(self.bottom_mlp) > 1,
            "attention": self.interaction == "attention",
            "recurrent": self.interaction == "recurrent",
            "interaction": bool(self.top_mlp),
            "cross": self.interaction == "dcn",
            "top_mlp": bool(self.top_mlp),
            "heads": bool(self.head_mlp),
        }
        return tuple(part for part in DENSE_PARTS if there[part])

    @property
    def layers(self) -> dict[str, Any]:
        """All that the dense part's time depends on, as plain data: layers, and vectors that enter by size."""
        shape = self.model_dump(mode="json", exclude={"name", "source", "tables"}, exclude_defaults=True)
        vectors: dict[int, int] = {}
        for group in self.tables:
            vectors[group.dim] = vectors.get(group.dim, 0) + group.count
        return shape | {"vectors": [{"count": n, "dim": dim} for dim, n in vectors.items()]}

    @property
    def untimed_because(self) -> str:
        """Why the dense part cannot be timed; empty where it can."""
        return "" if self.top_mlp else "its dense layers are not known"


def load_model(name: str) -> RecModel:
    """Read ``library/models/<name>.yaml``, or the YAML file ``name``, as ``model:`` of a configuration does.

    Raises ConfigError with file and line for anything wrong in it.
    """
    file = Path(name) if names_file(name) else PACKAGE / "library" / "models" / f"{name}.yaml"
    return Document.read(file).validate(RecModel)
