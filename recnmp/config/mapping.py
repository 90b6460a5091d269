"""Address mappings as they are written: a name, a YAML file, or an order and what is XORed."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from recnmp.config.document import Document


def _bit(name: str) -> str:
    if not re.fullmatch(r"(Ro|Ba|Bg|Ra|Co|Ch)(0|[1-9]\d?)", name):
        raise ValueError(f"{name!r} is not a bit of Ro, Ba, Bg, Ra, Co or Ch, such as Bg0")
    return name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("needs at least one bit")
    if len(set(names)) < len(names):
        raise ValueError("a bit named twice would cancel out")
    return names


Bit = Annotated[str, AfterValidator(_bit)]
Bits = Annotated[tuple[Bit, ...], AfterValidator(_distinct)]


class MappingConfig(BaseModel):
    """An address mapping: a bit order and which of its bits are XORed with others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: str = Field(description="fields from most to least significant, such as RoBaRaBgCoChBg1Co1")
    xor: dict[Bit, Bits] = Field(
        default_factory=dict,
        description="for each hashed bit those it is XORed with, all as the order has them; Bg0 is the bank "
        "group's lowest bit; bits that the memory does not have are not hashed",
    )
    source: str | None = Field(None, description="where the mapping comes from")

    def __str__(self) -> str:
        """Return a name to print."""
        return f"{self.order} with xor" if self.xor else self.order


def _kind_of_mapping(value: object) -> str:
    return "MappingConfig" if isinstance(value, dict | MappingConfig) else "str"


AnyMapping = Annotated[
    Annotated[str, Tag("str")] | Annotated[MappingConfig, Tag("MappingConfig")],
    Discriminator(_kind_of_mapping),
]


def names_file(given: str | MappingConfig) -> bool:
    """Return whether ``given`` is the name of a YAML file."""
    return isinstance(given, str) and given.endswith((".yaml", ".yml"))


def read_mapping(given: str | MappingConfig, folder: Path) -> str | MappingConfig:
    """Return what the YAML file ``given``, relative to ``folder``, holds; anything but a file's name as it is.

    Raises ConfigError with file, line and column for what is wrong in it.
    """
    return Document.read(folder / str(given)).validate(MappingConfig) if names_file(given) else given
