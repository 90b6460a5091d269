"""Wrong files of every kind end in one line that names them; bad rows among good ones are left out and told."""

import gzip
import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recnmp.errors import ConfigError
from recnmp.trace.convert import find_format, format_options, import_trace
from recnmp.trace.storage import load_trace

LOG = "item,w\na,1\nb,2\nc,3\n"
ITEM = "tables={item: {}}"
ONE_MATRIX = np.zeros((4, 3), int)


@pytest.fixture
def imported(tmp_path):
    def call(kind, name, content, *sets):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        options = format_options(find_format(kind, "read").ReadOptions, None, sets)
        told = import_trace(kind, [tmp_path / name], tmp_path / "out.parquet", options)
        return load_trace(tmp_path / "out.parquet"), told

    return call


@pytest.fixture
def refused(imported, tmp_path):
    def call(message, kind, name, content, *sets):
        with pytest.raises(ConfigError, match=message) as caught:
            imported(kind, name, content, *sets)
        assert str(caught.value).isprintable()  # one line, and nothing of the file that a terminal would obey
        assert len(str(caught.value)) < 500
        assert [path.name for path in tmp_path.iterdir()] == [name]

    return call


def archive(**arrays):
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()


def table(**columns):
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held)
    return held.getvalue()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'"x,2', "a quoted cell that does not end in its line"),
        (b'"x"y,2', "a quoted cell that does not end in its line"),
        (b"x\xff\xfe", "1 columns, not 2"),
        (b"\xe9,1,1", "3 columns, not 2"),
        (b"x\ry,1", "stray carriage return"),
        (b",1", "column item: missing"),
        (b"x,nan", "column w: not a number"),
        (b"x,1e400", "column w: not a number"),
        (b"x,1e39", "column w: not a number"),
        (b"x,", "column w: not a number"),
    ],
)
def test_a_line_that_is_no_row_is_left_out_and_the_others_keep_their_numbers(imported, line, what):
    text = LOG.encode() + b"\n" + line + b'\n"d,e",4\nf,5,5\n'
    trace, told = imported("log", "l.csv", text, ITEM, "weight=w")
    assert trace.entry.tolist() == [0, 1, 2, 3]
    assert trace.weight.tolist() == [1, 2, 3, 4]
    assert (told.rows, told.bad_rows) == (6, 2)
    assert sorted(said.partition("l.csv:")[2][:2] for said in told.first_bad) == ["6:", "8:"]
    assert any(what in said for said in told.first_bad)


@pytest.mark.parametrize(
    ("change", "bad_rows"),
    [
        (lambda text: b"\xef\xbb\xbf" + text, 0),
        (lambda text: text.replace(b"\n", b"\r\n"), 0),
        (lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"), 0),
        (lambda text: text[:-1], 0),
        (lambda text: text[:-2], 1),
    ],
)
def test_marks_and_ends_of_lines_are_not_part_of_cells(imported, change, bad_rows):
    trace, told = imported("log", "l.csv", change(LOG.encode()), ITEM, "weight=w")
    assert trace.entry.tolist() == [0, 1, 2][: 3 - bad_rows]
    assert told.bad_rows == bad_rows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LOG.replace("\n", "\r"), "lines end in carriage returns alone"),
        (LOG.encode("utf-16"), "not text"),
        (table(item=[1]), "not text"),
        ("item,item\n1,2\n", "column 'item' is there twice$"),
        ("x" * 300 + ",y\n1,2\n", r"is not one of x{200}\.\.\."),
        ("item,w\n", r"nothing to import: no rows in l\.csv"),
        (gzip.compress(LOG.encode()) + b"rest", "damaged compressed file"),
        (b"\x28\xb5\x2f\xfd" + LOG.encode(), "damaged compressed file"),
    ],
)
def test_what_is_no_log_is_told_in_one_line(refused, content, message):
    refused(message, "log", "l.csv", content, ITEM, "weight=w")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[[1]], [[2]]], "column item holds lists of"),
        ([[0.5], [1.5]], "column item holds lists of double"),
        ([0.5, 1.5], "column item holds real numbers, which can be weights alone"),
        (pa.nulls(3), "column item is null"),
        (pa.array([1], pa.decimal128(5)), "column item is decimal128"),
    ],
)
def test_columns_of_parquet_that_are_no_ids_are_named(refused, column, message):
    refused(message, "log", "l.parquet", table(item=column), ITEM)


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int32()])
def test_weights_of_parquet_may_be_real_and_missing_ones_are_told(imported, kind):
    weight = pa.array([1, None, 3], kind)
    trace, told = imported("log", "l.parquet", table(item=["a", "b", "c"], w=weight), ITEM, "weight=w")
    assert trace.weight.tolist() == [1, 3]
    assert told.first_bad[0].endswith("l.parquet:2: column w: not a number")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"table": ONE_MATRIX[:, :0]}, "needed are indices and offsets"),
        ({"table": np.zeros((1, 65537), np.int8)}, "65,537 columns; a trace has at most 65,536 tables"),
        (
            {"table": ONE_MATRIX, "cardinalities": np.array([1, -1, 5])},
            "a table has 1 to 4,294,967,296 entries",
        ),
        ({"table": ONE_MATRIX, "cardinalities": np.array([1, np.nan, 5])}, "a table has 1 to"),
        ({"indices": [1], "offsets": [0], "num_rows": -5}, "a table has 1 to"),
        ({"indices": [1], "offsets": [0], "num_rows": [2, 3]}, "a table has 1 to"),
        ({"indices": [1], "offsets": [0], "num_rows": 1 << 40}, "a table has 1 to"),
        ({"recnmp_trace": np.frombuffer(b'{"a": 1}', np.uint8)}, r"x\.npz: damaged trace metadata"),
    ],
)
def test_archives_whose_sizes_are_none_are_named(refused, arrays, message):
    refused(message, "npz", "x.npz", archive(**arrays))


def test_members_of_an_archive_that_are_no_arrays_are_named(refused):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr("indices.npy", b"no array")
        packed.writestr("offsets.npy", b"")
    refused(r"x\.npz\[indices\]: not a NumPy array", "npz", "x.npz", held.getvalue())


def test_multi_hot_features_of_one_axis_are_named(refused):
    refused(
        r"c\.npz\[0\]: has shape \(3,\); \(samples, lookups\) is needed",
        "criteo",
        "c.npz",
        archive(**{str(n): np.zeros(3, int) for n in range(26)}),
    )


def test_a_merci_file_cannot_ask_for_more_than_there_is(imported, refused):
    refused(
        r"m\.txt:1: .* items; a table has at most 4,294,967,296 entries",
        "merci",
        "m.txt",
        f"# {10**20}\n1 2\n",
    )
    trace, told = imported("merci", "m.txt", f"# 10\n{10**12} 2 3\n1 4\n")
    assert trace.entry.tolist() == [3]
    assert told.first_bad[0].endswith("m.txt:2: a bag of more than 16,777,216 lookups in all")


def test_merci_bags_that_occur_often_are_repeated_in_pieces(imported, monkeypatch):
    whole, _ = imported("merci", "m.txt", "# 9\n5 1 2\n7 3\n1 4 5 6\n2 7\n")
    monkeypatch.setattr("recnmp.trace.formats.merci._MOST_LOOKUPS", 10)
    cut, told = imported("merci", "m.txt", "# 9\n5 1 2\n7 3\n1 4 5 6\n2 7\n")
    assert cut.entry.tolist() == whole.entry.tolist() == [0, 1] * 5 + [2] * 7 + [3, 4, 5] + [6] * 2
    assert cut.calls.bags.tolist() == whole.calls.bags.tolist()
    assert told.bad_rows == 0


def test_objects_that_are_no_tables_are_named_with_their_file(refused):
    record = np.zeros(1, [("time", "<u4"), ("obj", "<u8"), ("size", "<u4"), ("next", "<i8")])
    record["obj"] = 1 << 60
    refused(
        r"o\.bin: objects from 0x1000000000000000 on are no tables",
        "oracle_general",
        "o.bin",
        record.tobytes(),
    )


def test_tensors_that_numpy_does_not_have_are_named(refused):
    torch = pytest.importorskip("torch", reason="PyTorch's files")
    offsets = torch.tensor([0, 2])
    for odd in (torch.ones(2, dtype=torch.bfloat16), torch.eye(2).to_sparse()):
        held = io.BytesIO()
        torch.save((torch.tensor([1, 2]), offsets, odd), held)
        refused(r"x\.pt: ", "fbgemm_tbe", "x.pt", held.getvalue(), "tables=1")
