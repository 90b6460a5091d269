"""A search as asked: its space, what makes a design good, and the configuration they all start from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recnmp._registry import did_you_mean
from recnmp.config.document import Document
from recnmp.config.load import load_document
from recnmp.config.search import TOGETHER, SearchConfig
from recnmp.errors import ConfigError
from recnmp.report.pareto_figure import Objective
from recnmp.search.samplers import RandomSampler, Sampler, Told, load_optuna, make_sampler
from recnmp.search.space import Space
from recnmp.sweep.axes import Assignment
from recnmp.sweep.plan import Planner, Point, not_overridden

TRIALS = 100
"""Trials where the configuration says no number and the sampler has no end."""

SAMPLE = 64
"""Points that are checked before anything is run."""

UNKNOWN = "unknown key"

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Request:
    """A search: ``objectives`` by their columns, ``trials`` None for all there are, ``together`` chosen at once."""

    document: Document
    config: SearchConfig
    space: Space
    planner: Planner
    baseline: Point
    """The configuration without its search."""
    objectives: tuple[Objective, ...]
    trials: int | None
    together: int

    @property
    def sampler_version(self) -> str:
        """What chooses the trials, and of which version: another one may choose others."""
        name = self.config.sampler
        return f"{name} of optuna {load_optuna(name).__version__}" if name in TOGETHER else name

    def sampler(self) -> Sampler:
        """Return what chooses the trials, at its start."""
        return make_sampler(self.space, self.config, len(self.objectives))

    def point(self, assignment: Assignment) -> tuple[Point | None, str | None]:
        """Return the point of a trial, or None and why there can be none.

        Raises ConfigError for an option that does not exist: that is a fault of the search, not of a design.
        """
        try:
            return self.planner.point(assignment), None
        except ConfigError as error:
            if UNKNOWN in str(error):
                raise
            return None, str(error)

    def told(self, figures: Figures) -> Told:
        """Return what the sampler is told of these figures; without costs where one of them is missing."""
        if self.lacking(figures):
            return Told(None)
        costs = [one.cost(figures) for one in self.objectives]
        excesses: list[float] = []
        for name, bound in self.config.constraints.items():
            if bound.at_most is not None:
                excesses.append(_excess(figures[name] - bound.at_most, bound.at_most))
            if bound.at_least is not None:
                excesses.append(_excess(bound.at_least - figures[name], bound.at_least))
        return Told(tuple(cost for cost in costs if cost is not None), tuple(excesses))

    def lacking(self, figures: Figures) -> list[str]:
        """Return the objectives and bounded figures that are not among ``figures``."""
        return [
            name
            for name in [*(one.column for one in self.objectives), *self.config.constraints]
            if name not in figures
        ]

    def check_names(self, figures: Figures) -> None:
        """Raise ConfigError for an objective or constraint that the baseline's own run has no figure for."""
        for name in self.lacking(figures):
            section = "constraints" if name in self.config.constraints else "objectives"
            given = self.config.objectives is not None or section == "constraints"
            loc = ("search", section, name) if given else ("search",)
            message = f"the configuration's own run has no figure {name}{did_you_mean(name, figures)}"
            raise self.document.error(loc, message)


def make_request(path: str | Path, overrides: Sequence[str] = ()) -> Request:
    """Read the search at ``path`` with ``overrides`` on top and check all that can be checked without a run.

    Raises ConfigError with file, line and column for what is wrong, for an option that does not exist, and where no
    point of a random sample could be run.
    """
    document = load_document(path, overrides)
    if "search" not in document.data:
        raise ConfigError(f"{document.path}: no search section: this is one run, for `recnmp simulate`")
    config = document.validate_part(("search",), document.data["search"], SearchConfig)
    space = Space(document, config)
    not_overridden(space.names, overrides, "search")
    planner = Planner(document, "search", space.names)
    baseline = planner.point(())
    request = Request(
        document,
        config,
        space,
        planner,
        baseline,
        _objectives(config, dense=baseline.config["mlp"]["kind"] != "none"),
        config.trials or (None if config.sampler == "grid" else TRIALS),
        config.together or TOGETHER.get(config.sampler, SAMPLE),
    )
    _check_sample(request)
    return request


def _objectives(config: SearchConfig, dense: bool) -> tuple[Objective, ...]:
    """Return the objectives; by default latency, energy and area, all of which are to be small."""
    latency = "end_to_end.nmp_ns" if dense else "sls.nmp_ns_per_lookup"
    default = (latency, "energy.idd.nmp.total_nj_per_lookup", "energy.units.area_scaled_mm2_all_units")
    return tuple(
        Objective(name, best) for name, best in (config.objectives or dict.fromkeys(default, "min")).items()
    )


def _check_sample(request: Request) -> None:
    points = RandomSampler(request.space, 0).ask(SAMPLE)
    errors = [request.point(assignment)[1] for assignment in points]
    if all(errors):
        first = str(errors[0]).splitlines()[0]
        raise ConfigError(f"none of {len(points)} points of the space can be run: {first}")


def _excess(value: float, bound: float) -> float:
    """Return by what share of the bound it is broken; 0 or less where it is kept."""
    return value / abs(bound) if bound else value
