"""Eight recommendation models on a CPU: where the time of one batch goes, by batch size (IISWC 2020's models)."""

from recnmp.reproduce.scoreboard import Experiment, Finding, Results, Values
from recnmp.reproduce.shares import ABOUT, SHOWN, finding, reasons

__all__ = ["ABOUT"]

PLUGIN = True


def experiments(_quick: bool) -> list[Experiment]:
    """Return the one experiment; times are stored, so a quick run is the whole one."""
    return [
        Experiment("shares", "Shares of operators by batch size", {}, _measure, reasons("iiswc20-breakdown"))
    ]


def _measure(_: Results, values: Values) -> Finding:
    return finding(tuple(SHOWN), values, "Eight models: where the time of a batch goes")
