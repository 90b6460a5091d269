"""What every architecture owes, whichever files the nmp folder holds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from builders import placed_on, some_trace, spec_with, system_of, trace_of
from pydantic import BaseModel, ValidationError

from recnmp._registry import plugin, plugin_names
from recnmp.config.schema import ArrivalConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import ALL_BANK_COMMANDS
from recnmp.memory.audit import audit
from recnmp.nmp import functional
from recnmp.nmp.base import SlsRun
from recnmp.trace.colocation import with_own_tables
from recnmp.trace.trace import DTYPES

KINDS = plugin_names("nmp")
FIGURES = {
    "cycles",
    "requests",
    "row_hits",
    "row_misses",
    "row_conflicts",
    "commands",
    "gb_per_s",
    "bus_utilization",
}
SYSTEMS = {
    "one rank": {"ranks_per_dimm": 1},
    "two channels of four ranks": {"channels": 2, "dimms_per_channel": 2},
    "without refresh": {"refresh": "off"},
}

POOLS_EVERYTHING = {"host", "recnmp"}
"""Architectures that may refuse no operator."""

kinds = pytest.mark.parametrize("kind", KINDS)


def run(kind: str, trace=None, **memory) -> SlsRun:
    trace = trace or some_trace(11)
    system = system_of(spec=spec_with(nREFI=800, nRFC=90), audit=True, **memory)
    module = plugin("nmp", kind)
    return module.run(trace, placed_on(system, trace), system, module.Options())


def test_the_shipped_ones_are_found():
    assert {"axdimm", "host", "recnmp"} <= set(KINDS)


@kinds
def test_it_says_what_it_does_not_model(kind):
    assert "Not modelled" in plugin("nmp", kind).__doc__


@kinds
def test_its_options_have_defaults_are_described_and_refuse_others(kind):
    options = plugin("nmp", kind).Options
    assert issubclass(options, BaseModel)
    options()
    assert all(field.description for field in options.model_fields.values())
    with pytest.raises(ValidationError):
        options(no_such_option=1)
    for name, value in options():
        with pytest.raises(ValidationError):
            setattr(options(), name, value)  # nothing changes after reading


@kinds
@pytest.mark.parametrize("memory", SYSTEMS.values(), ids=SYSTEMS)
def test_its_figures_are_complete_and_possible(kind, memory):
    result = run(kind, **memory)
    assert math.isfinite(result.ns)
    assert result.ns > 0
    assert result.memory.keys() >= FIGURES
    assert result.memory["commands"].keys() == set(ALL_BANK_COMMANDS)
    assert 0 < result.memory["bus_utilization"] <= 1
    assert result.memory["cycles"] > 0
    assert (result.memory["commands"]["REF"] > 0) == (memory.get("refresh") != "off")


@kinds
@pytest.mark.parametrize("memory", SYSTEMS.values(), ids=SYSTEMS)
def test_its_commands_are_legal_and_all_there(kind, memory):
    result = run(kind, **memory)
    spec, refresh = spec_with(nREFI=800, nRFC=90), memory.get("refresh", "simultaneous")
    counts = dict.fromkeys(ALL_BANK_COMMANDS, 0)
    for ranks, commands in result.commands:
        report = audit(spec, ranks, commands, refresh=refresh)
        assert report.count == 0, report.first
        for name in counts:
            counts[name] += commands.counts()[name]
    assert counts == result.memory["commands"]


@kinds
def test_it_runs_alike_twice(kind):
    one, two = run(kind), run(kind)
    assert (one.ns, one.memory, one.details) == (two.ns, two.memory, two.details)


@kinds
@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_it_sends_pools_what_the_model_pools(kind, pooling, weighted, dtype):
    weights = np.random.default_rng(0) if weighted else None
    trace = some_trace(12, dims=(4, 16, 56), pooling=pooling, weights=weights, dtypes=[dtype])
    system = system_of(channels=2, dimms_per_channel=2)
    placed, module = placed_on(system, trace), plugin("nmp", kind)
    refusal = ""
    try:
        result = module.run(trace, placed, system, module.Options())
    except ConfigError as error:
        refusal = str(error)
    if refusal:  # it says that it cannot, and pools nothing wrong
        assert kind not in POOLS_EVERYTHING
        assert f"nmp.kind {kind}" in refusal
        return
    # an architecture without instructions, such as the host, has nothing to check
    expected = "skipped" if result.packets is None else "passed"
    assert functional.check("on", trace, placed, result, system)["status"] == expected


@kinds
def test_it_pools_plain_sums_of_entries_of_whole_bursts(kind):
    trace, system = some_trace(12), system_of(channels=2, dimms_per_channel=2)
    placed, module = placed_on(system, trace), plugin("nmp", kind)
    result = module.run(trace, placed, system, module.Options())
    assert functional.check("on", trace, placed, result, system).get("bit_exact", result.packets is None)


@kinds
@pytest.mark.parametrize("order", ["batched", "round_robin", "random"])
def test_models_that_share_its_memory_get_their_own_sums_in_whatever_order_they_arrive(kind, order):
    trace = with_own_tables(some_trace(12, per_batch=2), 3)
    system = replace(system_of(dimms_per_channel=2), arrival=ArrivalConfig(threads=3, order=order))
    placed, module = placed_on(system, trace), plugin("nmp", kind)
    one, again = (module.run(trace, placed, system, module.Options()) for _ in range(2))
    assert functional.check("on", trace, placed, one, system).get("bit_exact", one.packets is None)
    assert (one.ns, one.memory, one.details) == (again.ns, again.memory, again.details)


@kinds
def test_bags_without_lookups_take_no_time(kind):
    result = run(kind, trace_of([(10, 16)], [(0, [[], []])]), channels=2)
    assert result.ns == 0
    assert result.memory["cycles"] == 0
    assert result.memory.keys() >= FIGURES


@kinds
def test_twice_the_lookups_take_longer(kind):
    once = some_trace(13)
    calls = [(t, [[e] for e in once.entry[once.table == t].tolist()]) for t in range(3)]
    tables = [(table.entries, table.dim) for table in once.tables]
    assert run(kind, trace_of(tables, calls * 2)).ns > run(kind, trace_of(tables, calls)).ns
