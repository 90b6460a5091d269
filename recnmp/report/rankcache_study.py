"""A RankCache study as text and as files: ``study.json``, a tidy table and a figure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recnmp.report.rankcache_figure import plot_rankcache_study
from recnmp.report.rankcache_rows import ORDERS, along, by_step, heading, value_text
from recnmp.report.study_files import write_study

Json = Mapping[str, Any]
_HEAD = f"{'hits':>8}{'ns/lookup':>11}{'time':>8}{'x host':>8}{'nJ/lookup':>11}{'energy':>8}"


def write_rankcache_study(document: Json, folder: Path) -> list[Path]:
    """Write a study into ``folder`` and return the files' paths.

    ``study.json`` has the request and where everything comes from; ``points`` is a table, as CSV and Parquet;
    ``study.svg`` and ``study.png`` the figure. Raises RecnmpError where that cannot be written.
    """
    return write_study(document, folder, ("points",), plot_rankcache_study)


def rankcache_study_lines(document: Json) -> Iterator[str]:
    """Yield a study for a terminal: every axis with hits, time and energy."""
    yield heading(document)
    host = document["host"]
    yield f"host: {host['ns_per_lookup']:.3f} ns and {host['recnmp_isca20_nj_per_lookup']:.2f} nJ per lookup"
    yield "time and energy are shares of those without a RankCache; energy at RecNMP's prices"
    if document["request"]["grid"]:
        yield from _block("all combinations", along(document, "grid"), _everything)
        return
    for step, rows in by_step(document, "size_bytes").items():
        yield from _block(f"size, {step}", rows, lambda row: value_text(row, "size_bytes"))
    for axis in ("ways", "policy", "threshold"):
        yield from _block(axis, along(document, axis), lambda row, axis=axis: value_text(row, axis))
    for order, rows in by_step(document, "poolings").items():
        yield from _block(
            f"poolings of a packet, {ORDERS[order]}", rows, lambda row: value_text(row, "poolings")
        )


def _everything(row: Json) -> str:
    size = value_text(row, "size_bytes")
    return f"{size} {row['ways']} {row['policy']} {row['order']} {row['threshold']} {row['poolings']}"


def _block(title: str, rows: list[Json], name: Any) -> Iterator[str]:
    if not rows:
        return
    names = [name(row) for row in rows]
    width = max(22, *(len(text) for text in names))
    yield ""
    yield f"{title:<{width + 2}}{_HEAD}"
    for text, row in zip(names, rows, strict=True):
        yield (
            f"  {text:<{width}}{row['hit_rate']:>8.1%}{row['ns_per_lookup']:>11.3f}{row['time_share']:>8.1%}"
            f"{row['speedup_over_host']:>8.2f}{row['recnmp_isca20_nj_per_lookup']:>11.2f}{row['energy_share']:>8.1%}"
        )
