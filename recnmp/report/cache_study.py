"""A cache study as text and as files: ``study.json``, two tidy tables and a figure."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.report.cache_figure import plot_cache_study
from recnmp.report.result import plain, write_whole
from recnmp.report.tidy import write_tidy

Json = Mapping[str, Any]
ALL = "all"
_SHOWN_TABLES = 12


def write_cache_study(document: Json, folder: Path) -> list[Path]:
    """Write a study into ``folder`` and return the files' paths.

    ``study.json`` has the request and where everything comes from; ``curves`` and ``grid`` are tables, as CSV and
    Parquet; ``study.svg`` and ``study.png`` the figure. Raises RecnmpError where that cannot be written.
    """
    told = {key: document[key] for key in ("format", "trace", "request", "placement", "provenance")}
    origin = {key: told[key] for key in ("format", "trace", "request", "placement")} | {
        "config_sha256": told["provenance"]["config_sha256"],
        "recnmp": told["provenance"]["recnmp"],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(plain(told, "study"), indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(folder / "study.json", text + "\n")
        files = [folder / "study.json"]
        for name in ("curves", "grid"):
            if document[name]:
                files += write_tidy(document[name], folder / name, origin)
        for suffix in (".svg", ".png"):
            plot_cache_study(document, folder / f"study{suffix}")
            files.append(folder / f"study{suffix}")
    except OSError as error:
        raise RecnmpError(f"{folder}: cannot write the study: {error.strerror}") from None
    return files


def cache_study_lines(document: Json) -> Iterator[str]:
    """Yield a study for a terminal: LRU curve, tables sharing a cache, and policies by size."""
    trace, request = document["trace"], document["request"]
    yield f"{trace['file']}: {trace['lookups']:,} lookups of {trace['tables']} tables"
    yield from _curve_lines(document)
    yield from _sharing_lines(document)
    for block, rows in blocks(document).items():
        scope, line, ways, start = block
        part = f", the last {1 - request['train']:.0%} of the batches" if request["train"] else ""
        yield ""
        yield f"hits, {describe(scope, line, ways)}, {start}{part}"
        sizes = sorted({row["size_bytes"] for row in rows})
        yield f"  {'policy':<28}" + "".join(f"{size_text(size):>10}" for size in sizes)
        found = {(label(row), row["size_bytes"]): row for row in rows}
        for name in dict.fromkeys(label(row) for row in rows):
            cells = (found.get((name, size)) for size in sizes)
            yield f"  {name:<28}" + "".join(
                f"{'-':>10}" if cell is None else f"{cell['hit_share']:>10.1%}" for cell in cells
            )
        first = rows[0]["first_reads"] / max(rows[0]["accesses"], 1)
        yield f"  {first:.1%} are first reads of their part, which no cold cache hits"


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


def _curve_lines(document: Json) -> Iterator[str]:
    curve = curve_of(document, "shared", ALL)
    sampled = document["request"]["sampled"]
    how = "exact" if sampled is None else f"from {sampled:g} of the entries, +- 2 standard errors"
    yield ""
    yield f"misses of one fully associative LRU cache of whole entries, cold, {how}"
    for size in document["request"]["sizes_bytes"]:
        if row := at_bytes(curve, size):
            error = f" +- {2 * row['standard_error']:.2%}" if sampled is not None else ""
            yield f"  {size_text(size):>10}  {row['entries']:>12,} entries  {row['miss_ratio']:>7.2%}{error}"


def _sharing_lines(document: Json) -> Iterator[str]:
    """Yield how much more each table misses beside the others than alone, at the middle size."""
    rows = sharing(document)
    if len(rows) < 2:
        return
    size = middle_size(document)
    yield ""
    yield f"misses of a table in a shared LRU cache of {size_text(size)}, and in one of that size of its own, cold"
    for row in rows[:_SHOWN_TABLES]:
        yield f"  {row['table'][:24]:<26}{row['shared']:>8.1%} shared {row['own']:>8.1%} own"
    if len(rows) > _SHOWN_TABLES:
        yield f"  and {len(rows) - _SHOWN_TABLES} more tables"


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
