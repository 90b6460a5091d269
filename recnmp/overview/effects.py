"""What each axis of a sweep is worth: means over like points, and how far they lie apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recnmp.overview.swept import Axis, Setting


@dataclass(frozen=True)
class Like:
    """Settings that can be compared along some axes.

    Attributes:
        settings: those compared.
        others: how many combinations of the other axes' values they have.
        whole: whether each of these combinations has every value along the axes; else settings are all there are.
        fixed: the other axes' values, where there is just one combination of them.
    """

    settings: tuple[Setting, ...]
    others: int
    whole: bool
    fixed: str


@dataclass(frozen=True)
class Effect:
    """What one axis does to one figure: its geometric mean for each value of the axis that has any, over ``like``."""

    axis: Axis
    means: dict[str, float]
    like: Like

    @property
    def ratio(self) -> float:
        """The largest mean over the smallest; 1 says that the axis does nothing."""
        return max(self.means.values()) / min(self.means.values()) if self.means else 1.0


def alike(along: Sequence[Axis], axes: Sequence[Axis], settings: Sequence[Setting], key: str) -> Like:
    """Return the settings to be compared along some axes in the figure ``key``, whose values are above 0.

    Like is compared with like: those combinations of the other axes' values count that have every combination of
    values along the axes which any of them has. Where there are none, as where axes do not cross, all count.
    """
    names = [axis.name for axis in along]
    others = [axis.name for axis in axes if axis.name not in names]
    groups: dict[tuple[str, ...], list[Setting]] = {}
    for one in settings:
        if key in one.figures and one.figures[key].value > 0:
            groups.setdefault(tuple(one.at[name] for name in others), []).append(one)
    values = {tuple(one.at[name] for name in names) for group in groups.values() for one in group}
    whole = {
        rest: group
        for rest, group in groups.items()
        if len({tuple(one.at[name] for name in names) for one in group}) == len(values)
    }
    used = whole or groups
    fixed = ", ".join(f"{name} {value}" for name, value in zip(others, next(iter(used), ()), strict=False))
    chosen = tuple(one for group in used.values() for one in group)
    return Like(chosen, len(used), bool(whole), fixed if len(used) == 1 else "")


def effect(axis: Axis, axes: Sequence[Axis], settings: Sequence[Setting], key: str) -> Effect:
    """Return what ``axis`` does to the figure ``key`` over ``settings``."""
    like = alike([axis], axes, settings, key)
    groups: dict[str, list[float]] = {}
    for one in like.settings:
        groups.setdefault(one.at[axis.name], []).append(one.figures[key].value)
    return Effect(axis, {v: geometric_mean(groups[v]) for v in axis.values if v in groups}, like)


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of values above 0: ratios between means are means of ratios."""
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def strongest(axes: Sequence[Axis], settings: Sequence[Setting], key: str) -> list[Effect]:
    """Return the effects of all axes on a figure, the largest first."""
    found = [effect(axis, axes, settings, key) for axis in axes]
    return sorted(found, key=lambda one: -one.ratio)
