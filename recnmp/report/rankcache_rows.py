"""Parts of a RankCache study's document, for its text and its figure."""

from collections.abc import Mapping
from typing import Any

from recnmp.report.cache_rows import size_text

Json = Mapping[str, Any]
AXES = {"policy": "policy", "ways": "ways", "threshold": "threshold of the LocalityBit"}
ORDERS = {"arrival": "arrival order", "table_aware": "table-aware"}


def heading(document: Json) -> str:
    """Return what was studied in one line."""
    trace, memory = document["trace"], document["system"]["memory"]
    tables = f"{trace['tables']} table{'s' * (trace['tables'] != 1)}"
    shape = f"{memory['channels']} x {memory['dimms_per_channel']} x {memory['ranks_per_dimm']} ranks"
    return f"{trace['file']}: {trace['lookups']:,} lookups of {tables}, {shape} of {memory['standard']}"


def along(document: Json, axis: str) -> list[Json]:
    """Return the points along an axis, in the order asked for."""
    return [row for row in document["points"] if row["axis"] == axis]


def by_step(document: Json, axis: str) -> dict[str, list[Json]]:
    """Return the points along an axis by their step."""
    found: dict[str, list[Json]] = {}
    for row in along(document, axis):
        found.setdefault(row["step"], []).append(row)
    return found


def bare_of(document: Json, row: Json) -> Json:
    """Return the point without a RankCache whose packets and order are those of ``row``."""
    same = ("order", "poolings")
    return next(one for one in along(document, "none") if all(one[key] == row[key] for key in same))


def own_point(document: Json) -> Json | None:
    """Return the point that the configuration itself is, None where it is not among those asked for."""
    base = document["request"]["base"]
    return next(
        (
            row
            for row in document["points"]
            if row["axis"] != "none" and all(str(row[key]) == str(value) for key, value in base.items())
        ),
        None,
    )


def value_text(row: Json, axis: str) -> str:
    """Return a point's value along an axis."""
    if axis == "size_bytes":
        return size_text(row["size_bytes"]) if row["size_bytes"] else "none"
    return str(row[axis])
