"""Host processors as far as they limit a gather, read from ``library/hosts/*.yaml``."""

from typing import Self

from pydantic import Field, model_validator

from recnmp._registry import PACKAGE
from recnmp.config import Document
from recnmp.library.facts import Count, Facts, Quantity
from recnmp.units import BURST_BYTES


class HostCpu(Facts):
    """What of a processor decides how fast its cores can read from memory.

    Attributes:
        source: where the file's values come from; each also has its own.
        cores: that can gather.
        misses_per_core: reads that a core can have under way.
        outside_dram_ns: of an idle read's latency, the part that is not DRAM's: from core to memory and back.
        llc_kib: capacity of the last-level cache.
        llc_ways: its associativity.
    """

    name: str
    source: str = Field(min_length=20)
    cores: Count
    misses_per_core: Count
    outside_dram_ns: Quantity
    llc_kib: Count
    llc_ways: Count

    @model_validator(mode="after")
    def _whole_sets(self) -> Self:
        if self.llc_bytes % (self.llc_ways.value * BURST_BYTES):
            raise ValueError(f"llc_kib must be whole sets of {self.llc_ways.value} ways x {BURST_BYTES} B")
        return self

    @property
    def llc_bytes(self) -> int:
        """Capacity of the last-level cache in bytes."""
        return self.llc_kib.value * 1024


def load_host(name: str) -> HostCpu:
    """Read ``library/hosts/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return Document.read(PACKAGE / "library" / "hosts" / f"{name}.yaml").validate(HostCpu)
