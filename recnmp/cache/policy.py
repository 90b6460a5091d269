"""Running a replacement policy by its name: checks what it needs, and its options."""

import dataclasses
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from recnmp._registry import did_you_mean, plugin, plugin_names
from recnmp.cache.stream import Bits, Stream
from recnmp.errors import ConfigError

_PACKAGE = "cache.policies"


def policy_names() -> list[str]:
    """Return the names of all policies."""
    return plugin_names(_PACKAGE)


def find_policy(name: str) -> ModuleType:
    """Return the module of policy ``name``; raises ConfigError where there is none."""
    known = policy_names()
    if name not in known:
        raise ConfigError(f"policy {name!r} is not one of {', '.join(known)}{did_you_mean(name, known)}")
    return plugin(_PACKAGE, name)


def hardware_policies() -> list[str]:
    """Return the names of the policies that a simulated cache may have: they need nothing but the accesses."""
    return [name for name in policy_names() if not why_not_hardware(name)]


def why_not_hardware(name: str) -> str | None:
    """Return why no simulated cache has policy ``name``, None where one may."""
    module = find_policy(name)
    if getattr(module, "SEES_FUTURE", False):
        return "it sees the future"
    needs = getattr(module, "NEEDS", ())
    return f"it needs the {' and '.join(needs)} of every access" if needs else None


def parse_policy(text: str) -> tuple[str, dict[str, Any]]:
    """Return name and options of ``NAME`` or ``NAME:option=value,...``, such as ``s3fifo:small_share=0.2``.

    Raises ConfigError for a policy or option that is not there, and a value that is not of its type.
    """
    name, _, rest = text.partition(":")
    options = find_policy(name).Options
    types = {name: type(value) for name, value in dataclasses.asdict(options()).items()}
    chosen: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key not in types:
            known = ", ".join(types) or "none"
            raise ConfigError(
                f"policy {name}: option {key!r} is not one of {known}{did_you_mean(key, types)}"
            )
        try:
            chosen[key] = types[key](value)
        except ValueError:
            raise ConfigError(f"policy {name}: {key} is a {types[key].__name__}, got {value!r}") from None
    check_options(name, chosen)
    return name, chosen


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise ConfigError for shares outside 0 to 1, and numbers below 0, or 1 where nothing less makes sense."""
    for key, value in options.items():
        if isinstance(value, float) and not 0 <= value <= 1:
            raise ConfigError(f"policy {name}: {key} is a share from 0 to 1, got {value}")
        if isinstance(value, int) and value < (0 if key == "seed" else 1):
            raise ConfigError(f"policy {name}: {key} is at least {0 if key == 'seed' else 1}, got {value}")


def policy_hits(name: str, stream: Stream, ways: int, options: Mapping[str, Any] | None = None) -> Bits:
    """Return which accesses of ``stream`` hit a cold cache of ``stream.sets`` sets of ``ways``, shape (N,).

    Raises ConfigError where the policy needs what the stream does not have, or does not do sets.
    """
    module = find_policy(name)
    for need in getattr(module, "NEEDS", ()):
        if getattr(stream, need) is None:
            raise ConfigError(f"policy {name} needs the {need} of every access")
    if getattr(module, "ONE_SET", False) and stream.sets > 1:
        raise ConfigError(f"policy {name} is fully associative, it has no form with {stream.sets} sets")
    if ways < 1:
        raise ConfigError(f"a cache has at least one way, got {ways}")
    hit: Bits = module.hits(stream, ways, module.Options(**(options or {})))
    return hit
