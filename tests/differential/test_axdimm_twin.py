"""AxDIMM against its tick-by-tick twin: the same commands, the same clocks."""

from functools import cache

import numba
import numpy as np
import pytest
from builders import placed_on, random_calls, spec_with, system_of, trace_of
from reference.axdimm_tick import Machine

from recnmp.library.dram import COMMANDS
from recnmp.memory.audit import audit
from recnmp.nmp import axdimm

CHOICES = {
    "dimms_and_ranks": ((1, 1), (1, 2), (1, 2), (1, 2), (2, 2)),
    "channels": (1, 1, 1, 2),
    "mapping": ("RoBaBgRaChCo", "RoBaBgRaChCo", "RoBaRaChBgCo"),
    "memory_policy": ("frfcfs", "frfcfs", "frfcfs_rowhit"),
    "refresh": ("off", "simultaneous", "staggered"),
    "page_policy": ("open", "open", "closed"),
    "merge_reads": (False, False, True),
    "dims": ((16,), (16,), (32,), (64, 16), (16, 32, 16)),
    "longest": (2, 9, 30),
    "per_batch": (1, 3, 6),
    "policy": ("replicate", "replicate", "distribute", "single"),
    "colours": ("in_turn", "balanced"),
    "instruction_buffer_words": (32768, 60, 33),
    "instruction_buffers": (1, 2),
    "psum_slots": (2048, 8),
    "issue": ("column", "row"),
    "clocks_per_instruction": (1, 1, 5),
    "read_queue": (32, 4),
    "adder_cycles": (3, 1, 25),
    "dummy_words": (16, 40),
    "close_stream": ("batch", "trace"),
    "poll_interval_ns": (100.0, 0.0, 997.0),
    "driver_ns": (0.0, 50.0, 1000.0),
}
MEMORY = ("channels", "mapping", "refresh", "page_policy", "merge_reads")
OPTIONS = tuple(axdimm.Options.model_fields)
CASES = range(90)
# in plain Python every eighth, from one on whose executions share a queue
SOME = CASES[6::8] if numba.config.DISABLE_JIT else CASES
REFRESHED_OFTEN = spec_with(nREFI=600, nRFC=90)  # so that a short run sees many refreshes


@cache
def choice(case: int) -> dict[str, object]:
    rng = np.random.default_rng([17, case])
    return {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}


@cache
def run(case: int):
    """Run a case by both; returns the system, our run and the twin."""
    picked = choice(case)
    rng = np.random.default_rng([18, case])
    dimms, ranks = picked["dimms_and_ranks"]
    system = system_of(
        spec=REFRESHED_OFTEN,
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks,
        policy=picked["memory_policy"],
        audit=True,
        **{name: picked[name] for name in MEMORY},
    )
    tables = [(int(rng.choice([40, 5000])), dim) for dim in picked["dims"]]
    calls = random_calls(rng, tables, 6, bags=40 // picked["longest"] + 1, longest=picked["longest"])
    trace = trace_of(tables, calls, per_batch=picked["per_batch"])
    colours = {"pages": "coloured", "colours": picked["colours"]} if picked["policy"] == "distribute" else {}
    placed = placed_on(system, trace, seed=case, **colours)
    options = axdimm.Options(**{name: picked[name] for name in OPTIONS})
    ours = axdimm.run(trace, placed, system, options)
    if picked["policy"] == "distribute":
        at = placed.first[:-1]
        home, local = placed.channel[at] * system.ranks_per_channel + placed.rank[at], placed
    else:
        alone = system_of(
            spec=REFRESHED_OFTEN, channels=1, dimms_per_channel=1, ranks_per_dimm=1, mapping=picked["mapping"]
        )
        home, local = np.zeros(trace.lookups, np.int64), placed_on(alone, trace, seed=case)
    return system, ours, Machine(trace, local, home, system, options).run()


def cases():
    return pytest.mark.parametrize("case", list(SOME))


def until_last_read(commands):
    """Drop what a rank does when it has nothing left to read: the twin's ranks tick on and refresh."""
    last = max((n for n, command in enumerate(commands) if command.name == "RD"), default=-1)
    return commands[: last + 1]


def test_the_cases_take_every_choice():
    taken = [choice(case) for case in CASES]
    for name, values in CHOICES.items():
        assert {picked[name] for picked in taken} == set(values), name


def test_some_cases_share_a_queue_stall_the_adder_and_split_tables():
    runs = [run(case)[1] for case in SOME]
    assert any(ours.details["adder_stall_cycles"] for ours in runs)
    assert any(ours.details["executions"] > 12 for ours in runs)
    assert any(len(np.unique(ours.packets.unit)) > 2 for ours in runs)


@cases()
def test_every_rank_issues_the_commands_of_its_twin(case):
    _, ours, twin = run(case)
    for (_, log), unit in zip(ours.commands, twin.units, strict=True):
        expected = [
            (c.cycle, c.name, c.bank_group, c.bank, -1 if c.name == "PRE" else c.row, c.column)
            for c in until_last_read(unit.decoder.result.commands)
        ]
        columns = (log.cycle, log.command, log.bank_group, log.bank, log.row, log.column)
        # a precharge closes whatever row is open; the twin leaves the row of PRE unsaid
        found = [
            (t, COMMANDS[name], group, bank, -1 if COMMANDS[name] == "PRE" else row, column)
            for t, name, group, bank, row, column in zip(*(of.tolist() for of in columns), strict=True)
        ]
        assert found == expected


@cases()
def test_bus_polls_and_end_are_those_of_the_twin(case):
    _, ours, twin = run(case)
    assert ours.memory["cycles"] == twin.finish
    assert ours.details["polls"] == twin.polls
    assert ours.details["adder_stall_cycles"] == sum(unit.stalled for unit in twin.units)
    for name in ("delivery", "return", "polling"):
        clocks = ours.details["time_share"][name] * twin.finish * len(twin.buses)
        assert clocks == pytest.approx(sum(bus.clocks[name] for bus in twin.buses), abs=1e-6), name


@cases()
def test_executions_go_to_the_units_of_the_twin(case):
    _, ours, twin = run(case)
    assert ours.packets.unit.tolist() == [execution.unit for execution in twin.executions]
    each = ours.packets.executions
    assert each.bag.tolist() == [bag for execution in twin.executions for bag in execution.bags]
    column_wise = choice(case)["issue"] == "column"
    issued = [pair for execution in twin.executions for pair in execution.in_order(column_wise)]
    assert list(zip(each.lookup.tolist(), each.slots.tolist(), strict=True)) == issued


@cases()
def test_the_commands_of_every_rank_are_legal(case):
    system, ours, _ = run(case)
    for ranks, commands in ours.commands:
        report = audit(system.spec, ranks, commands, refresh=system.memory.refresh)
        assert report.count == 0, report.first
