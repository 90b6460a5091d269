"""Every operator over every type of table pools what PyTorch pools, whatever the trace and the memory."""

import numba
import numpy as np
from builders import placed_on, system_of, trace_of
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.config.schema import CacheConfig
from recnmp.nmp import functional, host, recnmp
from recnmp.nmp.packet import OPCODES, decode

ENTRIES = 500

few = settings(deadline=None, max_examples=5 if numba.config.DISABLE_JIT else 80, derandomize=True)

dtypes = st.sampled_from(["fp32", "int8_rowwise"])
bags = st.lists(st.lists(st.integers(0, 9) | st.integers(0, ENTRIES - 1), max_size=12), max_size=12)


@st.composite
def traces(draw):
    """Draw a trace of up to three tables of 4 to 64 elements, each call over any of them."""
    dims = draw(st.lists(st.integers(4, 64), min_size=1, max_size=3))
    calls = draw(st.lists(st.tuples(st.integers(0, len(dims) - 1), bags), min_size=1, max_size=4))
    weights = draw(st.sampled_from([None, 1, 2]))
    return trace_of(
        [(ENTRIES, dim) for dim in dims],
        calls,
        pooling=draw(st.sampled_from(["sum", "mean"])),
        weights=weights and np.random.default_rng(weights),
        dtypes=draw(st.lists(dtypes, min_size=1, max_size=3)),
    )


systems = st.builds(
    lambda channels, dimms, ranks, cached: system_of(
        channels=channels,
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks,
        rank_cache=CacheConfig(size_bytes=2048, ways=4) if cached else None,
    ),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 2]),
    st.booleans(),
)
poolings = st.integers(1, 16)


@few
@given(traces(), systems, poolings)
def test_sums_are_exact_and_weighted_ones_exact_but_for_rounding(trace, system, poolings_per_packet):
    placed = placed_on(system, trace)
    run = recnmp.run(trace, placed, system, recnmp.Options(poolings_per_packet=poolings_per_packet))
    report = functional.compare(trace, placed, run.packets, system)
    assert report["status"] == "passed"
    assert report["bit_exact"] or trace.weight is not None
    assert report["largest_error"] < 1e-3


@few
@given(traces(), systems)
def test_instructions_name_type_and_bursts_of_their_table(trace, system):
    placed = placed_on(system, trace)
    fields = decode(recnmp.run(trace, placed, system, recnmp.Options()).packets.words)
    names = {code: name for name, code in OPCODES.items()}
    for n in range(trace.lookups):
        table = trace.tables[trace.table[n]]
        name = names[int(fields["opcode"][n])]
        assert name.startswith("int8_") == (table.dtype == "int8_rowwise")
        assert ("weighted" in name) == (trace.weight is not None)
        assert int(fields["vsize"][n]) + 1 == -(-table.entry_bytes // 64)


@few
@given(traces(), systems)
def test_the_host_reads_the_same_bursts(trace, system):
    placed = placed_on(system, trace)
    run = host.run(trace, placed, system, host.Options())
    bursts = sum(-(-trace.tables[t].entry_bytes // 64) for t in trace.table.tolist())
    assert run.memory["commands"]["RD"] == placed.bursts == bursts
    near = recnmp.run(trace, placed, system, recnmp.Options())
    assert near.memory["commands"]["RD"] <= bursts


@few
@given(traces(), systems)
def test_entries_of_a_burst_never_overlap(trace, system):
    placed = placed_on(system, trace)
    first = placed.first[:-1]
    slot_bytes = 64 // placed.burst_slots[trace.table]
    places = {}
    for n in range(trace.lookups):
        parts = (placed.channel, placed.rank, placed.flat_bank, placed.row, placed.column)
        burst = tuple(int(part[first[n]]) for part in parts)
        start = int(placed.slot[n] * slot_bytes[n])
        assert start + min(trace.tables[trace.table[n]].entry_bytes, 64) <= 64
        owner = (int(trace.table[n]), int(trace.entry[n]))
        for quarter in range(start // 16, (start + int(slot_bytes[n])) // 16):
            assert places.setdefault((*burst, quarter), owner) == owner
