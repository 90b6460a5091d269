"""The equations of docs/model.md, evaluated against the library's timings and the simulator's own clocks."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from builders import DDR4, placed_on, random_calls, some_trace, system_of, trace_of

from recnmp.config.schema import CacheConfig
from recnmp.library.energy import load_operation_costs
from recnmp.nmp import _kernels as kernel
from recnmp.nmp import recnmp
from recnmp.nmp.base import load_imbalance
from recnmp.nmp.instructions import instructions_of, send
from recnmp.nmp.packet import packet_of_bags
from recnmp.sweep.confidence import mean_and_half_width, t_quantile

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "model.md").read_text()
N = DDR4.cycles
CLOCK_NS = DDR4.tCK_ps.value / 1000
LAWS = {
    "read of a closed bank": 1 + N["nRCD"] + N["nCL"] + N["nBL"],
    "read of an open row": 1 + N["nCL"] + N["nBL"],
    "read of a bank with another row open": 1 + N["nRP"] + N["nRCD"] + N["nCL"] + N["nBL"],
    "peak of a channel, GB/s": 64 / (N["nBL"] * CLOCK_NS),
    "share of it within a bank group": N["nBL"] / N["nCCD_L"],
    "share of it where ranks take turns": N["nBL"] / (N["nBL"] + N["nRTRS"]),
    "share of it under refresh, at most": 1 - N["nRFC"] / N["nREFI"],
    "share of a rank's bus, ever new rows of one burst": 4 * N["nBL"] / N["nFAW"],
    "conflicts in one bank, clocks apart": N["nRC"],
}


def rows(heading: str) -> list[list[str]]:
    """Cells of the first table below a heading, without its head."""
    below = PAGE.partition(f"\n{heading}")[2]
    table = re.search(r"^\|.*\n\|[-:| ]+\|\n((?:\|.*\n)+)", below, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def number(cell: str) -> float:
    return float(cell.removesuffix(" %")) / (100 if cell.endswith("%") else 1)


def test_every_law_has_the_value_that_the_standard_gives_it_and_a_test_that_exists():
    theory = (ROOT / "tests" / "theory" / "test_dram_closed_forms.py").read_text()
    found = rows("**What follows**")
    assert [law for law, *_ in found] == list(LAWS)
    for law, equation, value, test in found:
        assert number(value) == pytest.approx(LAWS[law], rel=7e-4), law
        assert f"def {test.strip('`')}(" in theory
        assert set(re.findall(r"\\mathrm\{(n\w+)\}", equation.replace("\\_", "_"))) <= set(N)


def test_every_module_and_test_that_is_named_is_there():
    named = re.findall(r"`((?:recnmp|tests)/[\w/]+\.(?:py|yaml))`", PAGE)
    assert len(set(named)) > 15
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_energy_of_a_lookup_follows_from_the_prices():
    price = load_operation_costs("recnmp_isca20")
    act, bit, pins = (
        price.activate_nj.value,
        price.column_pj_per_bit.value / 1000,
        price.off_chip_io_pj_per_bit.value / 1000,
    )
    assert f"${act} + 8 V ({bit} + {pins})$" in PAGE
    for size, host, without_pins, saved in rows("With one ACT a lookup"):
        expected = act + 8 * int(size) * (bit + pins), act + 8 * int(size) * bit
        assert (float(host), float(without_pins)) == pytest.approx(expected, abs=0.05)
        assert number(saved) == pytest.approx(1 - expected[1] / expected[0], abs=6e-4)


def test_t_is_that_of_student():
    head = re.search(r"^\| \$n\$ \|(.*)\|\n.*\n\| \$t\$ \|(.*)\|$", PAGE, re.MULTILINE)
    assert head
    for n, t in zip(head[1].split("|"), head[2].split("|"), strict=True):
        assert float(t) == pytest.approx(t_quantile(int(n) - 1, 0.975), abs=6e-4)
    mean, half = mean_and_half_width([1.0, 2.0, 4.0])
    assert half == pytest.approx(t_quantile(2, 0.975) * math.sqrt(7 / 3) / math.sqrt(3))
    assert mean == pytest.approx(7 / 3)


def test_imbalance_is_the_busiest_over_the_mean_rank_by_group():
    rng = np.random.default_rng(0)
    rank, group = rng.integers(0, 4, 500).astype(np.int32), rng.integers(0, 6, 500)
    load = np.array([[np.sum((group == p) & (rank == r)) for r in range(4)] for p in range(6)])
    assert load_imbalance(rank, 4, group) == pytest.approx(4 * load.max(axis=1).sum() / load.sum())


@pytest.mark.parametrize("options", [{}, {"packets_in_flight": 1}, {"header_bursts_per_dimm": 0}], ids=str)
@pytest.mark.parametrize("dimms", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_packets_pass_at_the_clocks_of_the_equations(options, dimms, weighted):
    rng = np.random.default_rng(3)
    calls = random_calls(rng, [(3000, 16), (3000, 64)], 12, bags=20, longest=9)
    weights = np.random.default_rng(1) if weighted else None
    trace = trace_of([(3000, 16), (3000, 64)], calls, weights=weights)
    system = system_of(dimms_per_channel=dimms, ranks_per_dimm=2)
    chosen = recnmp.Options(**options)
    placed = placed_on(system, trace)
    bag_packet, first = packet_of_bags(trace, chosen.poolings_per_packet)
    sent = send(trace, placed, system, bag_packet, np.arange(len(first)), np.zeros(trace.lookups, bool))
    [channel] = recnmp.run_channels(trace, sent, placed, system, chosen)
    carried = instructions_of(0, sent, placed, system, as_ddr_commands=False)
    after = (
        chosen.pipeline_cycles
        + chosen.adder_cycles * (1 + math.ceil(math.log2(2)))
        + chosen.multiplier_cycles * weighted
    )
    last_beat = channel.timeline.done.max(axis=0)
    steps = follow(carried, chosen, last_beat, after)
    assert len(steps) > 10
    np.testing.assert_array_equal(channel.clocks, steps)
    assert channel.cycles == max(step[kernel.RETURNED_AT] for step in steps)


def test_a_run_takes_what_memory_counting_and_the_hosts_adds_do():
    trace = some_trace(7, per_batch=2)
    cache = CacheConfig(kind="lru", size_bytes=8192, ways=4)
    for dimms, options in ((1, {"locality": "profiled"}), (2, {}), (2, {"host_add_ns_per_burst": 900.0})):
        system = system_of(dimms_per_channel=dimms, rank_cache=cache)
        chosen = recnmp.Options(**options)
        done = recnmp.run(trace, placed_on(system, trace), system, chosen)
        counting, adds = done.details["profile_ns"], done.details["host_add_ns"]
        memory = float(str(done.memory["cycles"])) * CLOCK_NS
        last = (
            done.ns - counting / trace.batches - max(memory, adds + counting)
        ) / chosen.host_add_ns_per_burst
        assert last == pytest.approx(round(last), abs=1e-6)  # whole bursts
        assert (last > 0) == (dimms == 2)
        assert last * chosen.host_add_ns_per_burst <= adds
        assert (adds > memory) == ("host_add_ns_per_burst" in options)
        assert (counting > 0) == ("locality" in options)


def follow(carried, options, last_beat, after) -> list[list[int]]:
    """Clocks of every packet by the page's equations: those of the channel's columns."""
    begins = carried.packet_start.tolist()
    steps: list[list[int]] = []
    used: dict[int, list[int]] = {}
    command = data = 0
    results_last, returned, packets = False, 0, len(begins) - 1
    for p in range(packets + 1):
        must = packets - 1
        if p < packets:
            ranks = set(carried.rank[begins[p] : begins[p + 1]].tolist())
            before = [used.get(rank, []) for rank in ranks]
            held = [
                one[-options.packets_in_flight] for one in before if len(one) >= options.packets_in_flight
            ]
            must = max(held, default=-1)
        while returned <= must:
            ready = steps[returned][kernel.READY_AT]
            at = max(ready, command, data - N["nCL"])
            command = (
                at
                + int(carried.returned_bursts[returned]) * N["nBL"]
                + int(carried.dimms[returned]) * N["nRTRS"]
            )
            data, results_last = command + N["nCL"], True
            steps[returned] += [at, data]
            returned += 1
        if p == packets:
            return steps
        begin = max(command, data) + options.turnaround_cycles * results_last
        writes = options.header_bursts_per_dimm
        start = begin + (N["nCWL"] + int(carried.dimms[p]) * writes * N["nBL"] if writes else 0)
        n = begins[p + 1] - begins[p]
        received = start + math.ceil(n * N["nBL"] / options.instructions_per_burst)
        steps.append([begin, start, received, max(received, int(last_beat[p])) + after])
        command, data, results_last = received, received, False
        for rank in ranks:
            used.setdefault(rank, []).append(p)
    return steps
