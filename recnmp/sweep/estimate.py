"""How long a sweep will still take, as a range: no better known than the points so far allow."""

import math
import statistics
from dataclasses import dataclass, field

LEAST = 5
"""Points, beside every worker's first, that must be done before anything is said."""


@dataclass
class Estimate:
    """Wall-clock time left of ``total`` points on ``workers``.

    Points are run in an order that has nothing to do with their options, so that those done are a fair sample of
    those to come; but for a worker's first point, which loads kernels.
    """

    total: int
    workers: int = 1
    done: int = 0
    waited: float = 0.0
    """Wall-clock seconds since the first point started."""
    busy: float = 0.0
    """Seconds that all points took, on all workers together."""
    _sample: list[float] = field(default_factory=list)
    _met: set[int] = field(default_factory=set)

    def add(self, seconds: float, elapsed: float, worker: int) -> None:
        """Count a point that took ``worker`` these ``seconds`` and ended ``elapsed`` after the first one started."""
        self.done += 1
        self.waited = elapsed
        self.busy += seconds
        if worker in self._met:
            self._sample.append(seconds)
        self._met.add(worker)

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and most seconds left, two standard errors either way; None while too little is known.

        Seconds of points are turned into wall-clock time by what came of them so far: that has the overhead, and
        workers that were late, in it.
        """
        left, sample = self.total - self.done, self._sample
        if len(sample) < LEAST or not self.busy:
            return None
        mean, deviation = statistics.fmean(sample), statistics.stdev(sample)
        # of the mean itself, and of the sum of those to come
        error = 2 * deviation * math.sqrt(left * left / len(sample) + left)
        per_second = self.waited / self.busy
        return max(0.0, left * mean - error) * per_second, (left * mean + error) * per_second

    def line(self, errors: int) -> str:
        """Return progress in a line."""
        failed = f", {errors} failed" if errors else ""
        text = f"{self.done} of {self.total} points{failed}"
        if self.done == self.total:
            return text
        return f"{text}, {self.left}"

    @property
    def left(self) -> str:
        """The time left in words."""
        found = self.range
        return f"{_between(*found)} left" if found else "too early to say how long"


def _between(low: float, high: float) -> str:
    if high < 60:
        return f"{low:.0f} to {high:.0f} s"
    if high < 2 * 3600:
        return f"{low / 60:.0f} to {high / 60:.0f} min"
    return f"{low / 3600:.1f} to {high / 3600:.1f} h"
