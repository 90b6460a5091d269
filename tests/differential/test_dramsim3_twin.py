"""The policy ``dramsim3`` makes exactly the schedule of its tick-by-tick twin, and the audit accepts it."""

from dataclasses import dataclass, fields
from itertools import combinations, product

import numpy as np
import pytest
from builders import DDR4, spec_with
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.dramsim3_tick import NeverEndsError, TickResult, run
from reference.traffic import ARRIVALS, MIXES, PLACES, Stream, as_requests, size, traffic

from recnmp.errors import RecnmpError
from recnmp.library.dram import DramSpec
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3
from recnmp.memory.replay import Timeline

OFTEN_REFRESHED = spec_with(nREFI=2400)
"""So that a short run meets several refreshes."""


@dataclass(frozen=True)
class Case:
    place: str
    mix: str
    arrival: str
    ranks: int
    transactions: int
    commands: int
    per: str
    merge: bool
    refresh: str

    @property
    def options(self) -> Dramsim3Options:
        return Dramsim3Options(
            self.ranks, self.transactions, self.commands, self.per, self.merge, self.refresh
        )


SYSTEMS = ((1, 2, 4, 8), (1, 4, 32), (1, 8, 32), ("bank", "rank"), (True, False), ("off", "staggered"))


def every_pair() -> list[Case]:
    """Four systems for every kind of stream, chosen so that any two choices meet somewhere."""
    systems = list(product(*SYSTEMS))
    order = np.random.default_rng(5).permutation(len(systems))
    streams = list(product(PLACES, MIXES, ARRIVALS))
    return [
        Case(*kind, *systems[order[(4 * n + k) % len(systems)]])
        for n, kind in enumerate(streams)
        for k in range(4)
    ]


CASES = every_pair()


def twin_of(spec: DramSpec, requests: Stream, options: Dramsim3Options) -> TickResult:
    return run(
        spec,
        options.ranks,
        requests.tolist(),
        per=options.per,
        refresh=options.refresh,
        transactions=options.transaction_queue,
        commands=options.command_queue,
        merge_reads=options.merge_reads,
    )


def assert_kernel_equals_twin(spec: DramSpec, requests: Stream, options: Dramsim3Options) -> Timeline | None:
    """Return the schedule, or None where both tell that there is none."""
    try:
        twin = twin_of(spec, requests, options)
    except NeverEndsError:
        with pytest.raises(RecnmpError, match="makes no progress"):
            replay_dramsim3(as_requests(requests), spec, options)
        return None
    ours = replay_dramsim3(as_requests(requests), spec, options, record=True)
    commands, theirs = ours.commands[0], twin.as_commands()
    for field in fields(Commands):
        np.testing.assert_array_equal(getattr(commands, field.name), getattr(theirs, field.name), field.name)
    np.testing.assert_array_equal(ours.accepted, twin.arrive)
    np.testing.assert_array_equal(ours.depart, twin.depart)
    for name in ("row_hits", "row_misses", "row_conflicts", "forwarded", "absorbed", "merged"):
        assert ours.counts[name] == getattr(twin, name), name
    assert ours.counts.items() >= commands.counts().items()
    assert ours.cycles == twin.cycles_drain
    assert audit(spec, options.ranks, commands, refresh=options.refresh).first == ()
    return ours


def test_any_two_choices_meet_in_the_grid():
    for one, other in combinations(fields(Case), 2):
        met = {(getattr(case, one.name), getattr(case, other.name)) for case in CASES}
        choices = [{getattr(case, field.name) for case in CASES} for field in (one, other)]
        assert met == set(product(*choices))
    assert len(set(CASES)) >= 120


@pytest.mark.parametrize("number", range(0, len(CASES), size(1, 5)))
def test_kernel_and_twin_make_the_same_schedule(number):
    case = CASES[number]
    requests = traffic(number, size(150, 60), case.ranks, case.place, case.mix, case.arrival)
    assert_kernel_equals_twin(OFTEN_REFRESHED, requests, case.options)


@pytest.mark.parametrize("refresh", ["off", "staggered"])
@pytest.mark.parametrize("ranks", [1, 8])
def test_kernel_and_twin_make_the_same_schedule_for_long(ranks, refresh):
    requests = traffic(ranks, size(2000, 1000), ranks, "vectors", "mixed", "saturated")
    options = Dramsim3Options(ranks, refresh=refresh)
    timeline = assert_kernel_equals_twin(OFTEN_REFRESHED, requests, options)
    assert timeline is not None
    assert timeline.counts["forwarded"] > 0
    assert timeline.counts["absorbed"] > 0
    assert timeline.counts["merged"] > 0
    assert bool(timeline.counts["REF"]) == (refresh == "staggered")


@st.composite
def timings(draw) -> dict[str, int]:
    """Some timings of the standard made shorter or longer."""
    names = draw(st.lists(st.sampled_from(sorted(set(DDR4.cycles) - {"nREFI", "nBL"})), max_size=5))
    # bursts of a rank must not overlap
    least = {"nCCD_S": DDR4.cycles["nBL"], "nCCD_L": DDR4.cycles["nBL"]}
    changed = {name: draw(st.integers(least.get(name, 1), min(60, 2 * DDR4.cycles[name]))) for name in names}
    return changed | {"nREFI": draw(st.integers(1600, 5000))}


@settings(max_examples=size(60, 6), deadline=None, derandomize=True)
@given(
    case=st.builds(
        Case,
        st.sampled_from(list(PLACES)),
        st.sampled_from(list(MIXES)),
        st.sampled_from(ARRIVALS),
        st.sampled_from((1, 2, 3, 4, 8)),
        st.integers(1, 40),
        st.integers(1, 20),
        *(st.sampled_from(choices) for choices in SYSTEMS[3:]),
    ),
    seed=st.integers(0, 2**32),
    count=st.integers(0, size(120, 40)),
    timings=timings(),
)
def test_kernel_and_twin_agree_on_other_timings_and_queues(case, seed, count, timings):
    requests = traffic(seed, count, case.ranks, case.place, case.mix, case.arrival)
    assert_kernel_equals_twin(spec_with(**timings), requests, case.options)
