"""What a synthetic trace is made of: the YAML that `recnmp trace synth` reads and `recnmp trace fit` writes."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recnmp._registry import PACKAGE, did_you_mean, library_names
from recnmp.config import Document
from recnmp.errors import ConfigError
from recnmp.trace.trace import Pooling
from recnmp.units import TableDtype

Size = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MOST_ENTRIES = 1 << 32


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Zipf(_Part):
    """Independent draws: rank r of ``population`` entries has p ~ (r + q)^-alpha; alpha 0 is uniform.

    Ranks are scattered over the table by a keyed permutation. ``population`` is by default the whole table.
    Every batch the coldest ``drift`` of the population become the hottest, all others move down the ranks.
    """

    kind: Literal["zipf"]
    alpha: Amount
    q: Amount = 0.0
    population: Size | None = None
    drift: Annotated[float, Field(ge=0, le=1)] = 0.0


class Stack(_Part):
    """LRU stack distances drawn from a profile, one stack for the whole trace: reuse crosses bags and batches.

    ``distances`` ascend from 0, which is a new entry; 1 is the entry read last. ``cumulative`` are their shares,
    added up to 1. Semantics of facebookresearch/dlrm's ``trace_generate_lru``: until as many new entries were
    read as the largest distance, distances that cannot be met yet are left out; when all of ``population``
    were read, the one read longest ago counts as new. ``padding`` leaves out new entries once warm;
    ``reorder: false`` does not move an entry that is read again (``trace_generate_rand``).
    """

    kind: Literal["stack"]
    distances: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    cumulative: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    population: Size | None = None
    padding: bool = False
    reorder: bool = True

    @model_validator(mode="after")
    def _profile(self) -> "Stack":
        ascending = all(a < b for a, b in pairwise(self.distances))
        if self.distances[0] != 0 or not ascending:
            raise ValueError("distances start at 0, a new entry, and ascend")
        sums = all(a <= b for a, b in pairwise(self.cumulative))
        if len(self.cumulative) != len(self.distances) or not sums or self.cumulative[-1] != 1:
            raise ValueError("cumulative has a share for every distance, does not fall and ends at 1")
        return self


class RecSsd(_Part):
    """RecSSD's locality knob K: a stack profile of exponential distances with K times their mass on new entries.

    A density histogram of 1,000 draws in 50 bins gives distances 0 to 49; floor(K x its sum) is added to bin
    0. Semantics of wilkening-mark/RecSSD-RecInfra ``gen_dist.py`` (its pool is 1,000,000 / 128 = 7,812 lines).
    """

    kind: Literal["recssd"]
    k: Amount
    population: Size = 7812


class Requests(_Part):
    """The request generator of FBGEMM's table-batched embedding benchmarks (pytorch/FBGEMM).

    ``alpha`` above 1: a bag gets ``oversample`` times as many draws of numpy's zipf(alpha) - 1, modulo the
    entries, as the longest bag of the call has lookups, and keeps the first different ones, in ascending order of
    rank; one permutation, the same for all tables of a size, maps ranks to entries. If a bag finds too few, the
    call becomes uniform. ``alpha`` up to 1: uniform, every bag sorted. ``reuse`` of the positions repeat those
    of the batch before. Not copied: its permutation; that uneven bags of uniform draws keep the smallest ones.
    """

    kind: Literal["fbgemm"]
    alpha: Amount = 1.0
    reuse: Annotated[float, Field(ge=0, le=1)] = 0.0
    oversample: Size = 3


class Constant(_Part):
    """Every bag has ``value`` lookups."""

    kind: Literal["constant"]
    value: Annotated[int, Field(ge=0)]


class Uniform(_Part):
    """Whole numbers from ``low`` to ``high``, both included."""

    kind: Literal["uniform"]
    low: Annotated[int, Field(ge=0)]
    high: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if self.low > self.high:
            raise ValueError("low is at most high")
        return self


class Normal(_Part):
    """A normal draw cut to its whole part, at least 0: what FBGEMM's generator does."""

    kind: Literal["normal"]
    mean: Amount
    sd: Amount


class LogNormal(_Part):
    """A log-normal draw of this mean and standard deviation, rounded, at most ``high``."""

    kind: Literal["lognormal"]
    mean: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    sd: Amount
    high: Size = 100_000


class Counted(_Part):
    """``lengths[i]`` lookups with a probability in proportion to ``counts[i]``."""

    kind: Literal["table"]
    lengths: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    counts: tuple[Amount, ...]

    @model_validator(mode="after")
    def _alike(self) -> "Counted":
        if len(self.lengths) != len(self.counts) or not sum(self.counts) > 0:
            raise ValueError("counts has a number for every length, not all 0")
        return self


Popularity = Annotated[Zipf | Stack | RecSsd | Requests, Field(discriminator="kind")]
Lengths = Annotated[Constant | Uniform | Normal | LogNormal | Counted, Field(discriminator="kind")]


class SynthTables(_Part):
    """``count`` tables alike, each with draws of its own; ``bags`` of a call are the batch size by default.

    With ``fixed_bags`` the law draws the first entry of a bag alone and a hash of it the others, uniform over the
    table: MLPerf's materialised multi-hot Criteo, where an id always comes with the same others. Semantics of the
    uniform kind of facebookresearch/dlrm's ``multi_hot.py``, not its random numbers.
    """

    name: str = "table"
    count: Size = 1
    entries: Annotated[int, Field(ge=1, le=MOST_ENTRIES)]
    dim: Size
    dtype: TableDtype = "fp32"
    popularity: Popularity
    pooling_factor: Lengths
    bags: Size | None = None
    fixed_bags: bool = False

    @model_validator(mode="after")
    def _one_length(self) -> "SynthTables":
        law = self.pooling_factor
        if self.fixed_bags and not (isinstance(law, Constant) and law.value):
            raise ValueError("fixed_bags needs a constant pooling_factor of at least 1")
        return self

    @model_validator(mode="after")
    def _fits(self) -> "SynthTables":
        population = getattr(self.popularity, "population", None)
        if population is not None and population > self.entries:
            raise ValueError("population is at most entries")
        if (
            isinstance(self.popularity, Stack)
            and (population or self.entries) < self.popularity.distances[-1]
        ):
            raise ValueError("the largest distance is at most the population")
        return self


class SynthSpec(_Part):
    """A synthetic trace: in every batch one call of every table, in order."""

    source: str = Field("", description="where the figures come from")
    seed: Annotated[int, Field(ge=0)] = 1
    batches: Size
    batch_size: Size
    pooling: Pooling = "sum"
    weighted: bool = False
    tables: tuple[SynthTables, ...] = Field(min_length=1)

    @property
    def each_table(self) -> tuple[SynthTables, ...]:
        """Every table on its own, T of them (their ``count`` is the group's)."""
        return tuple(group for group in self.tables for _ in range(group.count))


def load_spec(path: str | Path) -> SynthSpec:
    """Read the description at ``path``, or the shipped one of that name; ConfigError with file and line."""
    file = Path(path)
    if not file.exists() and file.parent == Path():
        shipped = PACKAGE / "library" / "synthetic" / f"{file.name.removesuffix('.yaml')}.yaml"
        if not shipped.is_file():
            names = library_names("synthetic")
            hint = did_you_mean(file.name, names)
            raise ConfigError(f"{path}: no such file; shipped descriptions: {', '.join(names)}{hint}")
        file = shipped
    return Document.read(file).validate(SynthSpec)


def spec_yaml(spec: SynthSpec) -> str:
    """Return ``spec`` as the YAML that ``load_spec`` reads."""
    data = spec.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=110))
