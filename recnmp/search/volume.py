"""How much a front is worth: the volume of what it dominates."""

import math
from collections.abc import Sequence

Costs = tuple[float, ...]


def shares(trials: Sequence[Costs | None]) -> list[float | None]:
    """Return what share of the last front's volume there was after each trial; None for trials without costs.

    The volume is that between front and the worst cost of each objective, which therefore counts nothing. All None
    where nothing has a volume.
    """
    known = [costs for costs in trials if costs is not None]
    if not known:
        return [None] * len(trials)
    worst = tuple(map(max, zip(*known, strict=True)))
    front: list[Costs] = []
    volume, volumes = 0.0, []
    for costs in trials:
        if costs is not None and not any(_no_worse(other, costs) for other in front):
            volume += _added(costs, front, worst)
            front = [other for other in front if not _no_worse(costs, other)] + [costs]
        volumes.append(volume)
    return [
        None if costs is None or not volume else part / volume
        for costs, part in zip(trials, volumes, strict=True)
    ]


def volume_of(front: Sequence[Costs], worst: Costs) -> float:
    """Return the volume that ``front`` dominates below ``worst``: the hypervolume indicator.

    The sum over points of what each adds to those after it (While et al., IEEE Trans. Evol. Comp. 2012).
    """
    points = _undominated(front)
    return math.fsum(_added(point, points[n + 1 :], worst) for n, point in enumerate(points))


def _added(point: Costs, others: Sequence[Costs], worst: Costs) -> float:
    """Return the volume that ``point`` dominates and none of ``others`` does."""
    own = math.prod(max(0.0, w - p) for p, w in zip(point, worst, strict=True))
    if not own or not others:
        return own
    shared = [tuple(map(max, point, other)) for other in others]
    return own - volume_of(shared, worst)


def _undominated(points: Sequence[Costs]) -> list[Costs]:
    kept: list[Costs] = []
    for point in sorted(set(points)):  # only what came before can dominate
        if not any(_no_worse(other, point) for other in kept):
            kept.append(point)
    return kept


def _no_worse(a: Costs, b: Costs) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True))
