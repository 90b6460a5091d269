"""RMC1, RMC2 and RMC3 on a CPU: where the time of one batch goes, and what SLS would be worth (HPCA 2020)."""

from dataclasses import replace

from recnmp.library.device import load_device
from recnmp.reproduce.scoreboard import Experiment, Finding, Ours, Results, Values
from recnmp.reproduce.shares import ABOUT, DEVICE, breakdown, finding, reasons

__all__ = ["ABOUT"]

PLUGIN = True

_MODELS = ("rm1", "rm2", "rm3")


def experiments(_quick: bool) -> list[Experiment]:
    """Return the one experiment; times are stored, so a quick run is the whole one."""
    return [
        Experiment("shares", "Shares of operators by batch size", {}, _measure, reasons("hpca20-breakdown"))
    ]


def _measure(_: Results, values: Values) -> Finding:
    found = finding(_MODELS, values, "RM1 to RM3: where the time of a batch goes")
    device = load_device(DEVICE)
    recalled: dict[str, float] = {}
    for model in _MODELS:
        one = breakdown(device, model, 1)
        name = model.replace("rm", "rmc")
        recalled |= {
            f"{name}-sls": one.shares[0],
            f"{name}-layers": one.shares[1],
            f"{name}-latency": one.total_ns / 1e6,
        }
    added = {key: Ours(number, None) for key, number in recalled.items() if key in values}
    return replace(found, ours=added | dict(found.ours))
