"""Refresh by sets of banks, by closed forms of DDR5's timings."""

import numpy as np
import pytest
from builders import DDR5

from recnmp.library.dram import COMMANDS
from recnmp.memory.replay import ControllerOptions, Timeline, replay
from recnmp.memory.requests import Requests

SETS = DDR5.organization.banks_per_group.value
INTERVAL = DDR5.same_bank_interval


def serve(arrive: list[int], bank: list[int], row: list[int], ranks: int = 1, **options) -> Timeline:
    """Read bursts of the first bank group of the first rank."""
    n = len(arrive)
    requests = Requests(
        np.array([0, n]),
        np.array(arrive, np.int64),
        np.array(bank, np.int32),
        np.array(row, np.int32),
        np.arange(n, dtype=np.int32) % 64,
        np.zeros(n, np.uint8),
        np.zeros(n, np.int32),
        1,
    )
    options = {"refresh": "same_bank"} | options
    return replay(requests, DDR5, ControllerOptions(ranks, **options), record=True)


def labels(timeline: Timeline, name: str, rank: int = 0) -> np.ndarray:
    commands = timeline.commands[0]
    return commands.cycle[(commands.command == COMMANDS.index(name)) & (commands.rank == rank)]


@pytest.mark.parametrize("ranks", [1, 4])
def test_the_sets_of_an_idle_rank_are_refreshed_in_turn_when_due(ranks):
    timeline = serve([40 * INTERVAL], [0], [0], ranks)
    commands = timeline.commands[0]
    for rank in range(ranks):
        at = np.flatnonzero((commands.command == COMMANDS.index("REFsb")) & (commands.rank == rank))
        first = (rank + 1) * (INTERVAL // ranks)
        np.testing.assert_array_equal(commands.cycle[at], first + INTERVAL * np.arange(len(at)))
        np.testing.assert_array_equal(commands.bank[at], np.arange(len(at)) % SETS)
        assert len(at) in (39, 40)
    assert timeline.counts["PREsb"] == timeline.counts["REF"] == 0


def test_a_bank_pauses_for_its_own_set_and_no_other_one():
    t = DDR5.cycles
    n = 24 * INTERVAL // t["nCCD_L"]
    rd = labels(serve([0] * n, [1] * n, [7] * n), "RD")
    gaps = np.diff(rd)
    # a REFsb of another set takes a clock of the command bus, in which a RD may have been due
    paused = gaps > t["nCCD_L"] + 1
    # around its own: the last RD, nRTP, PREsb, nRP, REFsb, nRFCsb, ACT, nRCD, the next RD
    assert set(gaps[paused]) == {t["nRTP"] + t["nRP"] + t["nRFCsb"] + t["nRCD"]}
    assert paused.sum() == (rd[-1] // INTERVAL + 2) // SETS >= 5  # due the second time, then every fourth
    assert np.count_nonzero(gaps == t["nCCD_L"] + 1) < rd[-1] // INTERVAL


def test_refreshing_sets_leaves_more_bandwidth_than_refreshing_ranks():
    rng = np.random.default_rng(1)
    n = 20_000
    where = [0] * n, rng.integers(0, DDR5.banks_per_rank, n).tolist(), rng.integers(0, 1000, n).tolist()
    cycles = {refresh: serve(*where, refresh=refresh).cycles for refresh in ("off", "staggered", "same_bank")}
    assert cycles["off"] < cycles["same_bank"] < cycles["staggered"]
