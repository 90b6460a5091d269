"""The points that trials ask for: taken from the folder where they are done, run where they are not."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.search.request import Figures
from recnmp.sweep.estimate import Estimate
from recnmp.sweep.figures import figures
from recnmp.sweep.plan import Point
from recnmp.sweep.runner import Runner, Where, running
from recnmp.sweep.store import Store
from recnmp.sweep.task import Outcome


@dataclass(frozen=True)
class Ran:
    """What came of a point: its figures, or the error in a line."""

    figures: Figures | None
    error: str | None = None


class Points:
    """Points by their keys; workers come up with the first one that is missing."""

    def __init__(
        self, store: Store, where: Where, code: str, retry: bool, tell: Callable[[str], object]
    ) -> None:
        self._store, self._where, self._code, self._retry, self._tell = store, where, code, retry, tell
        self._stack = contextlib.ExitStack()
        self._runner: Runner | None = None
        self._known: dict[str, Ran] = {}
        self._estimate = Estimate(1)
        self._total, self._done, self._failed = 0, 0, 0

    def close(self) -> None:
        """Let the workers go."""
        self._stack.close()

    def timing(self) -> dict[str, Any]:
        """Return what the manifest says of time and memory of what was run now."""
        return self._runner.timing() if self._runner else {"points": 0}

    def expect(self, trials: int) -> None:
        """Say how many trials are to come from now on, for progress; each may need a run."""
        self._total, self._done, self._failed = trials, 0, 0
        self._estimate.total = self._estimate.done + trials

    def run(self, planned: Sequence[tuple[Point | None, str | None]]) -> list[Ran]:
        """Return what came of each point, or the error of one that could not be; what is missing is run."""
        missing: dict[str, Point] = {}
        for point, error in planned:
            if point is None or not self._missing(point) or point.key in missing:
                self._settled(error is not None)
            else:
                missing[point.key] = point
        if missing:
            self._run([missing[key] for key in sorted(missing)])
        elif self._total:
            self._tell(self._line())
        return [Ran(None, error) if point is None else self._kept(point.key) for point, error in planned]

    def _missing(self, point: Point) -> bool:
        return point.key not in self._known and not self._store.has(point.key, errors=not self._retry)

    def _run(self, points: Sequence[Point]) -> None:
        self._tell(self._line())
        if self._runner is None:
            self._runner = self._stack.enter_context(running(self._store, self._where, self._code))
        for outcome, facts in self._runner.run(points):
            self._known[outcome.key] = _ran(outcome)
            self._estimate.add(facts["seconds"], self._runner.waited, facts["pid"])
            self._estimate.total += 1  # counted down with all that need no run
            self._settled(outcome.document is None)
            self._tell(self._line())

    def _settled(self, failed: bool) -> None:
        self._done += 1
        self._failed += failed
        self._estimate.total -= 1

    def _kept(self, key: str) -> Ran:
        if key not in self._known:
            outcome = self._store.outcome(key)
            if outcome is None:
                raise RecnmpError(f"{self._store.folder}: point {key} has gone while the search ran")
            self._known[key] = _ran(outcome)
        return self._known[key]

    def _line(self) -> str:
        if not self._total:
            return "running the configuration as it stands"
        failed = f", {self._failed} failed" if self._failed else ""
        text = f"{self._done} of {self._total} trials{failed}"
        return text if self._done == self._total else f"{text}, {self._estimate.left}"


def _ran(outcome: Outcome) -> Ran:
    return Ran(None if outcome.document is None else figures(outcome.document), outcome.error)
