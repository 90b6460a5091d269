"""Every option of a run on one page; `recnmp schema` prints the same as JSON Schema.

Names of plug-ins and library files (`model`, `memory.standard`, `nmp.kind`, ...) are plain text here and are
checked against what is installed by `recnmp.resolve`, so that adding a file adds the choice.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from recnmp.config.document import Document
from recnmp.config.mapping import AnyMapping
from recnmp.config.search import search_schema
from recnmp.config.serving import ServingConfig
from recnmp.config.sweep import sweep_schema
from recnmp.errors import ConfigError
from recnmp.units import BURST_BYTES, TableDtype, parse_bytes


def _bytes(value: object) -> object:
    try:
        return parse_bytes(value) if isinstance(value, str | int) else value
    except ConfigError as error:
        raise ValueError(str(error)) from None


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError(f"must be a power of two, got {value}")
    return value


_SIZE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(B|KiB|MiB|GiB|TiB)?\s*$"},
    ]
}
_POWERS = {"enum": [2**n for n in range(11)]}

Bytes = Annotated[int, BeforeValidator(_bytes), Field(gt=0), WithJsonSchema(_SIZE_SCHEMA)]
PowerOfTwo = Annotated[
    int, Field(ge=1, le=1024, json_schema_extra={**_POWERS}), AfterValidator(_power_of_two)
]
PageBytes = Annotated[Bytes, Field(ge=BURST_BYTES, le=1 << 30), AfterValidator(_power_of_two)]


_Options = TypeVar("_Options", bound=BaseModel)


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TraceConfig(Section):
    """Which embedding accesses are replayed."""

    file: Path = Field(description="trace file, relative to the configuration that names it")
    first_batch: int = Field(0, ge=0, description="first batch replayed")
    batches: int | None = Field(None, ge=1, description="batches replayed; all when absent")
    table_dtype: TableDtype | None = Field(
        None,
        description="how memory holds every table's entries, whatever trace and model say: fp32, or int8_rowwise "
        "(8-bit codes with a scale and bias for each entry); as trace and model say when absent",
    )


class HostTrafficConfig(Section):
    """Ordinary reads and writes of the host on the same channels, whoever gathers."""

    gb_per_s: float = Field(gt=0, le=10000, description="offered, reads and writes over all channels")
    write_share: float = Field(0.3, ge=0, le=1, description="writes among them")
    pattern: Literal["random", "stream"] = Field(
        "random", description="random: anywhere in memory; stream: one burst after the other"
    )
    arrivals: Literal["poisson", "even"] = Field("poisson", description="in random or in equal distances")
    seed: int = Field(1, ge=0, description="seed of arrivals and places")


class MemoryConfig(Section):
    """The DRAM system, the same for the host and for near-memory processing."""

    standard: str = Field("ddr4_2400", description="DRAM standard, a file of library/standards")
    channels: PowerOfTwo = Field(1, description="channels, each with its own C/A and DQ bus")
    dimms_per_channel: PowerOfTwo = Field(1, description="DIMMs on a channel")
    ranks_per_dimm: PowerOfTwo = Field(2, description="ranks of a DIMM")
    mapping: AnyMapping = Field(
        "RoBaBgRaChCo",
        description="address bits from most to least significant: Ro row, Ba bank, Bg bank group, Ra rank, "
        "Ch channel, Co column; a number fixes a field's bits, so Co may be split: RoBaBgRaChCoBgCo2 is not "
        "allowed (Bg twice without a number), RoBaRaChCoBgCo1 is; or a file of library/mappings; or your own "
        "YAML file with order and xor, relative to the configuration that names it; or these keys themselves",
    )
    policy: str = Field("frfcfs", description="how the controller picks the next command")
    page_policy: Literal["open", "closed"] = Field(
        "open", description="open: rows stay open; closed: rows that no queued request can use are closed"
    )
    row_hit_cap: int | None = Field(
        None,
        ge=1,
        description="column commands after which a row no longer stays open for hits; no cap when absent",
    )
    merge_reads: bool = Field(
        False,
        description="waiting reads answer reads of the same burst; inflates bandwidth where rows are hot",
    )
    read_queue: int = Field(32, ge=1, le=4096, description="read requests a controller can hold")
    refresh: Literal["off", "simultaneous", "staggered", "same_bank"] = Field(
        "simultaneous",
        description="refresh of a channel's ranks: none, together, or spread out; same_bank (DDR5): spread out and "
        "by sets of banks, one of every bank group, while all others are served",
    )
    host_traffic: HostTrafficConfig | None = Field(
        None, description="other reads and writes of the host; none when absent"
    )
    audit: bool = Field(False, description="re-check every issued command against the standard's constraints")


class ProfileConfig(Section):
    """Batches whose lookups tell what is hot: other ones than those replayed, to train apart from evaluation."""

    first_batch: int = Field(0, ge=0, description="first batch of the trace file that is counted")
    batches: int | None = Field(None, ge=1, description="batches counted; all that follow when absent")


class ReplicateConfig(Section):
    """Copies of the hottest entries in every rank, of which near memory reads the one in the idlest rank."""

    entries: int | None = Field(None, ge=1, description="entries copied, the hottest of all tables together")
    share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="the same as a share of all entries of all tables; 1 copies whole tables",
    )
    bags: int = Field(
        8, ge=1, description="bags of a call over which ranks are evened out; a packet's poolings"
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.entries is None) == (self.share is None):
            raise ValueError("must have either entries or share")
        return self


class PlacementConfig(Section):
    """Where tables live in physical memory."""

    pages: Literal["random", "coloured"] = Field(
        "random",
        description="random: the operating system's free pages; coloured: pages in ranks chosen by `colours`",
    )
    colours: Literal["in_turn", "balanced", "page_interleaved"] = Field(
        "in_turn",
        description="of coloured pages; in_turn: a table in one rank, tables dealt in turn; balanced: a table in "
        "one rank, tables with most lookups first, each to the rank with fewest; page_interleaved: pages of every "
        "table dealt to all ranks in turn",
    )
    page_bytes: PageBytes = Field(
        4096, description="page size, a power of two from 64 B to 1 GiB: 4 KiB, huge pages of 2 MiB or 1 GiB"
    )
    seed: int = Field(1, ge=0, description="seed of the page placement")
    replicate: ReplicateConfig | None = Field(
        None, description="copies of hot entries in every rank; none when absent"
    )
    profile: ProfileConfig | None = Field(
        None, description="batches counted for `balanced` and `replicate`; those replayed when absent"
    )

    @model_validator(mode="after")
    def _all_is_used(self) -> Self:
        if self.colours != "in_turn" and self.pages != "coloured":
            raise ValueError(f"colours: {self.colours} needs pages: coloured, got {self.pages}")
        balanced = self.pages == "coloured" and self.colours == "balanced"
        if self.profile and not (balanced or self.replicate):
            raise ValueError("profile is for colours: balanced and for replicate, of which there is neither")
        return self


class CacheConfig(Section):
    """One cache of 64-byte lines."""

    kind: str = Field(
        "lru",
        description="replacement policy, NAME or NAME:OPTION=VALUE,...: one of `recnmp list caches`, a file of "
        "recnmp/cache/policies that needs no future and no profile",
    )
    size_bytes: Bytes = Field(description="capacity; per rank for `cache.rank`")
    ways: int = Field(4, ge=1, description="associativity")

    @model_validator(mode="after")
    def _whole_sets(self) -> Self:
        set_bytes = self.ways * BURST_BYTES
        if self.size_bytes % set_bytes:
            raise ValueError(
                f"size_bytes must be whole sets of {self.ways} ways x {BURST_BYTES} B = {set_bytes} B, "
                f"got {self.size_bytes}"
            )
        return self


class CachesConfig(Section):
    """Caches that keep lookups away from DRAM."""

    rank: CacheConfig | None = Field(None, description="RankCache in front of every rank; none when absent")
    llc: CacheConfig | None = Field(None, description="host last-level cache; none when absent")


class ArrivalConfig(Section):
    """Which batches run at the same time, and in which order their work reaches the memory controllers."""

    threads: int = Field(1, ge=1, le=1024, description="batches that run at once, each on a host thread")
    order: Literal["batched", "round_robin", "random"] = Field(
        "batched",
        description="batched: one batch after the other, table by table; round_robin: threads in turn, a bag on "
        "the host, a packet near memory; random: threads in random turns",
    )
    tables: Literal["shared", "separate"] = Field(
        "shared",
        description="shared: threads serve one model; separate: co-located models, each thread has its own tables",
    )
    seed: int = Field(1, ge=0, description="seed of random turns")

    @model_validator(mode="after")
    def _all_is_used(self) -> Self:
        if self.threads == 1 and (self.order != "batched" or self.tables != "shared"):
            raise ValueError("order and tables are for several threads; threads is 1")
        return self


class HostConfig(Section):
    """The processor whose gather-reduce is told beside the DRAM-bound one."""

    cpu: str | None = Field(
        "skylake_sp_18core",
        description="a file of library/hosts: its last-level cache and misses under way; null: the DRAM-bound "
        "gather alone",
    )
    cores: int | None = Field(None, ge=1, description="cores that gather; all of the processor's when absent")


class NmpConfig(Section):
    """The near-memory architecture compared with the host."""

    kind: str = Field(
        "recnmp", description="architecture, a file of recnmp/nmp; host runs the baseline alone"
    )
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
    device: str = Field(
        "xeon_2core_shared_2026",
        description="device profile: a file of library/devices, or your own YAML file, relative to the "
        "configuration that names it; the one that ships when absent",
    )


class NoMlpConfig(Section):
    """Leave the dense part out: the gather-reduce alone, no end to end."""

    kind: Literal["none"] = "none"


class EndToEndConfig(Section):
    """How the parts of a model's inference meet."""

    overlap: Literal["bottom_mlp", "none"] = Field(
        "bottom_mlp",
        description="what the host computes while near memory gathers; the host baseline overlaps nothing",
    )
    interference: Literal["off", "profile"] = Field(
        "off",
        description="profile: a host whose co-located models gather (arrival.threads) computes its dense part more "
        "slowly, by what the device profile measured; off: as fast as alone",
    )
    serving: ServingConfig | None = Field(
        None, description="queries that arrive, wait and are split into batches; none when absent"
    )


class Config(Section):
    """One run: a model's trace on a memory system, by the host and near memory."""

    version: Literal[1] = Field(1, description="version of this format")
    model: str = Field(
        description="recommendation model: a file of library/models, or your own YAML file, relative to the "
        "configuration that names it"
    )
    trace: TraceConfig
    memory: MemoryConfig = MemoryConfig()
    placement: PlacementConfig = PlacementConfig()
    cache: CachesConfig = CachesConfig()
    arrival: ArrivalConfig = ArrivalConfig()
    host: HostConfig = HostConfig()
    nmp: NmpConfig = NmpConfig()
    mlp: Annotated[MeasuredMlpConfig | ProfileMlpConfig | NoMlpConfig, Field(discriminator="kind")] = (
        MeasuredMlpConfig()
    )
    end_to_end: EndToEndConfig = EndToEndConfig()
    functional_check: Literal["auto", "on", "off"] = Field(
        "auto",
        description="pool real vectors through the packets and compare; auto: on up to 2 million lookups",
    )

    _document: Document | None = PrivateAttr(None)

    def __eq__(self, other: object) -> bool:
        """Return whether the options are equal, wherever they were written."""
        return isinstance(other, Config) and self.model_dump() == other.model_dump()

    @property
    def _places(self) -> Document:
        return self._document or Document.from_data(self.model_dump(mode="json"), "configuration")

    def section(self, loc: tuple[str, ...], model: type[_Options]) -> _Options:
        """Return a plug-in's options at ``loc`` as its ``model``; errors name file, line and column."""
        data: Any = self.model_dump(mode="json")
        for key in loc:
            data = data[key]
        return self._places.validate_part(loc, data, model)

    def error(self, loc: tuple[str, ...], message: str, allowed: list[str] | None = None) -> ConfigError:
        """Return the error for the option at ``loc``, with its file, line and column when they are known."""
        return self._places.error(loc, message, allowed)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file for editors, ``extends``, ``sweep`` and ``search`` included.

    A file that extends another one may leave out what the other one has.
    """
    schema = Config.model_json_schema()
    needed = schema.pop("required")
    extends = {"type": "string", "description": "file this one starts from, relative to this one"}
    sweep, definitions = sweep_schema()
    search, more = search_schema()
    schema["$defs"] |= definitions | more
    schema["properties"] = {"extends": extends, **schema["properties"], "sweep": sweep, "search": search}
    schema["anyOf"] = [{"required": ["extends"]}, {"required": needed}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
