"""Parts of a cache study's document, for its text and its figure."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
ALL = "all"


def heading(document: Json) -> str:
    """Return what was studied in one line."""
    trace = document["trace"]
    tables = f"{trace['tables']} table{'s' * (trace['tables'] != 1)}"
    return f"{trace['file']}: {trace['lookups']:,} lookups of {tables}"


def blocks(document: Json) -> dict[tuple[str, str, str, str], list[Json]]:
    """Return the rows over all tables and caches by scope, line, ways and start; warm ones where there are any.

    Ways are ``full`` where a cache is one set.
    """
    wanted = "warm" if document["request"]["train"] else "cold"
    found: dict[tuple[str, str, str, str], list[Json]] = {}
    for row in document["grid"]:
        if row["table"] == row["cache"] == ALL and row["start"] == wanted:
            ways = "full" if row["sets"] == 1 else str(row["ways"])
            found.setdefault((row["scope"], row["line"], ways, wanted), []).append(row)
    return found


def describe(scope: str, line: str, ways: str) -> str:
    """Return a block's caches in words."""
    of = {"trace": "one cache", "table": "a cache per table", "llc": "last-level cache"}
    unit = "whole entries" if line == "entry" else f"lines of {line} B"
    order = "full associativity" if ways == "full" else f"{ways} ways"
    return f"{of.get(scope, f'a cache per {scope}')}, {unit}, {order}"


def label(row: Json) -> str:
    """Return policy and options of a row; options that a profile chose stay out, they differ by size."""
    return f"{row['policy']} {row['options']}" if row["options"] and not row["tuned"] else str(row["policy"])


def size_text(size: int) -> str:
    """Return bytes as a person writes them."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):.4g} {unit}"
    return f"{size} B"


def curve_of(document: Json, cache: str, table: str, start: str = "cold") -> list[Json]:
    """Return the points of one LRU curve, by size."""
    return [
        row
        for row in document["curves"]
        if (row["cache"], row["table"], row["start"]) == (cache, table, start)
    ]


def at_bytes(curve: list[Json], size: int) -> Json | None:
    """Return the largest point of a curve that is no larger than ``size``, None where all are."""
    return next((row for row in reversed(curve) if row["bytes"] <= size), None)


def middle_size(document: Json) -> int:
    """Return the middle one of the sizes that were asked for, in bytes."""
    sizes = sorted(document["request"]["sizes_bytes"])
    return int(sizes[len(sizes) // 2])


def sharing(document: Json) -> list[dict[str, Any]]:
    """Return each table's misses in the shared cache and in its own, most lookups first; exact curves only."""
    size, found = middle_size(document), []
    points: dict[tuple[str, str], Json] = {}
    for row in document["curves"]:
        if row["start"] == "cold" and row["bytes"] <= size:
            points[row["cache"], row["table"]] = row  # sizes ascend, so the last one stays
    for (cache, table), own in points.items():
        shared = points.get(("shared", table))
        if cache == "own" and shared and own["lookups"]:
            found.append(
                {
                    "table": table,
                    "lookups": own["lookups"],
                    "shared": shared["miss_ratio"],
                    "own": own["miss_ratio"],
                }
            )
    return sorted(found, key=lambda row: -row["lookups"])
