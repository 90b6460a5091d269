"""The RecNMP channel against its tick-by-tick twin: the same commands, the same clocks."""

from dataclasses import dataclass
from functools import cache

import numba
import numpy as np
import pytest
from builders import DDR5, placed_on, random_calls, spec_with, system_of, trace_of
from reference import recnmp_tick

from recnmp.config.schema import CacheConfig
from recnmp.library.dram import COMMANDS
from recnmp.memory.audit import audit
from recnmp.nmp import recnmp

CHOICES = {
    "dimms_and_ranks": ((1, 1), (1, 2), (2, 1), (2, 2), (1, 4), (4, 2), (1, 8), (4, 1)),
    "channels": (1, 1, 1, 2),
    "mapping": ("RoBaBgRaChCo", "RoCoRaBgBaChCo2", "RoBaBgChCoRaCo2"),
    "policy": ("frfcfs", "frfcfs", "frfcfs_rowhit"),
    "refresh": ("off", "simultaneous", "staggered", "same_bank"),
    "pages": ("random", "coloured"),
    "ways": (None, 1, 2, 4),
    "dims": ((16,), (32,), (64,), (16, 64), (32, 64, 16), (4, 64)),
    "dtypes": (("fp32",), ("fp32",), ("int8_rowwise",), ("fp32", "int8_rowwise")),
    "weighted": (False, True),
    "longest": (2, 9, 30),
    "poolings_per_packet": (1, 3, 8, 16),
    "reorder_window": (1, 4, 16),
    "packets_in_flight": (1, 2, 4),
    "instructions_per_burst": (8, 8, 1, 3, 64),
    "header_bursts_per_dimm": (0, 1, 3),
    "rank_cache_cycles": (1, 7),
    "page_policy": ("open", "open", "closed"),
    "row_hit_cap": (None, None, 1, 3),
    "merge_reads": (False, False, True),
}
OPTIONS = ("poolings_per_packet", "reorder_window", "packets_in_flight", "instructions_per_burst",
           "header_bursts_per_dimm", "rank_cache_cycles")  # fmt: skip
MEMORY = ("channels", "mapping", "policy", "refresh", "page_policy", "row_hit_cap", "merge_reads")
CASES = range(120)
# so that a short run sees many refreshes
REFRESHED_OFTEN = spec_with(nREFI=600, nRFC=90)
SETS_REFRESHED_OFTEN = spec_with(DDR5, nREFI2=2000)


@cache
def choice(case: int) -> dict[str, object]:
    """Pick one of every choice; a mapping that changes ranks within a page cannot be coloured."""
    rng = np.random.default_rng([7, case])
    picked = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}
    if picked["mapping"] != "RoBaBgRaChCo":
        picked["pages"] = "random"
    return picked


@dataclass
class Run:
    """One configuration run by both."""

    system: object
    ours: object
    twin: list[recnmp_tick.ChannelResult]


@cache
def run(case: int) -> Run:
    picked = choice(case)
    rng = np.random.default_rng([8, case])
    dimms, ranks = picked["dimms_and_ranks"]
    ways = picked["ways"]
    system = system_of(
        spec=SETS_REFRESHED_OFTEN if picked["refresh"] == "same_bank" else REFRESHED_OFTEN,
        rank_cache=CacheConfig(size_bytes=4 * ways * 64, ways=ways) if ways else None,
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks,
        audit=True,
        **{name: picked[name] for name in MEMORY},
    )
    tables = [(int(rng.choice([40, 5000])), dim) for dim in picked["dims"]]
    calls = random_calls(rng, tables, 4, bags=60 // picked["longest"] + 1, longest=picked["longest"])
    weights = rng if picked["weighted"] else None
    trace = trace_of(tables, calls, weights=weights, dtypes=picked["dtypes"])
    placed = placed_on(system, trace, pages=picked["pages"], seed=case)
    options = recnmp.Options(**{name: picked[name] for name in OPTIONS})
    return Run(
        system,
        recnmp.run(trace, placed, system, options),
        recnmp_tick.run(trace, placed, system, options),
    )


def cases():
    return pytest.mark.parametrize("case", list(CASES)[:: 8 if numba.config.DISABLE_JIT else 1])


def test_reads_are_merged_where_asked_for_and_nowhere_else():
    for merging in (False, True):
        runs = [run(case).ours.memory["merged"] for case in CASES if choice(case)["merge_reads"] == merging]
        assert (sum(runs) > 0) == merging


def until_last_read(commands):
    """Drop what a rank does when it has nothing left to read: the twin's ranks tick on and refresh."""
    last = max((n for n, command in enumerate(commands) if command.name == "RD"), default=-1)
    return commands[: last + 1]


def test_the_cases_take_every_choice():
    taken = [choice(case) for case in CASES]
    for name, values in CHOICES.items():
        assert {picked[name] for picked in taken} == set(values), name


@cases()
def test_every_rank_issues_the_commands_of_its_twin(case):
    both = run(case)
    twins = [commands for channel in both.twin for commands in channel.commands]
    ours = [commands for _, commands in both.ours.commands]
    per_channel = both.system.ranks_per_channel
    assert len(ours) == len(twins)
    for unit, (log, twin) in enumerate(zip(ours, twins, strict=True)):
        # requests are numbered over a channel's ranks
        channel = both.twin[unit // per_channel]
        before = sum(len(accepted) for accepted in channel.accepted[: unit % per_channel])
        expected = [
            (c.cycle, COMMANDS.index(c.name), c.rank, c.bank_group, c.bank, c.row, c.column,
             c.request + before if c.request >= 0 else -1)
            for c in until_last_read(twin)
        ]  # fmt: skip
        columns = (log.cycle, log.command, log.rank, log.bank_group, log.bank, log.row, log.column,
                   log.request)  # fmt: skip
        # a precharge closes whatever row is open; the twin leaves the row of PRE unsaid
        found = [(*c[:5], -1 if COMMANDS[c[1]] == "PRE" else c[5], *c[6:])
                 for c in zip(*(column.tolist() for column in columns), strict=True)]  # fmt: skip
        assert found == expected


@cases()
def test_the_bus_spends_the_clocks_of_its_twin(case):
    both = run(case)
    finish = max(channel.finish for channel in both.twin)
    assert both.ours.memory["cycles"] == finish
    for name, share in both.ours.details["time_share"].items():
        twin = sum(getattr(channel, {"return": "returning"}.get(name, name)) for channel in both.twin)
        assert share * finish * len(both.twin) == pytest.approx(twin, abs=1e-6), name


@cases()
def test_requests_meet_the_rows_and_waits_of_the_twin(case):
    both = run(case)
    outcomes = np.array([outcome for channel in both.twin for outcome in channel.outcomes]).sum(axis=0)
    names = ("row_hits", "row_misses", "row_conflicts")
    assert [both.ours.memory[name] for name in names] == outcomes.tolist()
    waits = [
        depart - accepted
        for channel in both.twin
        for pair in zip(channel.accepted, channel.depart, strict=True)
        for accepted, depart in zip(*pair, strict=True)
    ]
    assert both.ours.memory["requests"] == len(waits)
    assert both.ours.memory["read_latency_avg_cycles"] == pytest.approx(np.mean(waits) if waits else 0.0)


@cases()
def test_the_commands_of_every_rank_are_legal(case):
    both = run(case)
    for ranks, commands in both.ours.commands:
        report = audit(both.system.spec, ranks, commands, refresh=both.system.memory.refresh)
        assert report.count == 0, report.first
