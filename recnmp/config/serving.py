"""The ``end_to_end.serving`` section: which queries arrive, and how a socket works them off."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Rate = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]


class ServingConfig(BaseModel):
    """Queries at one memory system and the cores in front of it; `arrival.threads` batches are in flight at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query_samples: int = Field(
        256, ge=1, le=65536, description="samples of a query; mean of normal, median of lognormal sizes"
    )
    query_sizes: Literal["fixed", "normal", "lognormal"] = Field(
        "fixed", description="how the sizes of queries vary; rounded down, at least 1 sample"
    )
    query_spread: float | None = Field(
        None,
        gt=0,
        le=65536,
        description="normal: standard deviation in samples; lognormal: that of the logarithm; none of fixed",
    )
    largest_query: int = Field(1024, ge=1, le=65536, description="larger ones are cut to so many samples")
    batch_samples: int | None = Field(
        None,
        ge=1,
        le=65536,
        description="a query is split into batches of at most so many samples; as in the trace when absent",
    )
    batch_pieces: int = Field(
        1,
        ge=1,
        le=4,
        description="near memory, pieces of a batch: the host computes one while memory gathers the next",
    )
    cores: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="cores that threads share, an operator each; one per thread when absent",
    )
    arrivals: Literal["poisson", "even"] = Field("poisson", description="in random or in equal distances")
    queries_per_s: Annotated[list[Rate], Field(min_length=1, max_length=64)] | None = Field(
        None,
        description="offered loads, the same for both; 20, 50 and 80 % of the host's throughput when absent",
    )
    p95_ms: Rate | None = Field(
        None, description="target of the 95th percentile of latency; none when absent"
    )
    queries: int = Field(
        10_000, ge=100, le=1_000_000, description="queries simulated; the first tenth is not counted"
    )
    seed: int = Field(1, ge=0, description="seed of arrivals, sizes and, of co-located models, which one")

    @model_validator(mode="after")
    def _all_is_used(self) -> Self:
        if (self.query_spread is None) != (self.query_sizes == "fixed"):
            raise ValueError("query_spread is for normal and lognormal query_sizes, which need it")
        if self.query_samples > self.largest_query:
            raise ValueError(
                f"query_samples {self.query_samples} is more than largest_query {self.largest_query}"
            )
        return self
