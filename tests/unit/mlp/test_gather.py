"""The host's own gather-reduce: how a trace is put into allocated tables, and how that is timed."""

import numpy as np
import pytest
from builders import some_trace, trace_of

from recnmp._threads import available_cores
from recnmp.errors import ConfigError
from recnmp.library.device import PartTiming
from recnmp.mlp import gather, gather_plan
from recnmp.mlp.gather import default_table_bytes, gathering, measure_gather, time_per_lookup
from recnmp.mlp.gather_plan import plan_gather


def test_reuse_within_the_trace_is_the_traces_own():
    trace = some_trace()
    plan = plan_gather(trace, "fp32", 100_000)

    slot = np.concatenate([call.slot for call in plan.calls])
    table = np.concatenate([np.full(len(call.slot), call.table) for call in plan.calls])
    mine = [(t, e) for t, e in zip(trace.table, trace.entry, strict=True)]
    theirs = list(zip(table, slot, strict=True))
    pairs = set(zip(mine, theirs, strict=True))
    assert len(pairs) == len(set(mine)) == len(set(theirs))


def test_bags_are_those_of_the_trace():
    trace = trace_of([(50, 4)], [(0, [[7, 9], [], [9]]), (0, [[30]])])
    first, second = plan_gather(trace, "fp32", 1 << 20).calls

    assert first.offsets.tolist() == [0, 2, 2, 3]
    assert first.slot[1] == first.slot[2]
    assert second.offsets.tolist() == [0, 1]


def test_a_table_gets_its_share_of_the_memory_and_never_more_than_its_own_size():
    trace = trace_of([(1000, 4), (10, 4)], [(0, [[1, 2]]), (1, [[3]])])

    small, whole = (plan_gather(trace, "fp32", budget) for budget in (1616, 1 << 20))

    assert [table.slots for table in small.tables] == [100, 1]
    assert small.table_bytes == 1616
    assert [table.slots for table in whole.tables] == [1000, 10]


def test_every_pass_reads_other_entries_until_all_were_read():
    trace = trace_of([(1000, 4)], [(0, [[1, 500, 900]])])
    plan = plan_gather(trace, "fp32", 1 << 20)
    (table,), slot = plan.tables, plan.calls[0].slot

    read = [tuple(slot + table.offset(number)) for number in range(table.gap)]

    assert len(set(read)) == len({entry for entries in read for entry in entries}) // 3 == table.gap == 333
    assert max(map(max, read)) < table.slots
    assert read[0] == tuple(slot + table.offset(table.gap))


def test_a_pass_is_timed_in_pieces_that_are_long_enough_and_together_all_of_it(monkeypatch):
    monkeypatch.setattr(gather_plan, "SAMPLE_LOOKUPS", 5)
    trace = trace_of([(99, 4)], [(0, [list(range(n))]) for n in (3, 3, 7, 1, 1)])
    plan = plan_gather(trace, "fp32", 1 << 20)

    assert [[len(call.slot) for call in group] for group in plan.groups] == [[3, 3], [7, 1, 1]]
    assert plan_gather(trace_of([(9, 4)], [(0, [[1]])]), "fp32", 1 << 20).groups[0][0].slot.size == 1


def test_only_samples_of_the_same_lookups_vary_by_chance(monkeypatch):
    monkeypatch.setattr(gather_plan, "SAMPLE_LOOKUPS", 2)
    plan = plan_gather(trace_of([(9, 4)], [(0, [[1, 2]]), (0, [[3, 4]])]), "fp32", 1 << 20)

    timed = time_per_lookup(plan, [0, 1, 0, 1, 0, 1], [10, 40, 10, 40, 10, 40])

    assert timed == PartTiming(median_ns=12.5, iqr_ns=0.0, min_ns=12.5, repeats=3)
    assert time_per_lookup(plan, [0], [10]) is None


def test_entries_of_8_bits_take_their_codes_scale_and_bias():
    trace = trace_of([(1000, 32)], [(0, [[1, 2]])])
    plan = plan_gather(trace, "int8_rowwise", 1 << 30)

    assert (plan.table_bytes, plan.read_bytes, plan.lookups) == (1000 * 40, 80, 2)


def test_more_entries_than_memory_is_an_error():
    trace = trace_of([(1000, 4)], [(0, [list(range(500))])])
    with pytest.raises(ConfigError, match="more than twice"):
        plan_gather(trace, "fp32", 1000)


def test_what_is_not_summed_is_refused():
    with pytest.raises(ConfigError, match="neither sum nor mean"):
        plan_gather(some_trace(pooling="max"), "fp32", 1 << 20)


def test_tables_are_larger_than_the_last_level_cache_and_leave_memory_free(monkeypatch):
    monkeypatch.setattr(gather, "llc_bytes", lambda: 100)
    monkeypatch.setattr(gather, "available_bytes", lambda: 10_000)
    assert default_table_bytes() == 400
    monkeypatch.setattr(gather, "available_bytes", lambda: 600)
    assert default_table_bytes() == 300


def test_tables_that_do_not_fit_are_refused_before_any_is_made(monkeypatch):
    pytest.importorskip("torch", reason="the gather is PyTorch's")
    monkeypatch.setattr(gather, "available_bytes", lambda: 1000)
    with (
        pytest.raises(ConfigError, match="do not fit"),
        gathering(plan_gather(some_trace(), "fp32", 1 << 20), 1, 3),
    ):
        pass


@pytest.mark.parametrize("dtype", ["fp32", "int8_rowwise"])
def test_what_is_timed_sums_the_entries_of_each_bag(tmp_path, dtype):
    torch = pytest.importorskip("torch", reason="the gather is PyTorch's")
    from recnmp.mlp.gather_run import Gather, pool

    plan = plan_gather(some_trace(), dtype, 1 << 20)
    gather._write(plan, tmp_path / "plan.npz")
    made = Gather(tmp_path / "plan.npz", dtype)
    made.prepare(2)

    for call, planned in zip(made._calls, plan.calls, strict=True):
        offset = plan.tables[planned.table].offset(2)
        assert call.slot.tolist() == (planned.slot + offset).tolist()
        weight = made._weights[call.table]
        values = weight.numpy()
        if dtype == "int8_rowwise":
            scale_and_bias = values[:, -8:].copy().view(np.float32)
            values = values[:, :-8] * scale_and_bias[:, :1] + scale_and_bias[:, 1:]
        bounds = zip(call.offsets, call.offsets[1:], strict=False)
        by_hand = np.stack([values[call.slot[a:b].numpy()].sum(axis=0) for a, b in bounds])
        torch.testing.assert_close(
            pool(weight, call.slot, call.offsets, dtype).numpy(),
            by_hand.astype(np.float32),
            atol=1e-4,
            rtol=1e-4,
        )


def test_a_small_gather_is_measured_for_real_says_what_it_took_and_leaves_no_file(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="the gather is PyTorch's")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shown = []

    found = measure_gather(
        some_trace(), threads=[1], dtypes=["fp32"], table_bytes=1 << 20, passes=3, progress=shown.append
    )

    (point,) = found.points
    trace = some_trace()
    assert (found.lookups, found.bags) == (trace.lookups, trace.bags)
    n_bytes = sum(trace.tables[t].entry_bytes for t in trace.table)
    expected = n_bytes / trace.lookups / point.per_lookup.median_ns
    assert point.gb_per_s == pytest.approx(expected, rel=0.01, abs=1e-3)
    assert (point.passes, point.per_lookup.repeats) == (3, 3)
    assert 0.5 * (1 << 20) < point.table_bytes <= 1 << 20
    assert shown == ["fp32 on 1 thread"]
    assert list(tmp_path.iterdir()) == []


def test_a_gather_goes_on_until_it_is_asked_for_its_answer():
    pytest.importorskip("torch", reason="the gather is PyTorch's")
    with gathering(plan_gather(some_trace(), "fp32", 1 << 20), 1, None) as process:
        process.go()
        answer = process.answer()

    assert len(answer["began_ns"]) == len(answer["ns"]) == len(answer["group"])
    assert sorted(answer["began_ns"]) == answer["began_ns"]


def test_more_threads_than_cores_cannot_gather():
    with pytest.raises(ConfigError, match=f"threads: {available_cores() + 1} asked"):
        measure_gather(some_trace(), threads=[available_cores() + 1], table_bytes=1 << 20)
