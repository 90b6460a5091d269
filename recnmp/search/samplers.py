"""Who chooses the trials: at random, all of them, or by what earlier trials found (Optuna).

A sampler is asked for some trials at once and told of all of them before it is asked again, so that what it chooses
follows from its seed and what it was told, whoever ran the trials and in whatever order they ended.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from recnmp.config.search import TOGETHER, SearchConfig
from recnmp.errors import ConfigError
from recnmp.search.space import Dimension, Gene, Space
from recnmp.sweep.axes import Assignment, as_text

DRAWS = 300
"""Draws that find nothing new after which a space is taken to have nothing left."""


@dataclass(frozen=True)
class Told:
    """What came of a trial: what is to be small, None where it failed; and by how much it breaks each bound."""

    costs: tuple[float, ...] | None
    excesses: tuple[float, ...] = ()


class Sampler(Protocol):
    """What chooses trials; ``most`` is how many there can be, None where that is not known."""

    most: int | None

    def ask(self, count: int) -> list[Assignment]:
        """Return the next trials; fewer than ``count`` where there are no more."""

    def tell(self, told: Sequence[Told]) -> None:
        """Say what came of the trials last asked for, in their order."""


def make_sampler(space: Space, config: SearchConfig, objectives: int) -> Sampler:
    """Return the sampler that was asked for; raises ConfigError where it needs what is not installed."""
    if config.sampler == "random":
        return RandomSampler(space, config.seed)
    if config.sampler == "grid":
        return GridSampler(space, config.seed)
    return OptunaSampler(space, config, objectives)


class RandomSampler:
    """Any point of the space, none twice."""

    def __init__(self, space: Space, seed: int) -> None:
        self.most: int | None = None
        self._space, self._random = space, np.random.default_rng(seed)
        self._seen: set[str] = set()

    def ask(self, count: int) -> list[Assignment]:
        """Return ``count`` points that were not returned before, as far as draws still find some."""
        found: list[Assignment] = []
        for _ in range(count):
            for _ in range(DRAWS):
                genes = {one.option: self._gene(one) for one in self._space.dimensions}
                point = self._space.assignment(genes)
                text = as_text([(choice.option, choice.value) for choice in point])
                if text not in self._seen:
                    self._seen.add(text)
                    found.append(point)
                    break
            else:
                break
        return found

    def tell(self, told: Sequence[Told]) -> None:
        """Learn nothing."""

    def _gene(self, one: Dimension) -> Gene:
        if one.nodes is not None:
            return int(self._random.integers(len(one.nodes)))
        if not one.log:
            return float(self._random.uniform(one.low, one.high))
        if not one.whole:
            return float(np.exp(self._random.uniform(np.log(one.low), np.log(one.high))))
        # a whole number has all that rounds to it
        drawn = np.exp(self._random.uniform(np.log(one.low - 0.5), np.log(one.high + 0.5)))
        return int(np.clip(np.rint(drawn), one.low, one.high))


class GridSampler:
    """Every point of the space, in an order that has nothing to do with its options."""

    def __init__(self, space: Space, seed: int) -> None:
        points = list(space.every())
        self.most: int | None = len(points)
        self._left = [points[n] for n in np.random.default_rng(seed).permutation(len(points))[::-1]]

    def ask(self, count: int) -> list[Assignment]:
        """Return the next ``count`` points."""
        return [self._left.pop() for _ in range(min(count, len(self._left)))]

    def tell(self, told: Sequence[Told]) -> None:
        """Learn nothing."""


class OptunaSampler:
    """NSGA-II (Deb et al., IEEE Trans. Evol. Comp. 2002) or TPE (Bergstra et al., NeurIPS 2011) as Optuna has them.

    Every trial has a gene for every open option; those whose conditions are not met have no effect there. A failed
    trial has no place in the next generation.
    """

    def __init__(self, space: Space, config: SearchConfig, objectives: int) -> None:
        self.most: int | None = None
        self._optuna: Any = load_optuna(config.sampler)
        self._space = space
        samplers, seed = self._optuna.samplers, config.seed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            if config.sampler == "nsga2":
                population = config.together or TOGETHER["nsga2"]
                sampler = samplers.NSGAIISampler(population_size=population, seed=seed)
            else:
                sampler = samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = _quietly(self._optuna, sampler, objectives)
        self._distributions = {one.option: self._distribution(one) for one in space.dimensions}
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[Assignment]:
        """Return ``count`` points; some may have been there before."""
        self._asked = [self._study.ask(self._distributions) for _ in range(count)]
        return [self._space.assignment(trial.params) for trial in self._asked]

    def tell(self, told: Sequence[Told]) -> None:
        """Let the sampler learn from the trials last asked for."""
        failed = self._optuna.trial.TrialState.FAIL
        for trial, one in zip(self._asked, told, strict=True):
            for n, excess in enumerate(one.excesses):
                trial.set_constraint(str(n), excess)
            if one.costs is None:
                self._study.tell(trial, state=failed)
            else:
                self._study.tell(trial, one.costs)

    def _distribution(self, one: Dimension) -> Any:
        distributions = self._optuna.distributions
        if one.nodes is None:
            kind = distributions.IntDistribution if one.whole else distributions.FloatDistribution
            return kind(one.low, one.high, log=one.log)
        last = len(one.nodes) - 1
        if one.ordered:
            return distributions.IntDistribution(0, last)
        return distributions.CategoricalDistribution(range(last + 1))


def _quietly(optuna: Any, sampler: Any, objectives: int) -> Any:
    """Return a study in memory; Optuna's log says what progress says better."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(sampler=sampler, directions=["minimize"] * objectives)
    finally:
        optuna.logging.set_verbosity(before)


def load_optuna(sampler: str) -> Any:
    """Return the module ``optuna``; raises ConfigError where it is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError(
            f"search.sampler: {sampler} needs optuna: pip install 'recnmp[search]'; random and grid need nothing"
        )
    return importlib.import_module("optuna")
