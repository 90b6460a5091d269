"""The ``search`` section of a configuration: which options are open, what is to be small, how it is looked for."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from recnmp.config.sweep import Options, Values

Best = Literal["min", "max"]

TOGETHER = {"tpe": 5, "nsga2": 20}
"""Trials that a sampler chooses at once where ``together`` is absent; others do not learn from trials."""

MAX_OBJECTIVES = 3


class Span(BaseModel):
    """Values of one option: a list of them, or all from ``low`` to ``high``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: Values | None = Field(None, description="the values, in place of low and high")
    low: int | float | None = Field(None, description="least value; whole numbers where low and high are")
    high: int | float | None = Field(None, description="greatest value, itself included")
    step: int | float | None = Field(None, gt=0, description="distance of neighbours; 1 for whole numbers")
    log: bool = Field(False, description="even in the logarithm, not in the value")
    when: Options | None = Field(
        None,
        description="the option is open where all of these are met, else as the configuration has it: options "
        "before this one or of the configuration, dotted as in --set, with the value or a list of values they have",
    )

    @model_validator(mode="after")
    def _values_or_range(self) -> Self:
        if (self.values is None) == (self.low is None and self.high is None):
            raise ValueError("needs either values or low and high")
        if self.values is not None:
            if self.step is not None or self.log:
                raise ValueError("step and log are for low and high")
            return self
        if self.low is None or self.high is None:
            raise ValueError("needs both low and high")
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and (self.step is not None or self.low <= 0):
            raise ValueError("log needs low above 0 and no step")
        if self.whole and self.step is not None and not float(self.step).is_integer():
            raise ValueError(f"step {self.step:g} between whole numbers must be one")
        return self

    @property
    def whole(self) -> bool:
        """Whether a range is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Bound(BaseModel):
    """What a figure must keep to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_most: float | None = Field(None, description="the figure may be this or less")
    at_least: float | None = Field(None, description="the figure may be this or more")

    @model_validator(mode="after")
    def _one_at_least(self) -> Self:
        if self.at_most is None and self.at_least is None:
            raise ValueError("needs at_most or at_least")
        return self


_Open = Annotated[
    Annotated[Span, Tag("Span")] | Annotated[Values, Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "Span"),
]


class SearchConfig(BaseModel):
    """Which designs are there, what makes one good, and how many are tried."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: dict[str, _Open] = Field(
        min_length=1,
        description="open options, dotted as in --set: each a list of values, or low, high and more",
    )
    objectives: dict[str, Best] | None = Field(
        None,
        min_length=1,
        max_length=MAX_OBJECTIVES,
        description="figures of a result by their keys, and whether min or max is best; when absent latency (end to "
        "end, or of SLS where mlp.kind is none), energy of a lookup and area of the units, all min",
    )
    constraints: dict[str, Bound] = Field(
        default_factory=dict, description="figures by their keys and the bounds that a design must keep to"
    )
    sampler: Literal["tpe", "nsga2", "random", "grid"] = Field(
        "tpe",
        description="tpe: where good values are denser than bad ones; nsga2: generations that cross and change the "
        "best; random: any, none twice; grid: all, in random order. The first two need the extra search",
    )
    trials: int | None = Field(
        None, ge=1, le=20_000, description="designs tried; 100 when absent, and all there are for grid"
    )
    together: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="trials chosen at once, before any of them is known: 5 when absent, or 20 for nsga2, whose "
        "population it is. What is found depends on it, not on the number of workers",
    )
    seed: int = Field(1, ge=0, le=2**32 - 1, description="seed of the sampler; not one of the runs")

    @model_validator(mode="after")
    def _all_is_used(self) -> Self:
        if self.together is not None and self.sampler not in TOGETHER:
            raise ValueError(f"together is for {' and '.join(TOGETHER)}; {self.sampler} learns nothing")
        return self


def search_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of the section, and the definitions that it refers to."""
    schema = SearchConfig.model_json_schema()
    return schema, schema.pop("$defs")
