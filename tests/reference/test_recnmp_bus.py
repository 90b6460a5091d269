"""The judge of RecNMP's buses finds every fault planted in runs that it accepts."""

import pytest
from builders import placed_on, some_trace, system_of

from reference.recnmp_bus import Bus, Load, Passage, earliest, loads_of, violations
from reference.recnmp_packets import Settings
from reference.recnmp_tick import run

BUS = Bus(nCL=16, nCWL=12, nBL=4, turnaround=2, buffers=2)
LOAD = Load(frozenset({0}), header_bursts=1, instruction_clocks=10, result_clocks=6)
# Two packets fill the only rank; the third waits for the first one's results.
GOOD = [
    Passage(0, 16, 26, 80, 80, 102),
    Passage(26, 42, 52, 90, 130, 152),
    Passage(104, 120, 130, 136, 136, 158),
]


def judge(passages, loads=(LOAD,) * 3, bus=BUS):
    return violations(loads, passages, bus)


def moved(packet, by):
    """The good run with some of a packet's clocks moved."""
    changed = {name: getattr(GOOD[packet], name) + clocks for name, clocks in by.items()}
    return [*GOOD[:packet], GOOD[packet]._replace(**changed), *GOOD[packet + 1 :]]


def later(clocks, *names):
    return dict.fromkeys(names, clocks)


DELIVERY = ("header_at", "instructions_at", "delivered_at")
RESULTS = ("results_at", "returned_at")


def test_a_good_run_is_accepted():
    assert judge(GOOD) == []
    assert earliest([LOAD] * 3, [passage.ready_at for passage in GOOD], BUS) == GOOD


@pytest.mark.parametrize(
    ("packet", "by", "complaint"),
    [
        (0, later(-1, *DELIVERY), "starts before the run"),
        (2, later(-1, *DELIVERY), "without a turnaround from 102"),
        (2, later(-3, *DELIVERY), "still holds packets [0, 1]"),
        (1, later(-1, *DELIVERY), "commands on C/A at 25, but commands of packet 0 end at 26"),
        (0, later(51, *RESULTS), "C/A at 131, but results of packet 1"),
        (1, later(-19, *RESULTS), "results on DQ at 127, but instructions of packet 2 end at 130"),
        (2, later(-1, *RESULTS), "results are read before they are ready"),
        (2, later(-1, "ready_at"), None),
        (2, later(-7, "ready_at"), "ready before it was delivered"),
        (0, later(1, "ready_at"), "results are read before they are ready"),
        (1, later(-1, "instructions_at"), "header does not take 16 clocks"),
        (1, later(1, "delivered_at"), "instructions do not take 10 clocks"),
        (2, later(-1, "returned_at"), "results do not take 6 clocks"),
    ],
)
def test_a_planted_fault_is_named(packet, by, complaint):
    found = judge(moved(packet, by))
    assert any(complaint in line for line in found) if complaint else not found


def test_a_header_whose_write_latency_was_skipped_is_found():
    short = [Passage(0, 4, 14, 80, 80, 102)]
    assert judge(short, [LOAD]) == ["packet 0: header does not take 16 clocks"]


@pytest.fixture(scope="module", params=[0, 1, 2, 3, 4])
def twin_run(request):
    """Loads, passages and timings of one channel of the twin."""
    seed = request.param
    system = system_of(dimms_per_channel=2, ranks_per_dimm=2)
    trace = some_trace(seed)
    settings = Settings(
        poolings_per_packet=3 + seed,
        reorder_window=4,
        packets_in_flight=1 + seed % 3,
        delivery=("compressed", "ddr_commands")[seed % 2],
        header_bursts_per_dimm=seed % 3,
        turnaround_cycles=seed,
    )
    (channel,) = run(trace, placed_on(system, trace), system, settings)
    cycles = system.spec.cycles
    bus = Bus(
        *(cycles[name] for name in ("nCL", "nCWL", "nBL")),
        settings.turnaround_cycles,
        settings.packets_in_flight,
    )
    loads = loads_of(channel.packets, settings, cycles)
    return loads, [Passage(*packet.clocks) for packet in channel.packets], bus


def test_the_twin_breaks_no_rule_and_loses_no_clock(twin_run):
    loads, passages, bus = twin_run
    assert len(passages) > 5
    assert violations(loads, passages, bus) == []
    assert earliest(loads, [passage.ready_at for passage in passages], bus) == passages


@pytest.mark.parametrize("part", [DELIVERY, RESULTS])
def test_nothing_may_pass_a_clock_earlier_than_in_the_twin(twin_run, part):
    loads, passages, bus = twin_run
    for p, passage in enumerate(passages):
        moved = passage._replace(**{name: getattr(passage, name) - 1 for name in part})
        assert violations(loads, [*passages[:p], moved, *passages[p + 1 :]], bus), p
