"""What a study of RankCaches is asked for: values along six axes, checked before anything is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from recnmp._registry import did_you_mean
from recnmp.cache.policy import hardware_policies, parse_policy
from recnmp.errors import ConfigError
from recnmp.units import BURST_BYTES, parse_bytes

FULL = "full"
ORDERS = ("arrival", "table_aware")
LOCALITIES = ("all", "profiled")
SIZES = tuple(8 << 10 << n for n in range(8))
STEPS = {
    "arrival order": {"order": "arrival", "threshold": "all"},
    "table-aware": {"order": "table_aware", "threshold": "all"},
    "table-aware, profiled": {"order": "table_aware", "threshold": "profiled"},
}
"""Mechanisms under which sizes are compared, each on top of those before, as in the paper."""


@dataclass(frozen=True)
class Point:
    """One RankCache and how it is used; None as ``size_bytes`` is none at all.

    Attributes:
        size_bytes: capacity of every rank's cache.
        ways: associativity, ``full`` for one set.
        policy: ``NAME`` or ``NAME:option=value,...``.
        order: scheduling of packets.
        threshold: reads of an entry in its batch from which it may use the cache; ``all``, or ``profiled``.
        poolings: bags of a packet.
    """

    size_bytes: int | None = 128 << 10
    ways: int | str = 4
    policy: str = "lru"
    order: str = "arrival"
    threshold: int | str = "all"
    poolings: int = 8

    def without_cache(self) -> "Point":
        """Return the same packets in the same order without a RankCache."""
        return replace(self, size_bytes=None, ways=1, policy="lru", threshold="all")

    def changes(self) -> dict[str, Any]:
        """Return the options of a configuration that make it so, dotted."""
        number = isinstance(self.threshold, int)
        cache = None
        if self.size_bytes is not None:
            ways = self.size_bytes // BURST_BYTES if self.ways == FULL else self.ways
            cache = {"kind": self.policy, "size_bytes": self.size_bytes, "ways": ways}
        return {
            "cache.rank": cache,
            "nmp.options.scheduling": self.order,
            "nmp.options.locality": "threshold" if number else self.threshold,
            "nmp.options.locality_threshold": self.threshold if number else None,
            "nmp.options.poolings_per_packet": self.poolings,
        }


@dataclass(frozen=True)
class Request:
    """A study's axes; each holds the values that are tried, defaults where it is empty.

    Attributes:
        sizes: bytes of every rank's cache.
        ways: associativities, ``full`` among them.
        policies: ``NAME`` or ``NAME:option=value,...``.
        orders: keys of the scheduler.
        thresholds: numbers, ``all``, ``profiled``.
        poolings: bags of a packet.
        grid: all combinations; else every axis by itself, from the configuration's own RankCache, and sizes under
            each of ``STEPS``, too.
        processes: runs at a time.
    """

    sizes: tuple[int, ...] = ()
    ways: tuple[int | str, ...] = ()
    policies: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    thresholds: tuple[int | str, ...] = ()
    poolings: tuple[int, ...] = ()
    grid: bool = False
    processes: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be studied, with what is allowed."""
        for order in self.orders:
            if order not in ORDERS:
                raise ConfigError(
                    f"order {order!r} is not one of {', '.join(ORDERS)}{did_you_mean(order, ORDERS)}"
                )
        able = hardware_policies()
        for policy in self.policies:
            name, _ = parse_policy(policy)
            if name not in able:
                raise ConfigError(
                    f"policy {name} is not one of {', '.join(able)}, which a RankCache may have"
                )

    def axes(self, base: Point) -> dict[str, tuple[Any, ...]]:
        """Return the values of every axis, by fields of ``Point``; a grid takes the base's where none are given."""
        asked = {
            "size_bytes": (self.sizes, SIZES),
            "ways": (self.ways, (1, 2, 4, 8, 16, FULL)),
            "policy": (self.policies, tuple(hardware_policies())),
            "order": (self.orders, ORDERS),
            "threshold": (self.thresholds, ("all", 2, 4, 8, 16, "profiled")),
            "poolings": (self.poolings, (1, 2, 4, 8, 16)),
        }
        return {
            axis: given or ((getattr(base, axis),) if self.grid else default)
            for axis, (given, default) in asked.items()
        }

    def points(self, base: Point) -> Iterator[tuple[str, str, Point]]:
        """Yield every point with the axis along which it is compared, and the step for sizes, else empty."""
        axes = self.axes(base)
        if self.grid:
            for values in product(*axes.values()):
                yield "grid", "", replace(base, **dict(zip(axes, values, strict=True)))
            return
        for step, settings in STEPS.items():
            for size in axes["size_bytes"]:
                order, threshold = settings["order"], settings["threshold"]
                yield "size_bytes", step, replace(base, order=order, threshold=threshold, size_bytes=size)
        for axis in ("ways", "policy", "threshold"):
            for value in axes[axis]:
                yield axis, "", replace(base, **{axis: value})
        for order in axes["order"]:
            for poolings in axes["poolings"]:
                yield "poolings", order, replace(base, order=order, poolings=poolings)

    def document(self, base: Point) -> dict[str, Any]:
        """Return the request ready for JSON."""
        return {"grid": self.grid, "base": vars(base)} | {k: list(v) for k, v in self.axes(base).items()}


def parse_ways(texts: Sequence[str]) -> tuple[int | str, ...]:
    """Return associativities, a number or ``full``; raises ConfigError for anything else."""
    return _numbers(texts, "ways", (FULL,))


def parse_thresholds(texts: Sequence[str]) -> tuple[int | str, ...]:
    """Return thresholds, a number, ``all`` or ``profiled``; raises ConfigError for anything else."""
    return _numbers(texts, "a threshold", LOCALITIES)


def parse_sizes(texts: Sequence[str]) -> tuple[int, ...]:
    """Return sizes in bytes; raises ConfigError for what is none."""
    return tuple(parse_bytes(text) for text in texts)


def _numbers(texts: Sequence[str], what: str, words: Sequence[str]) -> tuple[int | str, ...]:
    found: list[int | str] = []
    for text in texts:
        if text not in words and not (text.isascii() and text.isdigit() and int(text) >= 1):
            raise ConfigError(f"{what}: a number from 1 on, or {' or '.join(words)}; got {text!r}")
        found.append(text if text in words else int(text))
    return tuple(found)
