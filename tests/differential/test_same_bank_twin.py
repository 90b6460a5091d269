"""Refresh by sets of banks: the engine makes exactly the schedule of its twin, and the audit accepts it."""

from itertools import combinations, product

import numpy as np
import pytest
from builders import DDR5, spec_with
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.schedules import assert_engine_equals_twin
from reference.traffic import ARRIVALS, MIXES, PLACES, Stream, size, traffic

from recnmp.library.dram import load_standard
from recnmp.memory import _kernels as kernel
from recnmp.memory.replay import PAGE_POLICIES, POLICIES, ControllerOptions

CHOICES = {
    "place": tuple(PLACES),
    "mix": tuple(MIXES),
    "arrival": ARRIVALS,
    "ranks": (1, 2, 4, 8),
    "queue": (4, 16, 32, 64),
    "policy": POLICIES,
    "page_policy": PAGE_POLICIES,
    "row_hit_cap": (None, 1, 3),
    "forward_writes": (True, False),
    "merge_reads": (False, True),
    "nREFI2": (2000, 4687),
    "standard": ("ddr5_4800", "ddr5_5600"),
}


def some_cases() -> list[dict]:
    """Systems chosen so that any two choices meet somewhere."""
    rng = np.random.default_rng(17)
    return [{name: values[rng.integers(len(values))] for name, values in CHOICES.items()} for _ in range(200)]


CASES = some_cases()


def on_ddr5(requests: Stream) -> Stream:
    """Spread requests for four bank groups over the eight of DDR5: a rank is two of four."""
    requests[:, 2] = 2 * requests[:, 2] + requests[:, 5] % 2
    requests[:, 6] %= DDR5.organization.bursts_per_row.value
    return requests


def options_of(case: dict, write_queue: int | None = None) -> ControllerOptions:
    return ControllerOptions(
        case["ranks"],
        case["policy"],
        "same_bank",
        case["queue"],
        write_queue or case["queue"],
        page_policy=case["page_policy"],
        row_hit_cap=case["row_hit_cap"],
        forward_writes=case["forward_writes"],
        merge_reads=case["merge_reads"],
    )


def requests_of(case: dict, seed: int, count: int) -> Stream:
    return on_ddr5(traffic(seed, count, case["ranks"], case["place"], case["mix"], case["arrival"]))


def test_any_two_choices_meet_in_the_cases():
    for one, other in combinations(CHOICES, 2):
        assert {(case[one], case[other]) for case in CASES} == set(product(CHOICES[one], CHOICES[other]))


@pytest.mark.parametrize("number", range(0, len(CASES), size(1, 20)))
def test_engine_and_twin_refresh_sets_alike(number):
    case = CASES[number]
    spec = spec_with(load_standard(case["standard"]), nREFI2=case["nREFI2"])
    assert_engine_equals_twin(spec, requests_of(case, number, size(200, 60)), options_of(case))


LONG = list(product((1, 4), POLICIES, PAGE_POLICIES, ("reads", "mixed")))


@pytest.mark.parametrize(("ranks", "policy", "page_policy", "mix"), LONG[:: size(1, 8)])
def test_engine_and_twin_refresh_sets_alike_for_long(ranks, policy, page_policy, mix):
    requests = on_ddr5(traffic(ranks, size(2000, 80), ranks, "zipf", mix, "saturated"))
    options = ControllerOptions(ranks, policy, "same_bank", page_policy=page_policy)
    timeline = assert_engine_equals_twin(DDR5, requests, options)
    assert timeline.counts["REF"] == timeline.counts["PREA"] == 0
    assert timeline.counts["REFsb"] >= timeline.cycles // (4687 // 4) * ranks - ranks
    assert timeline.counts["PREsb"] > 0 or len(requests) < 100


@settings(max_examples=size(60, 6), deadline=None, derandomize=True)
@given(
    case=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in CHOICES.items()}),
    writes=st.integers(1, 70),
    seed=st.integers(0, 2**32),
    count=st.integers(0, size(150, 40)),
    timings=st.dictionaries(
        st.sampled_from(
            ["nRP", "nRAS", "nRC", "nRRD_L", "nRRD_S", "nFAW", "nPPD", "nRTP", "nWR", "nREFSBRD"]
        ),
        st.integers(2, 120),
        max_size=4,
    ),
    refresh=st.integers(1, 450),
)
def test_engine_and_twin_agree_on_other_timings(case, writes, seed, count, timings, refresh):
    standard = load_standard(case["standard"])
    spec = spec_with(standard, nREFI2=4 * (refresh + 400), nRFCsb=refresh, **timings)
    assert_engine_equals_twin(spec, requests_of(case, seed, count), options_of(case, writes))


@pytest.mark.parametrize("ranks", [1, 8])
def test_a_rank_that_falls_due_while_it_waits_is_refreshed_once_more(ranks):
    # REFsb takes longer than the interval, so that refreshes are owed all the time and fall ever further behind
    spec = spec_with(DDR5, nREFI2=4 * DDR5.cycles["nRFCsb"] - 400)
    requests = on_ddr5(traffic(2, size(1500, 300), ranks, "random", "mixed", "saturated"))
    timeline = assert_engine_equals_twin(
        spec,
        requests,
        ControllerOptions(ranks, refresh="same_bank"),
        ("refresh in time", "no refresh forgotten"),
    )
    commands = timeline.commands[0]
    gaps = np.diff(commands.cycle[(commands.command == kernel.REFSB) & (commands.rank == 0)])
    assert gaps.min() >= DDR5.cycles["nRFCsb"] > spec.same_bank_interval


def test_a_long_row_cycle_delays_the_refresh_of_a_set_by_itself():
    # nRC is longer than nRAS + nRP: a set closed in time must wait on
    spec = spec_with(DDR5, nREFI2=2000, nRC=400)
    requests = on_ddr5(traffic(5, size(600, 200), 2, "random", "reads", "sparse"))
    assert_engine_equals_twin(spec, requests, ControllerOptions(2, refresh="same_bank"))


def test_a_stream_of_acts_to_other_banks_does_not_delay_a_refresh():
    # one ACT may follow another sooner than REFsb may, and ACTs are all that these requests wait for
    spec = load_standard("ddr5_5600")
    assert spec.cycles["nRRD_S"] < spec.cycles["nRRD_L"] + 1
    requests = on_ddr5(traffic(4, size(3000, 200), 1, "random", "reads", "saturated"))
    timeline = assert_engine_equals_twin(spec, requests, ControllerOptions(1, refresh="same_bank"))
    commands = timeline.commands[0]
    at = commands.cycle[commands.command == kernel.REFSB]
    late = at - spec.same_bank_interval * (1 + np.arange(len(at)))
    assert 0 <= late.min() <= late.max() < spec.same_bank_interval
