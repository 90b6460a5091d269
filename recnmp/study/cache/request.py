"""What a cache study is asked for, checked before anything is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recnmp._registry import did_you_mean
from recnmp.cache.policy import find_policy, parse_policy, policy_names
from recnmp.errors import ConfigError
from recnmp.units import BURST_BYTES, parse_bytes

SCOPES = {
    "trace": "one cache over all tables",
    "table": "a cache for each table",
    "llc": "the host's cache, where the configuration places the tables",
    "dimm": "a cache for each DIMM",
    "rank": "a cache for each rank",
}
PLACED = ("llc", "dimm", "rank")
LINES = {"entry": "whole entries", "64": f"lines of {BURST_BYTES} B"}
SIZES = ("8 KiB", "32 KiB", "128 KiB", "512 KiB", "2 MiB", "8 MiB")
FULL = "full"


@dataclass(frozen=True)
class Request:
    """A study's points: every policy with every size, ways, line and scope.

    Attributes:
        policies: ``NAME`` or ``NAME:option=value,...``; all policies that can run when empty.
        sizes: bytes of each cache.
        ways: associativities; None is fully associative.
        lines: keys of ``LINES``.
        scopes: keys of ``SCOPES``.
        train: share of the batches that warm caches up and that profiles see; the rest is what is judged. With 0
            everything is judged, from cold caches.
        sampled: share of the entries sampled for the LRU curves; None for exact ones.
        seed: of the sample.
    """

    policies: tuple[str, ...] = ()
    sizes: tuple[int, ...] = tuple(parse_bytes(size) for size in SIZES)
    ways: tuple[int | None, ...] = (None,)
    lines: tuple[str, ...] = ("entry",)
    scopes: tuple[str, ...] = ("trace",)
    train: float = 0.5
    sampled: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be studied, with what is allowed."""
        for what, chosen, known in (("scope", self.scopes, SCOPES), ("line", self.lines, LINES)):
            for name in chosen:
                if name not in known:
                    hint = did_you_mean(name, known)
                    raise ConfigError(f"{what} {name!r} is not one of {', '.join(known)}{hint}")
        if not 0 <= self.train < 1:
            raise ConfigError(f"train is a share from 0 to below 1, got {self.train:g}")
        if self.sampled is not None and not 0 < self.sampled <= 1:
            raise ConfigError(f"sampled is a share above 0, up to 1, got {self.sampled:g}")
        if min(self.sizes, default=1) < 1:
            raise ConfigError("a cache has at least one byte")
        for policy in self.policies:
            name, _ = parse_policy(policy)
            if "profile" in getattr(find_policy(name), "NEEDS", ()) and not self.train:
                raise ConfigError(f"policy {name} needs a profile: train is 0")

    def chosen(self) -> list[tuple[str, dict[str, Any]]]:
        """Return names and options of the policies: those asked for, or all that have what they need."""
        if self.policies:
            return [parse_policy(policy) for policy in self.policies]
        able = [
            name
            for name in policy_names()
            if self.train or "profile" not in getattr(find_policy(name), "NEEDS", ())
        ]
        return [(name, {}) for name in able]

    def document(self) -> dict[str, Any]:
        """Return the request ready for JSON."""
        return {
            "policies": list(self.policies) or [name for name, _ in self.chosen()],
            "sizes_bytes": list(self.sizes),
            "ways": [FULL if ways is None else ways for ways in self.ways],
            "lines": list(self.lines),
            "scopes": list(self.scopes),
            "train": self.train,
            "sampled": self.sampled,
            "seed": self.seed,
        }


def parse_ways(texts: Sequence[str]) -> tuple[int | None, ...]:
    """Return associativities; ``full`` is None. Raises ConfigError for anything else that is not a count."""
    found: list[int | None] = []
    for text in texts:
        if text != FULL and not (text.isascii() and text.isdigit() and int(text) >= 1):
            raise ConfigError(f"ways are a number from 1 on, or {FULL}; got {text!r}")
        found.append(None if text == FULL else int(text))
    return tuple(found)
