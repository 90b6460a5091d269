"""RecNMP's experiments (Ke et al., ISCA 2020), as far as traces and hardware at hand allow.

Defaults are the paper's; nothing is fitted to its results. The paper's production traces are not public: "fitted
reuse" stands for indices drawn independently with the reuse that Meta published for production-like tables, and
every number carries the statistics of its trace.
"""

from recnmp.reproduce.recnmp_isca20 import (
    balance,
    caching,
    delivery,
    energy,
    laws,
    mechanisms,
    scaling,
    strength,
    whole,
)
from recnmp.reproduce.scoreboard import Experiment

PLUGIN = True


def experiments(quick: bool) -> list[Experiment]:
    """Return the experiments in the order in which they are shown; ``quick`` takes shorter traces."""
    parts = (scaling, mechanisms, caching, energy, delivery, balance, whole, laws, strength)
    return [part.experiment(quick) for part in parts]
