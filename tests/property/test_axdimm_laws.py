"""What must hold on AxDIMM for every trace, placement and option."""

import numba
import numpy as np
from builders import placed_on, spec_with, system_of, trace_of
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.nmp import axdimm, functional
from recnmp.nmp.axdimm.instruction import WORD_BYTES, decode

SPEC = spec_with(nREFI=900, nRFC=80)
ENTRIES = 2000

few = settings(deadline=None, max_examples=5 if numba.config.DISABLE_JIT else 80, derandomize=True)

bags = st.lists(st.lists(st.integers(0, 30) | st.integers(0, ENTRIES - 1), max_size=8), max_size=20)
traces = st.builds(
    lambda dims, calls, per_batch: trace_of(
        [(ENTRIES, dim) for dim in dims],
        [(n % len(dims), one) for n, one in enumerate(calls)],
        per_batch=per_batch,
    ),
    st.lists(st.sampled_from([16, 32, 64]), min_size=1, max_size=3),
    st.lists(bags, min_size=1, max_size=4),
    st.integers(1, 4),
)
systems = st.builds(
    lambda channels, dimms, ranks, refresh: system_of(
        spec=SPEC, channels=channels, dimms_per_channel=dimms, ranks_per_dimm=ranks, refresh=refresh
    ),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.sampled_from(["off", "simultaneous", "staggered"]),
)
options = st.builds(
    axdimm.Options,
    policy=st.sampled_from(["replicate", "distribute", "single"]),
    instruction_buffer_words=st.integers(16, 100),
    instruction_buffers=st.sampled_from([1, 2]),
    psum_slots=st.integers(4, 40),
    issue=st.sampled_from(["column", "row"]),
    adder_cycles=st.sampled_from([1, 3, 40]),
    close_stream=st.sampled_from(["batch", "trace"]),
    poll_interval_ns=st.sampled_from([0.0, 100.0, 3000.0]),
    driver_ns=st.sampled_from([0.0, 1000.0]),
)
colours = st.sampled_from(["in_turn", "balanced"])


@few
@given(traces, systems, options, colours)
def test_sums_are_right_buffers_hold_and_nothing_is_free(trace, system, options, colours):
    placed = placed_on(system, trace, pages="coloured", colours=colours)
    run = axdimm.run(trace, placed, system, options)
    assert functional.compare(trace, placed, run.packets, system)["bit_exact"]
    each, details = run.packets.executions, run.details
    assert sorted(each.lookup.tolist()) == list(range(trace.lookups))
    assert np.all(each.instructions + 1 <= options.instruction_buffer_words)
    assert np.all(each.psum_bursts <= options.psum_slots)
    assert decode(run.packets.words)["trace_end"].sum() == len(each)
    # DRAM reads every entry, in one rank each; the bus carries every word and every sum
    bursts = int((each.instructions * each.bursts).sum())
    assert run.memory["requests"] == run.memory["commands"]["RD"] == bursts
    cycles, channels = system.spec.cycles, system.memory.channels
    words = trace.lookups * WORD_BYTES / 64
    assert run.memory["cycles"] * channels >= (words + details["psum_bursts"]) * cycles["nBL"]
    units = channels * system.ranks_per_channel
    assert run.memory["cycles"] * units >= bursts * cycles["nBL"]
    assert sum(details["time_share"].values()) <= 1 + 1e-12
    assert details["polls"] >= len(each)
    again = axdimm.run(trace, placed, system, options)
    assert (run.ns, run.memory, run.details) == (again.ns, again.memory, again.details)
