"""Folders of sweeps and searches, read for their page."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from recnmp.overview.swept import Axis, Json, Mean, Setting, Swept, Trace, axis_of
from recnmp.plot.files import read_parquet
from recnmp.sweep.confidence import mean_and_half_width
from recnmp.sweep.figures import figures, is_number
from recnmp.sweep.store import MANIFEST_FILE, MANIFEST_FORMAT, SEARCH_FORMAT, Store, read_json


def read_swept(folder: Path) -> Swept:
    """Return the sweep, ended or not, or the search that has ended, in ``folder``.

    Raises ConfigError for anything else, and for a damaged folder.
    """
    manifest = read_json(folder / MANIFEST_FILE, MANIFEST_FORMAT, SEARCH_FORMAT)
    return (_sweep if manifest["format"] == MANIFEST_FORMAT else _search)(folder, manifest)


class _Points:
    """What is kept of points, by their keys: figures, errors, those that are missing, seconds, traces."""

    def __init__(self, store: Store, keys: Iterable[str], traces: Mapping[str, str]) -> None:
        self.figures: dict[str, dict[str, float]] = {}
        self.errors: dict[str, str] = {}
        self.missing: list[str] = []
        self.seconds: dict[str, float] = {}
        self.sample: Json | None = None
        self._traces = {digest: Trace(digest, Path(name), {}) for digest, name in traces.items()}
        for key in dict.fromkeys(keys):
            outcome = store.outcome(key)
            if outcome is None:
                self.missing.append(key)
            elif outcome.document is None:
                self.errors[key] = str(outcome.error)
            else:
                self.sample = outcome.document
                self.figures[key] = figures(outcome.document)
                self.seconds[key] = float((outcome.worker or {}).get("seconds") or 0.0)
                trace = _trace(outcome.document)
                self._traces[trace.digest] = trace

    @property
    def traces(self) -> tuple[Trace, ...]:
        return tuple(self._traces.values())


def _sweep(folder: Path, manifest: Json) -> Swept:
    """Points in the order declared, replicates put together."""
    points = manifest["points"]
    axes = [axis_of(group, [point["options"] for point in points]) for group in _declared(manifest)]
    found = _Points(Store(folder), [point["key"] for point in points], manifest["traces"])
    groups: dict[str, list[Json]] = {}
    for point in points:
        groups.setdefault(json.dumps(point["options"], sort_keys=True), []).append(point)
    return Swept(
        manifest,
        "results" if points[0]["seed"] is None else "summary",
        len(points),
        tuple(axis for axis in axes if len(axis.values) > 1),
        tuple(_setting(n, group, axes, found) for n, group in enumerate(groups.values())),
        found.errors,
        tuple(found.missing),
        found.seconds,
        found.traces,
        found.sample,
    )


def _declared(manifest: Json) -> list[tuple[str, ...]]:
    """Return the options of each axis: one of a grid is an axis itself, those of a zip or list are one together."""
    groups: list[tuple[str, ...]] = []
    for axis in (manifest["document"].get("sweep") or {}).get("axes") or []:
        if "grid" in axis:
            groups += [(option,) for option in axis["grid"]]
        elif "zip" in axis:
            groups.append(tuple(axis["zip"]))
        else:
            groups.append(tuple(dict.fromkeys(option for one in axis["list"] for option in one)))
    return groups


def _setting(number: int, points: Sequence[Json], axes: Sequence[Axis], found: _Points) -> Setting:
    keys = tuple(point["key"] for point in points)
    done = [found.figures[key] for key in keys if key in found.figures]
    failed = sum(key in found.errors for key in keys)
    means = {
        name: Mean(*mean_and_half_width([one[name] for one in done if name in one]))
        for name in dict.fromkeys(name for one in done for name in one)
    }
    at = {axis.name: axis.text(points[0]["options"]) for axis in axes}
    return Setting(number, at, means, keys, len(done), failed, len(keys) - len(done) - failed)


def _search(folder: Path, manifest: Json) -> Swept:
    """Every design that was tried, once, and the configuration's own run."""
    tried = enumerate(read_parquet(folder / "trials.parquet", of="search"))
    rows = [row | {"row": n} for n, row in tried if row["repeats"] is None]
    names = list(manifest["document"]["search"]["space"])
    axes = [axis_of((name,), rows) for name in names]
    settings, errors = [], dict[str, str]()
    for row in rows:
        key, done = str(row["point"] or f"trial {row['trial']}"), row["status"] == "done"
        told = {
            name: Mean(float(v), None) for name, v in row.items() if _is_figure(name, v) and name not in names
        }
        at = {axis.name: axis.text(row) for axis in axes}
        settings.append(Setting(row["row"], at, told if done else {}, (key,), int(done), int(not done), 0))
        errors |= {} if done else {key: str(row["error"])}
    found = _Points(Store(folder), [key for one in settings for key in one.keys], {})
    return Swept(
        manifest,
        "trials",
        len(rows),
        tuple(axis for axis in axes if len(axis.values) > 1),
        tuple(settings),
        errors,
        (),
        found.seconds,
        found.traces,
        found.sample,
    )


def _is_figure(name: str, value: object) -> bool:
    return "." in name and is_number(value)


def _trace(document: Json) -> Trace:
    config, told = document["config"].get("trace") or {}, document.get("trace") or {}
    digest = str((document.get("provenance") or {}).get("trace_digest"))
    return Trace(
        digest, Path(str(config.get("file") or "")), told.get("meta") or {}, told.get("unique_share")
    )
