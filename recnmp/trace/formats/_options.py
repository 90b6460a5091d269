"""Options that formats share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from recnmp.trace.trace import Pooling
from recnmp.units import TableDtype

IdMode = Literal["as_is", "modulo", "hash", "dense"]


class Options(BaseModel):
    """Options of a format: unknown keys are errors and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TableOptions(Options):
    """How the ids of a column become entries of a table."""

    ids: IdMode = Field(
        "dense",
        description="as_is: the number is the entry; modulo: its remainder by `entries`; hash: a seeded hash modulo "
        "`entries`; dense: numbered in order of first appearance",
    )
    entries: int | None = Field(
        None, ge=1, le=1 << 32, description="entries of the table; largest + 1 when absent"
    )
    fold: int | None = Field(
        None, ge=1, description="numbers are taken modulo this first (max_ind_range of DLRM)"
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="seed of `hash`")
    dim: int = Field(64, ge=1, description="elements of an entry, which no such file tells")
    dtype: TableDtype = Field("fp32", description="type of the entries")


class ReadOptions(Options):
    """Options of every format that is read."""

    batch_size: int = Field(2048, ge=1, description="samples that make a batch (forward pass)")
    pooling: Pooling = Field("sum", description="how bags are pooled")
    limit: int | None = Field(None, ge=1, description="samples read; all when absent")


class IdOptions(ReadOptions, TableOptions):
    """Options of formats with one rule for all their tables."""


class WriteOptions(Options):
    """Options of every format that is written."""


class RequestOptions(Options):
    """Where entries lie, for formats of DRAM requests: as `recnmp memory replay --format recnmp` lays them out."""

    standard: str = Field("ddr4_2400", description="DRAM standard, which gives capacity and burst")
    channels: int = Field(1, ge=1, description="channels of the memory")
    ranks: int = Field(1, ge=1, description="ranks of a channel")
    mapping: str = Field(
        "RoBaBgRaCoCh", description="address mapping; random pages do not depend on its order"
    )
    gap: int = Field(
        0, ge=0, description="clocks between one request and the next, where the format has a time"
    )
