"""The figures of merit of a sweep: what readers call them, how they are shown, and which way is better."""

from collections.abc import Sequence
from dataclasses import dataclass

from recnmp.overview.swept import Mean, Setting, Swept
from recnmp.plot.labels import figure_label
from recnmp.report.cells import time
from recnmp.report.html_elements import Shown, ratio


@dataclass(frozen=True)
class Measure:
    """A figure of merit; ``unit`` is that of an axis, whose values are ``scale`` times the figure's."""

    key: str
    name: str
    form: Shown
    unit: str
    more_is_better: bool = False
    scale: float = 1.0

    def best_first(self, settings: Sequence[Setting]) -> list[Setting]:
        """Return the settings that have this figure, the best of them first."""
        known = [one for one in settings if self.key in one.figures]
        sign = -1 if self.more_is_better else 1
        return sorted(known, key=lambda one: (sign * one.figures[self.key].value, one.number))

    def spread(self, found: Mean) -> str:
        """Return half the 95 % confidence interval of a mean, as a share of it; empty where there is none."""
        if found.half is None or not found.value:
            return ""
        percent = 100 * found.half / abs(found.value)
        return f"± {percent:.1f}%" if percent >= 0.1 else "± <0.1%"


def _nj(value: float) -> str:
    return f"{value:.2f} nJ"


_ENERGIES = ("energy.recnmp_isca20.{}.total_nj_per_lookup", "energy.idd.{}.total_nj_per_lookup")
NEAR = (
    Measure("sls.speedup_over_host", "speed-up of the SLS", ratio, "times the host", more_is_better=True),
    Measure(
        "end_to_end.speedup_over_host", "speed-up end to end", ratio, "times the host", more_is_better=True
    ),
    Measure("sls.nmp_ns", "SLS of a batch near memory", time, "µs", scale=1e-3),
    Measure("end_to_end.nmp_ns", "batch end to end near memory", time, "µs", scale=1e-3),
    *(Measure(key.format("nmp"), "energy of a lookup near memory", _nj, "nJ") for key in _ENERGIES),
)
HOST = (
    Measure("sls.host_ns", "SLS of a batch on the host", time, "µs", scale=1e-3),
    Measure("end_to_end.host_ns", "batch end to end on the host", time, "µs", scale=1e-3),
    *(Measure(key.format("host"), "energy of a lookup on the host", _nj, "nJ") for key in _ENERGIES),
)


def measures(swept: Swept) -> list[Measure]:
    """Return the figures of merit that the settings have, the main one first.

    Of a sweep they are those of near memory, or of hosts alone, with that ledger of energy which more settings have,
    RecNMP's own where both do; of a search, its objectives.
    """
    known = {one.key: one for one in (*NEAR, *HOST)}
    wanted = swept.manifest.get("objectives")
    if wanted is not None:
        return [known.get(key) or _other(key, best == "max") for key, best in wanted.items()]
    count = {key: sum(key in one.figures for one in swept.settings) for key in known}
    found = [one for one in (NEAR if count["sls.nmp_ns"] else HOST) if count[one.key]]
    energies = [one for one in found if one.key.startswith("energy.")]
    best = max(energies, key=lambda one: count[one.key], default=None)
    return [one for one in found if one not in energies or one is best]


def _other(key: str, more_is_better: bool) -> Measure:
    name, _, unit = figure_label(key).partition(" (")
    unit = unit.rstrip(")")
    return Measure(key, name, lambda value: f"{value:,.4g} {unit}".rstrip(), unit, more_is_better)
