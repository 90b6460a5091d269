"""What a study of hot entries is asked for, checked before anything is read."""

from dataclasses import dataclass
from typing import Any

from recnmp._registry import did_you_mean
from recnmp.errors import ConfigError
from recnmp.library.tier import Tier, load_tier
from recnmp.study.hot.profile import PROFILERS
from recnmp.units import parse_bytes

SHARES = (0.005, 0.01, 0.05, 0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Request:
    """What is profiled, for which budgets, and where hot entries are placed.

    Attributes:
        budgets: bytes for hot entries (int), or shares of all tables' bytes (float).
        sample: share of the profiled samples that is drawn and counted.
        train: share of the batches that is profiled; the rest is judged. With 0 all is profiled and judged.
        profiler: a key of ``PROFILERS``.
        windows: equal parts of the trace over which profiles age; 0 for none.
        tiers: files of ``library/tiers`` or the user's; the memory system is asked where there are any, or copies.
        replicate: whether copies in every rank are simulated, too.
        seed: of the draw.
    """

    budgets: tuple[int | float, ...] = SHARES
    sample: float = 1.0
    train: float = 0.5
    profiler: str = "plain"
    windows: int = 8
    tiers: tuple[str, ...] = ()
    replicate: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be studied, with what is allowed."""
        if self.profiler not in PROFILERS:
            known = ", ".join(PROFILERS)
            raise ConfigError(
                f"profiler {self.profiler!r} is not one of {known}{did_you_mean(self.profiler, PROFILERS)}"
            )
        if not 0 < self.sample <= 1:
            raise ConfigError(f"sample is a share above 0, up to 1, got {self.sample:g}")
        if not 0 <= self.train < 1:
            raise ConfigError(f"train is a share from 0 to below 1, got {self.train:g}")
        if self.windows == 1 or self.windows < 0:
            raise ConfigError(f"windows are at least 2, or 0 for none, got {self.windows}")
        self.loaded()

    @property
    def asks_memory(self) -> bool:
        """Whether the memory system is asked."""
        return bool(self.tiers) or self.replicate

    def loaded(self) -> dict[str, Tier]:
        """Return the tiers by their names; raises ConfigError for one that is not there."""
        return {name: load_tier(name) for name in self.tiers}

    def bytes_of(self, total_bytes: int) -> list[int]:
        """Return the budgets in bytes, where all tables take ``total_bytes``."""
        return [round(one * total_bytes) if isinstance(one, float) else one for one in self.budgets]

    def document(self) -> dict[str, Any]:
        """Return the request ready for JSON."""
        return {
            "budgets": list(self.budgets),
            "sample": self.sample,
            "train": self.train,
            "profiler": self.profiler,
            "windows": self.windows,
            "tiers": {name: tier.model_dump(mode="json") for name, tier in self.loaded().items()},
            "replicate": self.replicate,
            "seed": self.seed,
        }


def parse_budget(text: str) -> int | float:
    """Return a budget: bytes, such as ``1 MiB``, or a share of all tables, such as ``0.5%``.

    Raises ConfigError for anything else.
    """
    if not text.endswith("%"):
        return parse_bytes(text)
    try:
        share = float(text[:-1]) / 100
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"a budget is a size, or a share above 0 % up to 100 %; got {text!r}")
    return share
