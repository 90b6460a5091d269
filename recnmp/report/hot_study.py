"""A study of hot entries as text and as files: ``study.json``, three tidy tables and a figure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recnmp.report.cache_rows import size_text
from recnmp.report.hot_figure import plot_hot_study
from recnmp.report.hot_rows import PARTS, budgets, by_age, heading, overall, renewed, tier_text
from recnmp.report.study_files import write_study

Json = Mapping[str, Any]


def write_hot_study(document: Json, folder: Path) -> list[Path]:
    """Write a study into ``folder`` and return the files' paths.

    ``study.json`` has the request and where everything comes from; ``shares``, ``ageing`` and ``reply`` are tables,
    as CSV and Parquet; ``study.svg`` and ``study.png`` the figure. Raises RecnmpError where that cannot be written.
    """
    return write_study(document, folder, ("shares", "ageing", "reply"), plot_hot_study)


def hot_study_lines(document: Json) -> Iterator[str]:
    """Yield a study for a terminal: shares by budget, how profiles age, and the memory system's reply."""
    yield heading(document)
    request = document["request"]
    yield ""
    drawn = (
        "every sample counted"
        if request["sample"] == 1 and request["profiler"] == "plain"
        else (f"{request['sample']:g} of the samples drawn, profiler {request['profiler']}")
    )
    yield f"hot share of the most read entries under one budget, {drawn}"
    yield f"  {'budget':>10}{'of tables':>11}{'entries':>10}  {'part':<14}{'lookups':>9}{'whole samples':>15}"
    for row in overall(document):
        yield (
            f"  {size_text(row['budget_bytes']):>10}{row['budget_share']:>11.2%}{row['hot_entries']:>10,}  "
            f"{PARTS[row['part']]:<14}{row['hot_lookup_share']:>9.1%}{row['hot_sample_share']:>15.1%}"
        )
    yield from _ageing_lines(document)
    yield from _reply_lines(document)


def _ageing_lines(document: Json) -> Iterator[str]:
    if not document["ageing"]:
        return
    windows = document["request"]["windows"]
    yield ""
    yield f"hot lookups by the age of a profile of one of {windows} windows, and renewed from all before"
    yield f"  {'budget':>10}" + "".join(f"{age:>8}" for age in range(windows)) + f"{'renewed':>10}"
    for row in budgets(document):
        ages = by_age(document, row["budget_bytes"], "hot_lookup_share")
        fresh = renewed(document, row["budget_bytes"], "hot_lookup_share")
        yield (
            f"  {size_text(row['budget_bytes']):>10}"
            + "".join(f"{share:>8.1%}" for share in ages)
            + f"{fresh:>10.1%}"
        )


def _reply_lines(document: Json) -> Iterator[str]:
    if not document["reply"]:
        return
    part = "judged part" if document["request"]["train"] else "whole trace"
    yield ""
    yield f"time and energy of the {part}; tier and DRAM at the same time, or one after the other"
    yield (
        f"  {'budget':>10}  {'hot entries in':<22}{'reader':<8}{'moved':>8}{'ns/lookup':>11}{'time':>8}{'serial':>8}"
        f"{'energy':>9}"
    )
    for row in document["reply"]:
        energy = row["recnmp_isca20_energy_share"]
        yield (
            f"  {size_text(row['budget_bytes']):>10}  {tier_text(row['tier'])[:20]:<22}{row['reader']:<8}"
            f"{row['moved_lookups'] / row['lookups']:>8.1%}{row['ns_per_lookup']:>11.3f}{row['time_share']:>8.1%}"
            f"{row['serial_time_share']:>8.1%}" + ("  unknown" if energy is None else f"{energy:>9.1%}")
        )
    yield "  shares are of all in DRAM by the same reader; energy at RecNMP's prices (recalled, not verified)"
