"""Parts of a hot study's document, for its text and its figure."""

from collections.abc import Mapping
from typing import Any

from recnmp.report.cache_rows import size_text

Json = Mapping[str, Any]
PARTS = {"profiled": "profiled part", "judged": "judged part", "whole": "whole trace"}
_TIERS = {"none": "all in DRAM", "copies": "copies in every rank"}


def heading(document: Json) -> str:
    """Return what was studied in one line."""
    trace = document["trace"]
    tables = f"{trace['tables']} table{'s' * (trace['tables'] != 1)} of {size_text(trace['table_bytes'])}"
    return f"{trace['file']}: {trace['lookups']:,} lookups, {trace['samples']:,} samples, {tables}"


def overall(document: Json) -> list[Json]:
    """Return the shares over all tables."""
    return [row for row in document["shares"] if row["table"] == "all"]


def budgets(document: Json) -> list[Json]:
    """Return a row of shares for each budget, in the order asked for."""
    found: dict[int, Json] = {}
    for row in overall(document):
        found.setdefault(row["budget_bytes"], row)
    return list(found.values())


def budget_text(row: Json) -> str:
    """Return a budget on two lines: its bytes, and its share of all tables."""
    return f"{size_text(row['budget_bytes'])}\n{100 * row['budget_share']:.3g} %"


def by_age(document: Json, budget_bytes: int, key: str) -> list[float]:
    """Return the mean of ``key`` by age, over all profiles of one window that are judged at that age."""
    found: dict[int, list[float]] = {}
    for row in document["ageing"]:
        if row["budget_bytes"] == budget_bytes and row["profiled"] != "all before":
            found.setdefault(row["age"], []).append(row[key])
    return [sum(values) / len(values) for _, values in sorted(found.items())]


def renewed(document: Json, budget_bytes: int, key: str) -> float | None:
    """Return the mean of ``key`` where a profile of all that went before is renewed at each window."""
    values = [
        row[key]
        for row in document["ageing"]
        if row["budget_bytes"] == budget_bytes and row["profiled"] == "all before"
    ]
    return sum(values) / len(values) if values else None


def readers(document: Json) -> list[str]:
    """Return who read DRAM in the reply."""
    return list(dict.fromkeys(row["reader"] for row in document["reply"]))


def tiers(document: Json) -> list[str]:
    """Return where hot entries lay in the reply."""
    return list(dict.fromkeys(row["tier"] for row in document["reply"]))


def tier_text(tier: str) -> str:
    """Return a tier in words."""
    return _TIERS.get(tier, tier)
