"""Whether two results say the same where the same input must give the same values."""

from collections.abc import Iterator, Mapping
from typing import Any

REPRODUCIBLE = ("sls", "memory", "nmp", "energy")
"""Sections that follow from configuration, trace and seed alone; ``mlp`` may be measured anew."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line for each reproducible value that differs between two result documents; none when equal.

    Values are compared exactly, not within a tolerance; what ``before`` does not hold at all is not compared, for
    an earlier version may have known less. The trace digest comes first: with another trace nothing else can be
    expected to agree.
    """
    pairs = [(f"{section}", before[section], after[section]) for section in REPRODUCIBLE]
    digests = (before["provenance"].get("trace_digest"), after["provenance"].get("trace_digest"))
    lines = [line for name, old, new in pairs for line in _compare(name, old, new)]
    return [*_compare("provenance.trace_digest", *digests), *lines]


def _compare(name: str, old: object, new: object) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old):
            yield from _compare(f"{name}.{key}", old[key], new.get(key, "absent"))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _compare(f"{name}[{i}]", a, b)
    elif old != new:
        yield f"{name} was {old}, is {new}"
