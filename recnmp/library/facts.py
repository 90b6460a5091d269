"""Facts of the library: values that say where they come from and how sure they are.

There is no default for a physical constant: value, source and certainty are all demanded.
"""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Certainty = Literal["read at the source", "derived", "recalled, not verified"]
"""How sure a value is; ``derived`` follows from other facts, for the reason that ``source`` gives."""

Number = TypeVar("Number")


class Facts(BaseModel):
    """A table of facts: nothing unknown in it, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Sourced(Facts, Generic[Number]):
    """A number, where it comes from and how sure it is; its unit is that of the name it stands under."""

    value: Number
    source: str = Field(min_length=3)
    certainty: Certainty


Quantity = Sourced[Annotated[float, Field(gt=0)]]
"""A measure above 0."""

Count = Sourced[Annotated[int, Field(ge=1)]]
"""A whole number above 0."""

Clocks = Sourced[Annotated[int, Field(ge=0)]]
"""A time in clocks."""
