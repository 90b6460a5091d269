"""A sweep's folder read for its page: points in the order declared, replicates together, axes as they were asked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recnmp.plot.labels import option_label, value_text
from recnmp.sweep.confidence import mean_and_half_width
from recnmp.sweep.figures import figures
from recnmp.sweep.store import Store

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Axis:
    """What was varied together: one option, or those of a ``zip`` or ``list``.

    ``values`` are as a person writes them, in order; ``texts`` has the one of each combination of the options' own.
    """

    name: str
    options: tuple[str, ...]
    values: tuple[str, ...]
    texts: Mapping[str, str] = field(compare=False)

    def text(self, options: Json) -> str:
        """Return a point's value here."""
        return self.texts[_own(options, self.options)]


@dataclass(frozen=True)
class Mean:
    """A figure of a setting: the mean over its replicates, and half its 95 % confidence interval, None for one."""

    value: float
    half: float | None


@dataclass(frozen=True)
class Setting:
    """Points that differ in their seeds alone.

    Attributes:
        number: its place in the order declared, which is its row in the sweep's last table.
        at: its value on each axis, by the axis' name.
        figures: those of interest, by their keys; none where no replicate is done.
        keys: points, by the digest of each.
        done, failed, pending: how many of them are.
    """

    number: int
    at: dict[str, str]
    figures: dict[str, Mean]
    keys: tuple[str, ...]
    done: int
    failed: int
    pending: int


@dataclass(frozen=True)
class Trace:
    """A trace of a sweep: its file, as points that are done named it, and what their results say of it."""

    digest: str
    file: Path
    meta: Json
    unique_share: float | None = None


@dataclass(frozen=True)
class Swept:
    """All of a sweep.

    Attributes:
        manifest: what was asked, when, and of which code.
        axes: those with more than one value.
        settings: in the order declared.
        errors: key and message of every point that failed.
        pending: keys of points that are neither done nor failed.
        seconds: of each point that is done, by its key.
        traces: each once.
        sample: the result of one of the points; None where none is done.
    """

    manifest: Json
    axes: tuple[Axis, ...]
    settings: tuple[Setting, ...]
    errors: dict[str, str]
    pending: tuple[str, ...]
    seconds: dict[str, float]
    traces: tuple[Trace, ...]
    sample: Json | None

    @property
    def table(self) -> str:
        """Name of the sweep's table in which a setting is a row."""
        return "results" if self.manifest["points"][0]["seed"] is None else "summary"


def read_sweep(folder: Path) -> Swept:
    """Return the sweep in ``folder``, ended or not.

    Raises ConfigError for what is not a sweep's folder, or a damaged one.
    """
    store = Store(folder)
    manifest = store.manifest()
    axes = _axes(manifest)
    found: dict[str, dict[str, float]] = {}
    errors, pending, seconds = {}, [], {}
    traces = {digest: Trace(digest, Path(name), {}) for digest, name in manifest["traces"].items()}
    sample = None
    for key in dict.fromkeys(point["key"] for point in manifest["points"]):
        outcome = store.outcome(key)
        if outcome is None:
            pending.append(key)
        elif outcome.document is None:
            errors[key] = str(outcome.error)
        else:
            sample = outcome.document
            found[key] = figures(sample)
            seconds[key] = float((outcome.worker or {}).get("seconds") or 0.0)
            trace = _trace(sample)
            traces[trace.digest] = trace
    groups: dict[str, list[Json]] = {}
    for point in manifest["points"]:
        groups.setdefault(json.dumps(point["options"], sort_keys=True), []).append(point)
    settings = [_setting(n, points, axes, found, errors) for n, points in enumerate(groups.values())]
    return Swept(
        manifest,
        tuple(axis for axis in axes if len(axis.values) > 1),
        tuple(settings),
        errors,
        tuple(pending),
        seconds,
        tuple(traces.values()),
        sample,
    )


def _setting(
    number: int,
    points: Sequence[Json],
    axes: Sequence[Axis],
    found: Mapping[str, dict[str, float]],
    errors: Json,
) -> Setting:
    keys = tuple(point["key"] for point in points)
    done = [found[key] for key in keys if key in found]
    failed = sum(key in errors for key in keys)
    means = {
        name: Mean(*mean_and_half_width([one[name] for one in done if name in one]))
        for name in dict.fromkeys(name for one in done for name in one)
    }
    at = {axis.name: axis.text(points[0]["options"]) for axis in axes}
    return Setting(number, at, means, keys, len(done), failed, len(keys) - len(done) - failed)


def _axes(manifest: Json) -> list[Axis]:
    """Return the axes as declared: an option of a grid is one by itself, those of a zip or list are one together."""
    asked = manifest["document"].get("sweep") or {}
    groups: list[tuple[str, ...]] = []
    for axis in asked.get("axes") or []:
        if "grid" in axis:
            groups += [(option,) for option in axis["grid"]]
        elif "zip" in axis:
            groups.append(tuple(axis["zip"]))
        else:
            groups.append(tuple(dict.fromkeys(option for one in axis["list"] for option in one)))
    rows = [point["options"] for point in manifest["points"]]
    return [_axis(group, rows) for group in groups]


def _axis(group: Sequence[str], rows: Sequence[Json]) -> Axis:
    """Return the axis of some options: numbers in order, else values as they come."""
    # a section that is set as a whole says no more than the options within it that are told, too
    names = tuple(n for n in group if not any(other.startswith(f"{n}.") for other in group))
    counts = all(isinstance(row[name], int) for name in names for row in rows)
    if len(names) == 1 and all(_is_number(row[names[0]]) for row in rows):
        rows = sorted(rows, key=lambda row: _size(row[names[0]]))
    texts = {}
    for row in rows:
        told = [_text(name, row[name]) for name in names]
        texts[_own(row, names)] = " x ".join(told) if counts else ", ".join(dict.fromkeys(told))
    if len(set(texts.values())) < len(texts):  # such as files of one name in two folders
        texts = {own: own for own in texts}
    name = (" x " if counts else ", ").join(dict.fromkeys(map(option_label, names)))
    return Axis(name, names, tuple(dict.fromkeys(texts.values())), texts)


def _own(options: Json, names: Sequence[str]) -> str:
    return json.dumps([options[name] for name in names])


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _size(value: float | None) -> float:
    return float("-inf") if value is None else value


def _text(name: str, value: object) -> str:
    return json.dumps(value) if isinstance(value, Mapping | list) else value_text(name, value)


def _trace(document: Json) -> Trace:
    config, told = document["config"].get("trace") or {}, document.get("trace") or {}
    digest = str((document.get("provenance") or {}).get("trace_digest"))
    return Trace(
        digest, Path(str(config.get("file") or "")), told.get("meta") or {}, told.get("unique_share")
    )
