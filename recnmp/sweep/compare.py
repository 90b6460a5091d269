"""What changed between two results, or between two sweeps: configuration first, then figures."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recnmp.errors import ConfigError
from recnmp.report.result import load_result
from recnmp.sweep.figures import figures
from recnmp.sweep.store import Store, is_sweep

Json = dict[str, Any]

ABSENT = "absent"

LISTED = 40
"""Lines of a kind that are printed at most; a document has them all."""


def compare(before: Path, after: Path) -> Json:
    """Return what changed from one to the other: options, origin, and every figure, compared exactly.

    Points of sweeps are matched by their options and seed. A figure's ``change`` is the largest one relative to what
    it was, null where it was zero or absent, and ``point`` where that is.

    Raises ConfigError where one is no result, or where one is a result and the other a sweep.
    """
    sweeps = is_sweep(before), is_sweep(after)
    if sweeps[0] != sweeps[1]:
        kinds = ["a sweep" if sweep else "a single result" for sweep in sweeps]
        raise ConfigError(
            f"{before} is {kinds[0]}, {after} {kinds[1]}; a sweep's points/*.json are single results"
        )
    old, new = (_sweep(path) if sweeps[0] else _single(path) for path in (before, after))
    shared = [key for key in old["points"] if key in new["points"]]
    changed: dict[str, Json] = {}
    for key in shared:
        for change in _changes(old["points"][key], new["points"][key]):
            found = _relative(change)
            entry = changed.setdefault(change["name"], {"points": 0, "size": -1.0})
            entry["points"] += 1
            if abs(found if found is not None else float("inf")) > entry["size"]:
                size = abs(found) if found is not None else float("inf")
                entry |= {"size": size, "change": found, "point": key, **change}
    return {
        "config": list(_changes(_flat(old["config"]), _flat(new["config"]))),
        "origin": list(_changes(_flat(old["origin"]), _flat(new["origin"]))),
        "points": len(shared),
        "only_before": [key for key in old["points"] if key not in new["points"]],
        "only_after": [key for key in new["points"] if key not in old["points"]],
        "figures": [
            {key: value for key, value in entry.items() if key != "size"}
            for entry in sorted(changed.values(), key=lambda entry: -entry["size"])
        ],
    }


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a comparison as text: options, origin, points, and the figures that changed most."""
    for title, section in (("configuration", "config"), ("origin", "origin")):
        yield f"{title}: {'the same' if not document[section] else f'{len(document[section])} changed'}"
        yield from _some([f"  {_change(entry)}" for entry in document[section]])
    one = document["points"] == 1 and not document["only_before"] and not document["only_after"]
    if not one:
        yield f"points in both: {document['points']}"
        for side in ("before", "after"):
            if keys := document[f"only_{side}"]:
                yield f"points only {side}: {len(keys)}"
                yield from _some([f"  {key}" for key in keys])
    found = document["figures"]
    yield f"figures: {'the same' if not found else f'{len(found)} changed, most first'}"
    yield from _some([f"  {_change(entry)}{_where(entry, one)}" for entry in found])


def _single(path: Path) -> Json:
    document = load_result(path)
    return {
        "config": document["config"],
        "origin": _origin(document["provenance"]) | {"trace_digest": document["provenance"]["trace_digest"]},
        "points": {"": figures(document)},
    }


def _sweep(path: Path) -> Json:
    store = Store(path if path.is_dir() else path.parent)
    manifest = store.manifest()
    points = {}
    for point in manifest["points"]:
        outcome = store.outcome(point["key"])
        options = point["options"] | ({} if point["seed"] is None else {"seed": point["seed"]})
        name = " ".join(f"{option}={json.dumps(value)}" for option, value in options.items())
        if outcome is not None and outcome.document is not None:
            points[name] = figures(outcome.document)
    traces = {name: digest for digest, name in manifest["traces"].items()}
    origin = _origin(manifest["provenance"]) | {"code_sha256": manifest["code_sha256"], "traces": traces}
    return {"config": manifest["document"], "origin": origin, "points": points}


def _origin(provenance: Mapping[str, Any]) -> Json:
    """Return which program and libraries: what may change figures, but for the configuration."""
    return {name: provenance.get(name) for name in ("recnmp", "git", "versions")}


def _flat(value: object, name: str = "") -> Json:
    if isinstance(value, Mapping) and value:
        return {
            key: leaf
            for part, inner in value.items()
            for key, leaf in _flat(inner, f"{name}.{part}" if name else str(part)).items()
        }
    return {name: value}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Json]:
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name, ABSENT), new.get(name, ABSENT)
        if was != now:
            yield {"name": name, "before": was, "after": now}


def _relative(change: Json) -> float | None:
    was, now = change["before"], change["after"]
    if isinstance(was, str) or isinstance(now, str) or not was:
        return None
    return float(now / was - 1)


def _change(entry: Json) -> str:
    was, now = (
        value if isinstance(value := entry[side], str) else _short(value) for side in ("before", "after")
    )
    return f"{entry['name']}: {was} -> {now}"


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _where(entry: Json, one: bool) -> str:
    change = "" if entry["change"] is None else f" ({entry['change']:+.3%})"
    return change if one else f"{change} at {entry['point']}; {entry['points']} points"


def _some(texts: list[str]) -> Iterator[str]:
    yield from texts[:LISTED]
    if len(texts) > LISTED:
        yield f"  and {len(texts) - LISTED} more: --json has all"
