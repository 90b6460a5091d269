"""RecNMP's experiments (Ke et al., ISCA 2020), as far as traces and hardware at hand allow.

Defaults are the paper's; nothing is fitted to its results. The paper's production traces are not public: ``ABOUT``
says what stands for them, and every number carries the statistics of its trace.
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

ABOUT = (
    "the paper's production traces are not public. 'Fitted reuse' are indices drawn independently, with "
    "the reuse that Meta published for production-like tables and no order in time beyond popularity; "
    "'random indices' are uniform and never stand for production. 8 or 64 tables of a million entries, 64 "
    "B unless another size is named, 80 lookups per bag; the operators of all tables run side by side, as "
    "in the paper's mixes Comb-8 and Comb-64. One channel of DDR4-2400. The host reads its tables from "
    "random pages with full queues and no cache."
)


def experiments(quick: bool) -> list[Experiment]:
    """Return the experiments in the order in which they are shown; ``quick`` takes shorter traces."""
    parts = (scaling, mechanisms, caching, energy, delivery, balance, whole, laws, strength)
    return [part.experiment(quick) for part in parts]
