"""What a trace is after going through another format and back."""

import numpy as np
import pytest
from builders import trace_of
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.library.dram import load_standard
from recnmp.memory.formats import read_memory_trace
from recnmp.memory.setup import Setup
from recnmp.placement.export import export_trace
from recnmp.trace.convert import find_format, format_options, import_trace
from recnmp.trace.formats.oracle_general import RECORD
from recnmp.trace.storage import load_trace, read_header, save_trace, trace_digest

SIZES = [(97, 16), (1 << 20, 4), (13, 40)]


@st.composite
def traces(draw, grid=False, weighted=False):
    """Traces of three tables; on a grid, every batch calls each table once for the same samples."""
    calls = []
    for _ in range(draw(st.integers(1, 3))):
        samples = draw(st.integers(1, 4))
        for table in range(3) if grid else draw(st.lists(st.integers(0, 2), min_size=3, max_size=3)):
            bag = st.lists(st.integers(0, 12), max_size=5)
            size = samples if grid else draw(st.integers(1, 4))
            calls.append((table, draw(st.lists(bag, min_size=size, max_size=size))))
    rng = np.random.default_rng(1) if weighted else None
    return trace_of(SIZES, calls, per_batch=3, weights=rng)


def there(folder, trace, kind, name, *sets):
    save_trace(trace, folder / "in.parquet")
    module = find_format(kind, "write", "request_lines")
    model = getattr(module, "WriteOptions", None) or module.RequestOptions
    export_trace(kind, folder / "in.parquet", folder / name, format_options(model, None, sets))
    return folder / name


def and_back(folder, trace, kind, name, *sets):
    file = there(folder, trace, kind, name)
    options = format_options(find_format(kind, "read").ReadOptions, None, sets)
    import_trace(kind, [file], folder / "out.parquet", options)
    return load_trace(folder / "out.parquet")


@given(traces())
@settings(deadline=None, max_examples=40)
def test_an_archive_loses_nothing(tmp_path_factory, trace):
    if not trace.lookups:
        return
    folder = tmp_path_factory.mktemp("npz")
    back = and_back(folder, trace, "npz", "t.npz")
    assert trace_digest(back) == trace_digest(trace)
    assert read_header(folder / "out.parquet").meta == trace.meta


@pytest.mark.parametrize(
    ("kind", "name", "weighted"),
    [("dlrm_datasets", "x.pt", False), ("fbgemm_tbe", "x_t3.pt", False), ("fbgemm_tbe", "x_t3.pt", True)],
)
def test_a_grid_of_bags_keeps_every_bag(tmp_path_factory, kind, name, weighted):
    pytest.importorskip("torch", reason="PyTorch's files")

    @given(traces(grid=True, weighted=weighted))
    @settings(deadline=None, max_examples=15)
    def law(trace):
        if not trace.lookups:
            return
        back = and_back(tmp_path_factory.mktemp("grid"), trace, kind, name)
        for t in range(3):
            mine, other = trace.table == t, back.table == t
            assert np.array_equal(trace.entry[mine], back.entry[other])
            if weighted:
                assert np.array_equal(trace.weight[mine], back.weight[other])
            lengths = [np.bincount(one.bag, minlength=one.bags)[one.bag_table == t] for one in (trace, back)]
            assert np.array_equal(*lengths)

    law()


@given(traces())
@settings(deadline=None, max_examples=40)
def test_cache_records_keep_bags_and_know_the_next_access(tmp_path_factory, trace):
    if not trace.lookups:
        return
    folder = tmp_path_factory.mktemp("oracle")
    back = and_back(folder, trace, "oracle_general", "t.bin.zst", "ids=as_is", "dim=1")
    assert np.array_equal(trace.entry, back.entry)
    assert np.array_equal(trace.table, back.table)
    assert np.array_equal(np.diff(trace.bag) > 0, np.diff(back.bag) > 0)
    file = there(folder, trace, "oracle_general", "t.bin")
    data = np.fromfile(file, RECORD)
    for i, (key, following) in enumerate(zip(data["obj_id"], data["next_access_vtime"], strict=True)):
        later = np.flatnonzero(data["obj_id"][i + 1 :] == key)
        assert following == (i + 1 + later[0] if len(later) else -1)


@given(traces(), st.sampled_from(["ramulator2", "ramulator1", "dramsim3"]), st.sampled_from([(1, 1), (2, 4)]))
@settings(deadline=None, max_examples=20)
def test_exported_requests_are_those_that_replay_makes(tmp_path_factory, trace, kind, shape):
    if not trace.lookups:
        return
    channels, ranks = shape
    folder = tmp_path_factory.mktemp("requests")
    file = there(folder, trace, kind, "t.txt", f"channels={channels}", f"ranks={ranks}")
    memory = Setup(channels=channels, ranks=ranks).memory
    spec = load_standard("ddr4_2400")
    read = read_memory_trace(file, "ramulator" if kind != "dramsim3" else kind, spec, memory)
    own = read_memory_trace(folder / "in.parquet", "recnmp", spec, memory)
    for name in ("channel", "lane", "row", "column", "write"):
        assert np.array_equal(getattr(read, name), getattr(own, name)), name
