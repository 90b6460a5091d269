"""Formats of arrays and records: .npz, PyTorch's files, cache traces, damaged ones among them."""

import gzip
from functools import partial

import numpy as np
import pytest
from builders import trace_of

from recnmp.errors import ConfigError
from recnmp.placement.export import export_trace
from recnmp.trace.convert import find_format, format_options, import_trace
from recnmp.trace.formats import _requests
from recnmp.trace.formats.oracle_general import RECORD
from recnmp.trace.storage import load_trace, read_header, save_trace

GRID = trace_of(
    [(50, 16), (9, 32)],
    [(0, [[1, 2], []]), (1, [[3], [4, 4]]), (0, [[7]]), (1, [[8, 0]])],
    per_batch=2,
)


@pytest.fixture
def exported(tmp_path):
    def call(kind, trace, name, *sets):
        save_trace(trace, tmp_path / "in.parquet")
        module = find_format(kind, "write", "request_lines")
        model = getattr(module, "WriteOptions", None) or module.RequestOptions
        export_trace(kind, tmp_path / "in.parquet", tmp_path / name, format_options(model, None, sets))
        return tmp_path / name

    return call


@pytest.fixture
def imported(tmp_path):
    def call(kind, file, *sets):
        options = format_options(find_format(kind, "read").ReadOptions, None, sets)
        told = import_trace(kind, [file], tmp_path / "out.parquet", options)
        return load_trace(tmp_path / "out.parquet"), told

    return call


def test_an_own_archive_is_plain_numpy_and_brings_the_trace_back(exported, imported, tmp_path):
    weighted = trace_of([(9, 4)], [(0, [[1, 2], [3]])], weights=np.random.default_rng(1))
    for trace in (GRID, weighted):
        file = exported("npz", trace, "t.npz")
        with np.load(file, allow_pickle=False) as arrays:
            assert np.array_equal(arrays["entry"], trace.entry)
        imported("npz", file)
        assert read_header(tmp_path / "out.parquet").digest == read_header(tmp_path / "in.parquet").digest


def test_the_same_trace_is_the_same_archive(exported, tmp_path):
    first = exported("npz", GRID, "a.npz").read_bytes()
    assert exported("npz", GRID, "b.npz").read_bytes() == first


def test_an_archive_of_another_content_than_it_says_is_refused(exported, imported, tmp_path):
    file = exported("npz", GRID, "t.npz")
    with np.load(file) as arrays:
        content = {name: arrays[name].copy() for name in arrays}
    np.savez(file, **content | {"entry": content["entry"][::-1].copy()})
    with pytest.raises(ConfigError, match="digest"):
        imported("npz", file)
    np.savez(file, **content | {"entry": content["entry"].astype("i8")})
    with pytest.raises(ConfigError, match="other types"):
        imported("npz", file)
    assert not (tmp_path / "out.parquet").exists()


def test_a_whole_trace_takes_no_options(exported, imported):
    with pytest.raises(ConfigError, match="takes no options"):
        imported("npz", exported("npz", GRID, "t.npz"), "dim=8")


@pytest.mark.parametrize("end", [False, True])
def test_bags_of_one_table_come_with_or_without_their_end(imported, tmp_path, end):
    offsets = [0, 2, 2, *([5] if end else [])]
    np.savez(tmp_path / "b.npz", indices=np.array([4, 1, 2, 2, 0], "i4"), offsets=offsets, num_rows=7)
    trace, told = imported("npz", tmp_path / "b.npz", "dim=8")
    assert (trace.bags, trace.bag.tolist(), trace.entry.tolist()) == (3, [0, 0, 2, 2, 2], [4, 1, 2, 2, 0])
    assert (trace.tables[0].entries, trace.tables[0].dim, told.rows) == (7, 8, 3)


def test_a_matrix_of_ids_names_its_tables(imported, tmp_path):
    ids = np.array([[0, 1], [2, 0], [1, 1]], "i4")
    np.savez(tmp_path / "m.npz", table=ids, cardinalities=[3, 2], columns=["user", "item"])
    trace, _ = imported("npz", tmp_path / "m.npz")
    assert [(t.name, t.entries) for t in trace.tables] == [("user", 3), ("item", 2)]
    assert trace.entry.tolist() == [0, 2, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"indices": [1, 2]}, "no offsets"),
        ({"indices": [1, 2], "offsets": [1]}, "offsets do not go from 0"),
        ({"indices": [1, 2], "offsets": [0, 3]}, "offsets do not go from 0"),
        ({"indices": [1.0, 2], "offsets": [0]}, "not a row of whole numbers"),
        ({"a": np.eye(2, dtype=int), "b": np.eye(2, dtype=int)}, "one matrix"),
        ({"a": np.eye(2)}, "one matrix"),
        ({"indices": np.array([{}]), "offsets": [0]}, "holds Python objects"),
        ({"indices": [-1], "offsets": [0]}, r"1 bad rows; first: .*:1: an id is negative"),
        ({"indices": [9], "offsets": [0], "num_rows": 9}, r":1: an id is negative or outside its table"),
    ],
)
def test_archives_that_are_none_are_named(imported, tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ConfigError, match=message):
        imported("npz", tmp_path / "x.npz")
    assert not (tmp_path / "out.parquet").exists()


def test_a_truncated_archive_is_refused_wherever_it_ends(exported, imported, tmp_path):
    whole = exported("npz", GRID, "t.npz").read_bytes()
    for length in range(0, len(whole), max(len(whole) // 40, 1)):
        (tmp_path / "t.npz").write_bytes(whole[:length])
        with pytest.raises(ConfigError, match="npz"):
            imported("npz", tmp_path / "t.npz")


def records(*rows):
    return np.array([(time, obj, 64, -1) for time, obj in rows], RECORD).tobytes()


def test_cache_records_of_one_time_and_table_are_a_bag(imported, tmp_path):
    data = records((0, 5), (0, 6), (1, 5), (1, (1 << 40) | 3), (1, (1 << 40) | 3))
    (tmp_path / "t.bin").write_bytes(data)
    trace, told = imported("oracle_general", tmp_path / "t.bin", "ids=as_is")
    assert trace.bag.tolist() == [0, 0, 1, 2, 2]
    assert trace.table.tolist() == [0, 0, 0, 1, 1]
    assert trace.entry.tolist() == [5, 6, 5, 3, 3]
    assert [t.entries for t in trace.tables] == [7, 4]
    assert told.rows == 5


def test_object_ids_of_other_caches_are_numbered(imported, tmp_path):
    (tmp_path / "t.bin").write_bytes(records((0, 2**63), (1, 17), (2, 2**63)))
    with pytest.raises(ConfigError, match="one_table"):
        imported("oracle_general", tmp_path / "t.bin")
    trace, _ = imported("oracle_general", tmp_path / "t.bin", "one_table=true")
    assert trace.entry.tolist() == [0, 1, 0]


def test_cache_records_are_written_with_their_next_access(exported):
    trace = trace_of([(9, 16), (9, 4)], [(0, [[1, 2], [1]]), (1, [[1], [2, 1]])])
    data = np.fromfile(exported("oracle_general", trace, "t.bin"), RECORD)
    assert data["time"].tolist() == [0, 0, 1, 2, 3, 3]
    assert (data["obj_id"] >> np.uint64(40)).tolist() == [0, 0, 0, 1, 1, 1]
    assert data["obj_size"].tolist() == [64, 64, 64, 16, 16, 16]
    assert data["next_access_vtime"].tolist() == [2, -1, -1, 5, -1, -1]


def test_a_cache_trace_that_ends_within_a_record_is_refused(imported, tmp_path):
    (tmp_path / "t.bin").write_bytes(records((0, 1), (1, 2))[:-1])
    with pytest.raises(ConfigError, match="ends within access 2"):
        imported("oracle_general", tmp_path / "t.bin")


def test_addresses_have_one_line_for_each_burst(exported):
    trace = trace_of([(9, 32)], [(0, [[3, 3]])])  # two bursts an entry
    lines = exported("dramsim3", trace, "t.trc", "gap=7").read_text().splitlines()
    words = [line.split() for line in lines]
    assert [word for _, word, _ in words] == ["READ"] * 4
    assert [int(clock) for *_, clock in words] == [0, 7, 14, 21]
    address = [int(word, 16) for word, *_ in words]
    assert [address[1] - address[0], address[2] - address[0]] == [64, 0]
    texts = {
        kind: exported(kind, trace, "t.txt").read_text().splitlines()[0]
        for kind in ("ramulator1", "ramulator2", "dramsys_stl")
    }
    word = f"0x{address[0]:012x}"
    assert texts == {
        "ramulator1": f"{word} R",
        "ramulator2": f"LD {word}",
        "dramsys_stl": f"0: (64) read {word}",
    }


def test_a_memory_that_cannot_be_is_named(exported):
    for sets, message in (
        ("standard=ddr9", "standard: 'ddr9' is not one of"),
        ("ranks=3", "ranks: 3 is not a power of two"),
        ("mapping=RoX", "RoX"),
        ("gap=-1", "gap"),
    ):
        with pytest.raises(ConfigError, match=message):
            exported("ramulator2", GRID, "t.txt", sets)


def test_an_interrupted_export_leaves_no_file(exported, tmp_path, monkeypatch):
    module = find_format("ramulator2", "request_lines")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "request_lines", stop)
    with pytest.raises(KeyboardInterrupt):
        exported("ramulator2", GRID, "t.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


torch_formats = pytest.mark.parametrize("kind", ["dlrm_datasets", "fbgemm_tbe"])


@torch_formats
def test_requests_are_written_table_by_table(exported, kind):
    torch = pytest.importorskip("torch", reason="PyTorch's files")
    indices, offsets, *rest = torch.load(exported(kind, GRID, "t.pt"), weights_only=True)
    assert indices.tolist() == [1, 2, 7, 3, 4, 4, 8, 0]
    assert offsets.tolist() == [0, 2, 2, 3, 4, 6, 8]
    assert [part.tolist() for part in rest] == ([[[2, 0, 1], [1, 2, 2]]] if kind == "dlrm_datasets" else [])


@torch_formats
def test_requests_do_not_depend_on_how_a_trace_is_cut(exported, monkeypatch, kind):
    pytest.importorskip("torch", reason="PyTorch's files")
    calls = [(t, [[(n * k + t) % 9] * k for k in (0, 3, n % 4)]) for n in range(6) for t in (1, 0)]
    trace = trace_of([(9, 4), (9, 4)], calls, per_batch=2)
    whole = exported(kind, trace, "whole.pt").read_bytes()
    monkeypatch.setattr(_requests, "iter_chunks", partial(_requests.iter_chunks, lookups=2))
    monkeypatch.setattr(_requests, "_PIECE", 5)
    assert exported(kind, trace, "cut.pt").read_bytes().replace(b"cut/", b"whole/") == whole.replace(
        b"cut/", b"whole/"
    )


def test_a_packed_request_is_read_like_a_plain_one(exported, imported):
    pytest.importorskip("torch", reason="PyTorch's files")
    plain, _ = imported("dlrm_datasets", exported("dlrm_datasets", GRID, "a.pt"))
    file = exported("dlrm_datasets", GRID, "a.pt.gz", "index_dtype=int32")
    assert file.read_bytes()[:2] == b"\x1f\x8b"
    packed, _ = imported("dlrm_datasets", file)
    assert np.array_equal(plain.entry, packed.entry)
    assert plain.calls.bags.tolist() == [3, 3]


def test_weights_go_with_fbgemm_and_not_with_dlrm_datasets(exported, imported):
    pytest.importorskip("torch", reason="PyTorch's files")
    trace = trace_of([(9, 4)], [(0, [[1, 2], [3]])], weights=np.random.default_rng(1))
    read, _ = imported("fbgemm_tbe", exported("fbgemm_tbe", trace, "x_t1.pt"))
    assert np.array_equal(read.weight, trace.weight)
    with pytest.raises(ConfigError, match="is weighted"):
        exported("dlrm_datasets", trace, "x.pt")


def test_a_trace_that_is_no_grid_has_no_requests(exported, tmp_path):
    pytest.importorskip("torch", reason="PyTorch's files")
    uneven = trace_of([(9, 4), (9, 4)], [(0, [[1], [2]]), (1, [[3]])])
    twice = trace_of([(9, 4), (9, 4)], [(0, [[1]]), (0, [[3]])])
    for trace in (uneven, twice):
        with pytest.raises(ConfigError, match="each of the 2 tables called once a batch"):
            exported("dlrm_datasets", trace, "x.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@torch_formats
def test_the_number_of_tables_must_be_told(imported, tmp_path, kind):
    torch = pytest.importorskip("torch", reason="PyTorch's files")
    pair = (torch.tensor([1, 2, 3, 4]), torch.tensor([0, 1, 2, 3, 4]))
    torch.save(pair, tmp_path / "x.pt")
    torch.save(pair, tmp_path / "fbgemm_t2_bs2.pt")
    with pytest.raises(ConfigError, match="set tables"):
        imported(kind, tmp_path / "x.pt")
    with pytest.raises(ConfigError, match="not those of 3 tables"):
        imported(kind, tmp_path / "x.pt", "tables=3")
    asked, _ = imported(kind, tmp_path / "x.pt", "tables=2", "batch_size=1")
    named, _ = imported(kind, tmp_path / "fbgemm_t2_bs2.pt", "batch_size=1")
    assert asked.entry.tolist() == named.entry.tolist() == [1, 3, 2, 4]


def test_samples_with_negative_ids_are_left_out_of_all_tables(imported, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch's files")
    torch.save((torch.tensor([1, 2, 3, -4, 5, 6]), torch.tensor([0, 1, 2, 3, 4, 5, 6])), tmp_path / "x.pt")
    trace, told = imported("fbgemm_tbe", tmp_path / "x.pt", "tables=2")
    assert trace.entry.tolist() == [2, 3, 5, 6]
    assert (told.rows, told.bad_rows) == (3, 1)
    assert told.first_bad[0].endswith("x.pt:1: an id is negative or outside its table")


class Harmful:
    """What must never be made of a user's file."""

    def __reduce__(self):
        return (pytest.fail, ("the file was unpickled",))


@torch_formats
def test_a_file_with_code_in_it_is_not_loaded(imported, tmp_path, kind):
    torch = pytest.importorskip("torch", reason="PyTorch's files")
    torch.save((Harmful(), torch.tensor([0])), tmp_path / "x.pt")
    with pytest.raises(ConfigError, match="holds something else than tensors"):
        imported(kind, tmp_path / "x.pt")


@torch_formats
def test_damaged_requests_are_named(imported, tmp_path, kind):
    torch = pytest.importorskip("torch", reason="PyTorch's files")
    for content, message in (
        ((torch.tensor([1, 2]),), "holds 1 tensors"),
        ((torch.tensor([1, 2]), torch.tensor([0, 1])), "offsets do not go from 0"),
        ((torch.tensor([1, 2]), torch.tensor([0, 2, 1])), "offsets do not go from 0"),
        ((torch.tensor([1.5, 2]), torch.tensor([0, 2])), "indices are float32"),
    ):
        torch.save(content, tmp_path / "x.pt")
        with pytest.raises(ConfigError, match=message):
            imported(kind, tmp_path / "x.pt", "tables=1")
    torch.save((torch.arange(999), torch.tensor([0, 999])), tmp_path / "x.pt")
    whole = (tmp_path / "x.pt").read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2], gzip.compress(whole)[:-200]):
        (tmp_path / "x.pt").write_bytes(damaged)
        with pytest.raises(ConfigError, match=r"x\.pt: "):
            imported(kind, tmp_path / "x.pt", "tables=1")
