"""A trial: the design that was chosen, and what came of it."""

from dataclasses import dataclass
from typing import Literal

from recnmp.search.points import Ran
from recnmp.search.request import Figures, Request
from recnmp.search.samplers import Told
from recnmp.sweep.axes import Assignment
from recnmp.sweep.plan import Point

Status = Literal["done", "infeasible", "error"]


@dataclass(frozen=True)
class Trial:
    """The ``number``-th design tried, from 1.

    ``point`` is None where the options do not go together; ``repeats`` is the number of the first trial of the same
    point, None for that trial itself. ``infeasible``: a constraint is broken; ``error``: there are no figures.
    """

    number: int
    assignment: Assignment
    point: Point | None
    figures: Figures
    told: Told
    error: str | None
    repeats: int | None

    @classmethod
    def of(
        cls, request: Request, number: int, assignment: Assignment, point: Point | None, ran: Ran, first: int
    ) -> "Trial":
        """Return the trial of an assignment that came out as ``ran``; ``first`` is the first trial of its point."""
        repeats = None if first == number else first
        if ran.figures is None:
            return cls(number, assignment, point, {}, Told(None), ran.error, repeats)
        lacking = request.lacking(ran.figures)
        error = f"the run has no figure {lacking[0]}" if lacking else None
        told = request.told(ran.figures)
        return cls(number, assignment, point, ran.figures, told, error, repeats)

    @property
    def status(self) -> Status:
        """Whether the trial may be on the front."""
        if self.told.costs is None:
            return "error"
        return "infeasible" if any(excess > 0 for excess in self.told.excesses) else "done"
