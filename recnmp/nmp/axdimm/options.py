"""What can be chosen of an AxDIMM and of the host software that drives it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from recnmp.nmp.axdimm.instruction import FIELDS

Nanoseconds = Annotated[float, Field(ge=0, le=1e6)]


class Options(BaseModel):
    """Options of AxDIMM; clocks are the memory's. Each says how sure its default is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    policy: Literal["replicate", "distribute", "single"] = Field(
        "replicate",
        description="replicate: every rank has every table, an execution goes to an idle unit; distribute: a table "
        "in the rank of its page colour; single: all in the first rank; policies as documented, the default "
        "is a choice (PNMLibrary's own is to choose by itself)",
    )
    instruction_buffer_words: int = Field(
        32768, ge=16, le=1 << 20, description="words of a trace, its header included; documented: 256 KiB"
    )
    instruction_buffers: Literal[1, 2] = Field(
        1,
        description="of a rank; 2: the next trace is written while one executes; documented: 1",
    )
    psum_slots: int = Field(
        2048,
        ge=4,
        le=1 << dict(FIELDS)["output"],
        description="64 B slots of each of a rank's two psum buffers; documented: 2,048 vectors of 64 B; that a "
        "wider vector takes several is an assumption",
    )
    issue: Literal["column", "row"] = Field(
        "column",
        description="column: lookup 0 of every bag of a table, then lookup 1, ... (documented); row: bag by bag",
    )
    clocks_per_instruction: int = Field(
        1, ge=1, le=1000, description="between instructions issued; documented for the vendor's simulator: 1"
    )
    read_queue: int = Field(
        32,
        ge=1,
        le=4096,
        description="bursts a rank's controller holds; documented for the vendor's simulator",
    )
    adder_cycles: int = Field(
        3,
        ge=1,
        le=1000,
        description="until a sum can take its next addend; RecNMP's adder, an assumption here",
    )
    dummy_words: int = Field(
        16, ge=2, le=1024, description="words of the trace that frees the last sums; documented"
    )
    close_stream: Literal["batch", "trace"] = Field(
        "batch",
        description="when that is sent; batch: after every batch, whose sums the host has before it goes on; "
        "trace: at the end of the run; an assumption",
    )
    poll_interval_ns: Nanoseconds = Field(
        1000.0, description="from a poll's answer to the next poll; an assumption"
    )
    driver_ns: Nanoseconds = Field(
        1000.0, description="software before each execution: choosing a unit, acquiring it; an assumption"
    )
