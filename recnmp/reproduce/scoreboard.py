"""Scoreboards: experiments of a paper run again, each number beside the published one, gaps explained.

A module of this folder with ``PLUGIN = True`` is a reproduction. It has ``ABOUT``, which says how ours is found, and
``experiments(quick)``; ``library/published`` has a file of its name (with dashes) with the values that it is
compared with.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recnmp._registry import did_you_mean, plugin, plugin_names
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.published import SHARE_OF_TIME, Published, PublishedValue, load_published
from recnmp.report.charts import Chart
from recnmp.reproduce.jobs import Job, Outcome, run_jobs

GAP = 0.15
"""Share by which ours may differ from the published value before a reason is due; of shares of time, points."""

Key = tuple[str | int, ...]
Results = Mapping[Key, Outcome]
Values = Mapping[str, float | None]
"""Published values by their ids, for charts to show."""


@dataclass(frozen=True)
class Ours:
    """A number of ours and the trace it was found on, None where it depends on none."""

    value: float
    trace: Mapping[str, Any] | None


@dataclass(frozen=True)
class Finding:
    """What an experiment found.

    Attributes:
        ours: numbers by the ids of published values.
        points: every run, one flat record each, all with the same keys.
        chart: the figure.
        remarks: what the points say, in sentences.
    """

    ours: Mapping[str, Ours]
    points: Sequence[Mapping[str, Any]]
    chart: Chart | None = None
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Experiment:
    """One experiment: its runs, and what to make of their outcomes.

    ``reasons`` say by the id of a published value why ours differs from it; they are shown where it does.
    """

    name: str
    title: str
    jobs: Mapping[Key, Job]
    measure: Callable[[Results, Values], Finding]
    reasons: Mapping[str, str] = field(default_factory=dict)


def names() -> list[str]:
    """Return the reproductions there are, as the command line spells them."""
    return [name.replace("_", "-") for name in plugin_names("reproduce")]


def check_name(name: str) -> str:
    """Return ``name``; raises ConfigError when there is no such reproduction."""
    if name not in (known := names()):
        raise ConfigError(
            f"no reproduction {name!r}; there are {', '.join(known)}{did_you_mean(name, known)}"
        )
    return name


def reproduce(
    name: str, *, quick: bool = False, processes: int = 2, progress: Callable[[str], object] = str
) -> dict[str, Any]:
    """Run the experiments of ``name`` and return its scoreboard as plain data.

    ``quick`` takes shorter traces. Keys: ``name``, ``title``, ``source``, ``about``, ``quick``, ``rows`` (see
    ``_row``), ``functional_check`` (see ``_checked``) and ``experiments`` with name, title, points, remarks and
    chart. Raises ConfigError for an unknown name.
    """
    module = plugin("reproduce", check_name(name).replace("-", "_"))
    published = load_published(name)
    experiments: list[Experiment] = module.experiments(quick)
    _check(experiments, published)
    outcomes = run_jobs((job for one in experiments for job in one.jobs.values()), processes, progress)
    values = {value.id: value.value for value in published.values}
    findings = [
        one.measure({key: outcomes[job] for key, job in one.jobs.items()}, values) for one in experiments
    ]
    return {
        "name": name,
        "title": published.title,
        "source": published.source,
        "about": module.ABOUT,
        "quick": quick,
        "rows": _rows(name, published, experiments, findings),
        "functional_check": _checked(outcomes),
        "experiments": [
            {
                "name": one.name,
                "title": one.title,
                "points": [dict(point) for point in found.points],
                "remarks": list(found.remarks),
                "chart": found.chart,
            }
            for one, found in zip(experiments, findings, strict=True)
        ],
    }


def _checked(outcomes: Mapping[Job, Outcome]) -> dict[str, Any]:
    """Return of how many ``settings`` one run was checked, how many ``runs`` there are near memory, the ``bags``.

    ``bit_exact`` tells whether all were equal bit for bit, ``reference`` what pooled for comparison.
    """
    checks = [one.functional_check for one in outcomes.values() if one.functional_check]
    return {
        "settings": len(checks),
        "runs": sum(job.kind != "host" for job in outcomes),
        "bags": sum(check["bags"] for check in checks),
        "bit_exact": all(check["bit_exact"] for check in checks),
        "reference": checks[0]["reference"] if checks else None,
    }


def _check(experiments: Sequence[Experiment], published: Published) -> None:
    known = {value.id for value in published.values}
    for one in experiments:
        if unknown := sorted(set(one.reasons) - known):
            raise RecnmpError(f"experiment {one.name} explains what nobody published: {', '.join(unknown)}")


def _rows(
    name: str, published: Published, experiments: Sequence[Experiment], findings: Sequence[Finding]
) -> list[dict[str, Any]]:
    ours = {key: number for found in findings for key, number in found.ours.items()}
    place = {key: one for one, found in zip(experiments, findings, strict=True) for key in found.ours}
    if unknown := sorted(set(ours) - {value.id for value in published.values}):
        raise RecnmpError(f"found what nobody published: {', '.join(unknown)}")
    rows = [_row(name, value, ours.get(value.id), place.get(value.id)) for value in published.values]
    order = [one.name for one in experiments]
    return sorted(rows, key=lambda row: order.index(row["experiment"]) if row["experiment"] else len(order))


def _row(
    name: str, value: PublishedValue, ours: Ours | None, experiment: Experiment | None
) -> dict[str, Any]:
    """Return one line of the scoreboard; ``ours`` None: no experiment answers this value."""
    number = None if ours is None else ours.value
    ratio = difference = None
    if number is not None and value.unit == SHARE_OF_TIME:
        difference = None if value.value is None else number - value.value
    elif number is not None and value.value:
        ratio = number / value.value
    gap = ratio - 1 if ratio is not None else difference
    return {
        "reproduction": name,
        "what": value.what,
        "published": value.value,
        "unit": value.unit,
        "certainty": value.certainty,
        "source": value.source,
        "ours": number,
        "ratio": ratio,
        "difference": difference,
        "note": _note(value, number, gap, experiment),
        "trace": None if ours is None or ours.trace is None else dict(ours.trace),
        "experiment": experiment and experiment.name,
        "id": value.id,
    }


def _note(
    value: PublishedValue, number: float | None, gap: float | None, experiment: Experiment | None
) -> str:
    if number is None or experiment is None:
        return f"not run: {value.not_run or 'no experiment answers this'}"
    if gap is not None and abs(gap) <= GAP:
        return ""
    return experiment.reasons.get(value.id, "" if gap is None else "not explained")
