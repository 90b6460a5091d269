"""The ``sweep`` section of a configuration: which options vary, and how they go together."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

Values = Annotated[list[Any], Field(min_length=1)]
Options = Annotated[dict[str, Any], Field(min_length=1)]
Seed = Annotated[int, Field(ge=0)]

Seeds = Annotated[
    Annotated[int, Field(ge=1, le=10_000), Tag("int")]
    | Annotated[list[Seed], Field(min_length=1), Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list) else "int"),
]

_CONDITION = "an option, dotted as in --set, and the value it has, or a list of values it may have"


class Axis(BaseModel):
    """One axis: options that vary together. Points are the product of all axes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grid: Annotated[dict[str, Values], Field(min_length=1)] | None = Field(
        None, description="options, dotted as in --set, and their values: every combination"
    )
    zipped: Annotated[dict[str, Values], Field(min_length=1)] | None = Field(
        None, alias="zip", description="options and their values, side by side: lists of one length"
    )
    listed: Annotated[list[Options], Field(min_length=1)] | None = Field(
        None, alias="list", description="settings one by one, each some options and their values"
    )
    when: Options | None = Field(
        None, description=f"the axis is for points that meet all of these: {_CONDITION}"
    )
    unless: Options | None = Field(None, description="the axis is not for points that meet all of these")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.grid, self.zipped, self.listed)) != 1:
            raise ValueError("an axis is one of grid, zip and list")
        return self


class SweepConfig(BaseModel):
    """Which points are run: the product of the axes, less what conditions leave out, for every seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    axes: list[Axis] = Field(default_factory=list, description="axes, the last one varies fastest")
    when: Options | None = Field(None, description="only points that meet all of these are run")
    unless: Options | None = Field(None, description="points that meet all of these are not run")
    seeds: Seeds | None = Field(
        None,
        description="replicates of every point: a number of them (seeds 1, 2, ...) or the seeds, each for all seeds "
        "of a run; as the configuration has them when absent",
    )

    @model_validator(mode="after")
    def _something_varies(self) -> Self:
        if not self.axes and self.seeds is None:
            raise ValueError("needs axes or seeds")
        return self

    @property
    def seed_values(self) -> list[int | None]:
        """The seeds of the replicates; one None where the configuration's own are kept."""
        if self.seeds is None:
            return [None]
        return list(range(1, self.seeds + 1)) if isinstance(self.seeds, int) else list(self.seeds)


def sweep_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of the section, and the definitions that it refers to."""
    schema = SweepConfig.model_json_schema(by_alias=True)
    return schema, schema.pop("$defs")
