"""Faster memories that hot entries may be placed in, read from ``library/tiers/*.yaml`` or a file of the user's."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from recnmp._registry import PACKAGE, did_you_mean, library_names
from recnmp.config import Document
from recnmp.config.mapping import names_file
from recnmp.errors import ConfigError
from recnmp.library.facts import Count, Facts, Quantity

Route = Literal["lookups", "samples"]
"""What goes to the tier: every lookup of a hot entry, or only samples whose lookups are all hot."""


class RatesTier(Facts):
    """A memory known by its rates.

    Attributes:
        source: what it stands for; each value also has its own.
        route: what of the trace goes there.
        capacity_bytes: what hot entries may take.
        gb_per_s: rate of reads, 10^9 B/s.
        latency_ns: from the first read of a batch to its data.
        read_pj_per_bit: energy of reading; None where that is not known.
    """

    kind: Literal["rates"]
    name: str
    source: str = Field(min_length=20)
    route: Route
    capacity_bytes: Count
    gb_per_s: Quantity
    latency_ns: Quantity
    read_pj_per_bit: Quantity | None = None


class DramTier(Facts):
    """A memory that the DRAM engine simulates.

    Attributes:
        source: what it stands for; each value also has its own.
        route: what of the trace goes there.
        capacity_bytes: what hot entries may take.
        standard: file of ``library/standards``.
        channels: channels of one rank each.
        mapping: address mapping, as in the ``memory`` section of a configuration.
    """

    kind: Literal["dram"]
    name: str
    source: str = Field(min_length=20)
    route: Route
    capacity_bytes: Count
    standard: str
    channels: Count
    mapping: str


Tier = RatesTier | DramTier


def load_tier(name: str) -> Tier:
    """Read ``library/tiers/<name>.yaml``, or the YAML file of that name.

    Raises ConfigError where there is none, with file and line for anything wrong in it.
    """
    known = library_names("tiers")
    if names_file(name):
        path = Path(name)
    elif name in known:
        path = PACKAGE / "library" / "tiers" / f"{name}.yaml"
    else:
        raise ConfigError(
            f"tier {name!r} is neither a YAML file nor one of {', '.join(known)}{did_you_mean(name, known)}"
        )
    document = Document.read(path)
    match document.data.get("kind"):
        case "rates":
            return document.validate(RatesTier)
        case "dram":
            return document.validate(DramTier)
        case kind:
            raise document.error(("kind",), f"unknown kind {kind!r}", ["rates", "dram"])
