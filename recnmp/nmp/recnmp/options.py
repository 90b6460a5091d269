"""RecNMP's options, and what they come to in clocks."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recnmp.nmp import _kernels as kernel
from recnmp.nmp.base import System
from recnmp.nmp.channel import Units
from recnmp.nmp.packet import MAX_POOLINGS
from recnmp.trace.trace import Trace

Clocks = Annotated[int, Field(ge=0, le=1000)]


class Options(BaseModel):
    """Options of RecNMP; clocks are the memory's. Defaults without a word are recalled from the paper."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    poolings_per_packet: int = Field(
        8, ge=1, le=MAX_POOLINGS, description="bags in a packet, told apart by PsumTag"
    )
    scheduling: Literal["arrival", "table_aware"] = Field(
        "arrival", description="arrival: packets as they come; table_aware: a round's packets table by table"
    )
    delivery: Literal["compressed", "ddr_commands"] = Field(
        "compressed", description="compressed: NMP instructions; ddr_commands: one DDR command a clock on C/A"
    )
    reorder_window: int = Field(
        16,
        ge=1,
        le=256,
        description="instructions a rank unit chooses from; 1: one after the other, in order; an assumption",
    )
    packets_in_flight: int = Field(
        2, ge=1, le=64, description="packets a rank can hold; 2 is double buffering, 1 none"
    )
    instructions_per_burst: int = Field(
        8, ge=1, le=64, description="instructions sent in the time of one burst"
    )
    header_bursts_per_dimm: int = Field(
        1, ge=0, le=16, description="configuration writes per packet and DIMM"
    )
    turnaround_cycles: Clocks = Field(
        2, description="idle clocks on DQ from results to a delivery, as DDR4 asks from reads to writes"
    )
    pipeline_cycles: Clocks = Field(4, description="stages of the rank unit's datapath")
    adder_cycles: Clocks = Field(3, description="FP32 adder")
    multiplier_cycles: Clocks = Field(4, description="FP32 multiplier, used by weights and scales")
    rank_cache_cycles: Clocks = Field(1, description="RankCache access")
    locality: Literal["all", "threshold", "profiled"] = Field(
        "all",
        description="which lookups may use the RankCache; threshold: those of entries read `locality_threshold` "
        "times in their batch; profiled: of a threshold chosen for every table's batch",
    )
    locality_threshold: int | None = Field(None, ge=1, description="for locality: threshold")
    profile_ns_per_lookup: float = Field(
        4.0,
        ge=0,
        le=1000,
        description="time of a host thread to count a lookup before its batch; an assumption",
    )
    profile_threads: int = Field(
        18, ge=1, le=1024, description="host threads that count, by default the cores of the paper's host"
    )
    host_add_ns_per_burst: float = Field(
        1.0, ge=0, le=1000, description="host time to add 64 B of a partial sum across DIMMs; an assumption"
    )

    @model_validator(mode="after")
    def _all_is_used(self) -> Self:
        if (self.locality == "threshold") != (self.locality_threshold is not None):
            raise ValueError("locality_threshold belongs to locality: threshold, and that needs it")
        return self


def units_of(options: Options, system: System, trace: Trace) -> Units:
    """Return sizes and latencies; one table of 8-bit entries gives every packet the way through its dequantiser."""
    weighted = trace.weight is not None
    dequantised = any(trace.tables[t].dtype == "int8_rowwise" for t in np.unique(trace.calls.table))
    adders = 1 + (system.memory.ranks_per_dimm - 1).bit_length()  # the rank's own, then the DIMM's tree
    adders += dequantised  # its bias
    cycles, compressed = system.spec.cycles, options.delivery == "compressed"
    fixed = kernel.Fixed(
        window=cycles["nBL"] if compressed else 1,
        per_window=options.instructions_per_burst if compressed else 1,
        buffers=options.packets_in_flight,
        burst=cycles["nBL"],
        write_latency=cycles["nCWL"],
        read_latency=cycles["nCL"],
        turnaround=options.turnaround_cycles,
        decode=options.rank_cache_cycles if system.cache.rank else 0,
        after_last_burst=options.pipeline_cycles
        + options.adder_cycles * adders
        + options.multiplier_cycles * (weighted + dequantised),
    )
    return Units(options.reorder_window, options.header_bursts_per_dimm, fixed)
