"""A cache study as text and as files: ``study.json``, two tidy tables and a figure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recnmp.report.cache_figure import plot_cache_study
from recnmp.report.cache_rows import (
    ALL,
    at_bytes,
    blocks,
    curve_of,
    describe,
    heading,
    label,
    middle_size,
    sharing,
    size_text,
)
from recnmp.report.study_files import write_study

Json = Mapping[str, Any]
_SHOWN_TABLES = 12


def write_cache_study(document: Json, folder: Path) -> list[Path]:
    """Write a study into ``folder`` and return the files' paths.

    ``study.json`` has the request and where everything comes from; ``curves`` and ``grid`` are tables, as CSV and
    Parquet; ``study.svg`` and ``study.png`` the figure. Raises RecnmpError where that cannot be written.
    """
    return write_study(document, folder, ("curves", "grid"), plot_cache_study)


def cache_study_lines(document: Json) -> Iterator[str]:
    """Yield a study for a terminal: LRU curve, tables sharing a cache, and policies by size."""
    request = document["request"]
    yield heading(document)
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
