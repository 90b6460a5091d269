"""Ranks with nothing left to do are refreshed as if their controller went on."""

import numpy as np
import pytest
from builders import DDR5

from recnmp.memory import _kernels as kernel
from recnmp.memory.idle import refresh_idle_ranks
from recnmp.memory.options import ALL_REFRESHES, ControllerOptions
from recnmp.memory.replay import make_controllers, make_log, make_rules, make_work, rank_activity, replay
from recnmp.memory.requests import Requests

RANKS = 2


def reads(arrive: list[int], lane: list[int]) -> Requests:
    n = len(arrive)
    nothing = np.zeros(n, np.int32)
    return Requests(
        np.array([0, n]),
        np.array(arrive, np.int64),
        np.array(lane, np.int32),
        nothing,
        nothing,
        np.zeros(n, np.uint8),
        nothing,
        1,
    )


@pytest.mark.parametrize("refresh", ALL_REFRESHES[1:])
@pytest.mark.parametrize("lanes", [[0], [0, 1, 9, 31], [3, 7, 40]])
def test_refreshes_counted_afterwards_are_those_of_a_controller_that_goes_on(lanes, refresh):
    options = ControllerOptions(RANKS, refresh=refresh)
    last = 5 * DDR5.cycles["nREFI"] - 600  # not within a refresh
    # a read in the end keeps the controller going until then
    longer = replay(reads([0] * len(lanes) + [last], [*lanes, 0]), DDR5, options)
    requests = reads([0] * len(lanes), lanes)
    rules = make_rules(DDR5, options, has_writes=False)
    controllers = make_controllers(rules, refresh, requests.start)
    kernel.advance(rules, controllers, make_work(requests), make_log(0), 0, len(requests), kernel.ALL)
    refresh_idle_ranks(controllers, rules, last)
    issued = controllers.rank[0, :, kernel.ISSUED : kernel.ACTS].sum(axis=0)
    for name, command in {"REF": 4, "PREA": 5, "REFsb": 6, "PREsb": 7}.items():
        assert issued[command] == longer.counts[name], name
    activity = rank_activity(controllers.rank[0], last)
    np.testing.assert_allclose(activity.active_cycles, longer.activity[0].active_cycles, atol=150)
