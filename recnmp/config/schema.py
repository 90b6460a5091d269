"""Every option of a run on one page; `recnmp schema` prints the same as JSON Schema.

Names of plug-ins and library files (`model`, `memory.standard`, `nmp.kind`, ...) are plain text here and are
checked against what is installed by `recnmp.resolve`, so that adding a file adds the choice.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from recnmp.config.document import Document
from recnmp.errors import ConfigError
from recnmp.units import parse_bytes


def _bytes(value: object) -> object:
    try:
        return parse_bytes(value) if isinstance(value, str | int) else value
    except ConfigError as error:
        raise ValueError(str(error)) from None


Bytes = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
PowerOfTwo = Annotated[int, Field(ge=1, json_schema_extra={"enum": [2**n for n in range(11)]})]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TraceConfig(Section):
    """Which embedding accesses are replayed."""

    file: Path = Field(description="trace file, relative to the configuration that names it")
    first_batch: int = Field(0, ge=0, description="first batch replayed")
    batches: int | None = Field(None, ge=1, description="batches replayed; all when absent")


class MemoryConfig(Section):
    """The DRAM system, the same for the host and for near-memory processing."""

    standard: str = Field("ddr4_2400", description="DRAM standard, a file of library/standards")
    channels: PowerOfTwo = Field(1, description="channels, each with its own C/A and DQ bus")
    dimms_per_channel: PowerOfTwo = Field(1, description="DIMMs on a channel")
    ranks_per_dimm: PowerOfTwo = Field(2, description="ranks of a DIMM")
    mapping: str = Field(
        "RoBaBgRaChCo",
        description="address bits from most to least significant: Ro row, Ba bank, Bg bank group, Ra rank, "
        "Ch channel, Co column; a number fixes a field's bits, so Co may be split: RoBaBgRaChCoBgCo2 is not "
        "allowed (Bg twice without a number), RoBaRaChCoBgCo1 is",
    )
    policy: str = Field("frfcfs", description="how the controller picks the next command")
    read_queue: int = Field(32, ge=1, le=4096, description="read requests a controller can hold")
    refresh: Literal["off", "simultaneous", "staggered"] = Field(
        "simultaneous", description="all-bank refresh of a channel's ranks: none, together, or spread out"
    )
    audit: bool = Field(False, description="re-check every issued command against the standard's constraints")


class PlacementConfig(Section):
    """Where tables live in physical memory."""

    pages: Literal["random", "coloured"] = Field(
        "random",
        description="random: the operating system's free pages; coloured: all pages of a table in one rank",
    )
    page_bytes: Bytes = Field(4096, description="page size")
    seed: int = Field(1, ge=0, description="seed of the page placement")


class CacheConfig(Section):
    """One cache of 64-byte lines."""

    kind: str = Field("lru", description="replacement policy, a file of recnmp/cache")
    size_bytes: Bytes = Field(description="capacity; per rank for `cache.rank`")
    ways: int = Field(4, ge=1, description="associativity")


class CachesConfig(Section):
    """Caches that keep lookups away from DRAM."""

    rank: CacheConfig | None = Field(None, description="RankCache in front of every rank; none when absent")
    llc: CacheConfig | None = Field(None, description="host last-level cache; none when absent")


class NmpConfig(Section):
    """The near-memory architecture compared with the host."""

    kind: str = Field("recnmp", description="architecture, a file of recnmp/nmp; host runs the baseline alone")
    options: dict[str, Any] = Field(default_factory=dict, description="options of that architecture")


class MeasuredMlpConfig(Section):
    """Time the dense part on the CPU at hand."""

    kind: Literal["measured"] = "measured"
    backend: Literal["auto", "torch", "numpy"] = Field("auto", description="auto: torch when installed")
    threads: int = Field(1, ge=1, description="threads of the matrix library")
    repeats: int = Field(30, ge=3, description="timed repeats per part, after warm-up")


class ProfileMlpConfig(Section):
    """Take the dense part's time from a stored device profile."""

    kind: Literal["profile"] = "profile"
    device: str = Field(description="device profile, a file of library/devices")


class EndToEndConfig(Section):
    """How the parts of a model's inference meet."""

    overlap: Literal["bottom_mlp", "none"] = Field(
        "bottom_mlp",
        description="what the host computes while near memory gathers; the host baseline overlaps nothing",
    )


class Config(Section):
    """One run: a model's trace on a memory system, by the host and near memory."""

    version: Literal[1] = Field(1, description="version of this format")
    model: str = Field(description="recommendation model, a file of library/models")
    trace: TraceConfig
    memory: MemoryConfig = MemoryConfig()
    placement: PlacementConfig = PlacementConfig()
    cache: CachesConfig = CachesConfig()
    nmp: NmpConfig = NmpConfig()
    mlp: Annotated[MeasuredMlpConfig | ProfileMlpConfig, Field(discriminator="kind")] = MeasuredMlpConfig()
    end_to_end: EndToEndConfig = EndToEndConfig()
    functional_check: Literal["auto", "on", "off"] = Field(
        "auto",
        description="pool real vectors through the packets and compare; auto: on up to 2 million lookups",
    )

    _document: Document | None = PrivateAttr(None)

    def error(self, loc: tuple[str, ...], message: str, allowed: list[str] | None = None) -> ConfigError:
        """Return the error for the option at ``loc``, with its file, line and column when they are known."""
        if self._document is not None:
            return self._document.error(loc, message, allowed)
        return ConfigError(f"{'.'.join(loc)}: {message}")
