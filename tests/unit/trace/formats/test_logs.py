"""Logs of rows and columns: generic, Criteo, Avazu, MovieLens, MERCI."""

import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recnmp import _files
from recnmp.errors import ConfigError
from recnmp.trace.convert import find_format, format_options, import_trace
from recnmp.trace.storage import load_trace

CRITEO_BAD = "C26: not a whole hex number"


@pytest.fixture
def imported(tmp_path):
    """Import text as a format; returns the trace and what was told."""

    def call(kind, content, *sets, name="log.csv", strict=False):
        file = tmp_path / name
        if isinstance(content, str | bytes):
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        else:
            pq.write_table(content, file)
        options = format_options(find_format(kind, "read").ReadOptions, None, sets)
        told = import_trace(kind, [file], tmp_path / "out.parquet", options, strict=strict)
        return load_trace(tmp_path / "out.parquet"), told

    return call


def bags(trace):
    """(table, entries) of every bag in order, empty ones included."""
    starts = np.searchsorted(trace.bag, np.arange(trace.bags + 1))
    entries = [trace.entry[a:b].tolist() for a, b in pairwise(starts)]
    return list(zip(trace.bag_table.tolist(), entries, strict=True))


ROLES = ("tables={user: {}, item: {}}", "batch_size=2")


def test_ids_are_numbered_in_order_of_first_appearance(imported):
    trace, told = imported("log", "item,user,x\nb,u1,0\na,u2,0\nb,u2,0\n", *ROLES)
    assert bags(trace) == [(0, [0]), (0, [1]), (1, [0]), (1, [1]), (0, [1]), (1, [0])]
    assert [(t.name, t.entries) for t in trace.tables] == [("user", 2), ("item", 2)]
    assert trace.calls.batch.tolist() == [0, 0, 1, 1]
    assert (told.rows, told.bad_rows) == (3, 0)
    assert trace.meta["format"] == "log"


def test_bad_rows_are_left_out_counted_and_named(imported, tmp_path):
    text = "item,user\n1,2\n-3,2\n4\n\nx,5\n,6\n7,7,7\n18446744073709551616,1\n8,9\n"
    sets = ("tables={item: {base: decimal}, user: {base: decimal}}",)
    trace, told = imported("log", text, *sets)
    assert [b for t, b in bags(trace) if t == 0] == [[0], [1]]
    assert (told.rows, told.bad_rows) == (8, 6)
    assert sorted(line.partition(": ")[0] for line in told.first_bad) == [
        f"{tmp_path / 'log.csv'}:{n}" for n in (3, 4, 6, 7, 8)
    ]
    assert trace.meta["bad_rows"] == 6


def test_strict_stops_at_the_first_bad_row_and_leaves_no_file(imported, tmp_path):
    with pytest.raises(ConfigError, match=r"log\.csv:3: column item: not a whole decimal number"):
        imported("log", "item\n1\nx\n", "tables={item: {base: decimal}}", strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_lines_keep_their_numbers_over_blocks(imported, monkeypatch, tmp_path):
    monkeypatch.setattr(_files.line_blocks, "__defaults__", (64,))
    text = "item\n" + "".join(f"{n}\n" if n % 50 else "bad\n" for n in range(1, 400))
    _, told = imported("log", text, "tables={item: {base: decimal}}")
    assert told.bad_rows == 7
    assert told.first_bad[0] == f"{tmp_path / 'log.csv'}:51: column item: not a whole decimal number"
    assert told.first_bad[4].startswith(f"{tmp_path / 'log.csv'}:251:")


def test_a_file_without_a_good_row_is_an_error_that_names_the_first(imported, tmp_path):
    with pytest.raises(ConfigError, match=r"nothing to import: 2 bad rows; first: .*log\.csv:2"):
        imported("log", "item\nx\ny\n", "tables={item: {base: decimal}}")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (("tables={item: {column: itme}}",), "column 'itme' is not one of item, user; did you mean 'item'"),
        (("tables={item: {ids: modulo, base: decimal}}",), "ids: modulo needs entries"),
        (("tables={item: {ids: as_is}}",), "its ids are text"),
        (("tables={item: {entries: 1}}",), "more than 1 different ids"),
        (("tables={}",), "tables"),
        (("tabels={item: {}}",), "tabels: unknown key; .*did you mean 'tables'"),
        (("tables={item: {}}", "time=user"), "nothing to import"),
    ],
)
def test_wrong_roles_are_named(imported, sets, message):
    with pytest.raises(ConfigError, match=message):
        imported("log", "item,user\na,u\nb,v\n", *sets)


def test_rows_of_a_group_are_one_bag(imported):
    text = "session,item\ns1,5\ns1,6\ns2,5\ns1,7\n"
    sets = ("tables={item: {base: decimal, ids: as_is}}", "group=session")
    assert [b for _, b in bags(imported("log", text, *sets)[0])] == [[5, 6], [5], [7]]
    assert [b for _, b in bags(imported("log", text, *sets, "gather=true")[0])] == [[5, 6, 7], [5]]


def test_a_group_may_span_blocks_and_is_sorted_by_time(imported, monkeypatch):
    monkeypatch.setattr(_files.line_blocks, "__defaults__", (40,))
    rows = [(n // 7, 1000 - n, n) for n in range(50)]
    text = "g,t,item\n" + "".join(f"{g},{t},{item}\n" for g, t, item in rows)
    trace, _ = imported("log", text, "tables={item: {base: decimal, ids: as_is}}", "group=g", "time=t")
    assert [b for _, b in bags(trace)] == [list(range(min(g * 7 + 6, 49), g * 7 - 1, -1)) for g in range(8)]


def test_time_that_goes_back_is_counted_and_the_order_kept(imported):
    trace, told = imported("log", "t,item\n3,1\n1,2\n2,3\n", "tables={item: {}}", "time=t")
    assert told.backwards == 1
    assert trace.entry.tolist() == [0, 1, 2]


def test_a_cell_may_hold_several_ids_and_a_row_a_weight(imported):
    text = "w,items\n0.5,3 1 2\n2,7\n1,\n"
    column = "tables={items: {base: decimal, ids: as_is, list_separator: ' '}}"
    trace, _ = imported("log", text, column, "weight=w")
    assert [b for _, b in bags(trace)] == [[3, 1, 2], [7], []]
    assert trace.weight.tolist() == [0.5, 0.5, 0.5, 2]


@pytest.mark.parametrize(
    ("missing", "expected"), [("bad", [[1], [2]]), ("id", [[1], [0], [2]]), ("empty", [[1], [], [2]])]
)
def test_a_missing_id_is_what_the_role_says(imported, missing, expected):
    column = f"tables={{item: {{base: decimal, ids: as_is, missing: {missing}}}}}"
    trace, told = imported("log", "a,item\n0,1\n0,\n0,2\n", column)
    assert [b for _, b in bags(trace)] == expected
    assert told.bad_rows == (missing == "bad")


def test_modulo_and_hash_stay_within_the_table(imported):
    text = "item\n" + "".join(f"{n * 977}\n" for n in range(500))
    trace, _ = imported("log", text, "tables={item: {base: decimal, ids: modulo, entries: 100}}")
    assert trace.entry.tolist() == [n * 977 % 100 for n in range(500)]
    one, _ = imported("log", text, "tables={item: {ids: hash, entries: 100, seed: 1}}")
    again, _ = imported("log", text, "tables={item: {ids: hash, entries: 100, seed: 1}}")
    other, _ = imported("log", text, "tables={item: {ids: hash, entries: 100, seed: 2}}")
    assert one.entry.max() < 100
    assert np.array_equal(one.entry, again.entry)
    assert (one.entry != other.entry).mean() > 0.9
    assert len(np.unique(one.entry)) > 90  # 500 draws of 100: 99.3 expected


def test_a_gzip_and_a_zstd_file_read_like_a_plain_one(imported):
    text = b"item\n" + b"".join(b"%d\n" % (n % 17) for n in range(1000))
    plain, _ = imported("log", text, "tables={item: {}}")
    packed, _ = imported("log", gzip.compress(text), "tables={item: {}}", name="log.csv.gz")
    zstd, _ = imported(
        "log", pa.compress(text, "zstd", asbytes=True), "tables={item: {}}", name="log.csv.zst"
    )
    assert np.array_equal(plain.entry, packed.entry)
    assert np.array_equal(plain.entry, zstd.entry)


def test_a_damaged_gzip_file_is_named_and_leaves_nothing(imported, tmp_path):
    packed = gzip.compress(
        b"item\n" + np.random.default_rng(0).integers(97, 122, 1 << 16).astype("u1").tobytes()
    )
    with pytest.raises(ConfigError, match=r"log\.gz: damaged compressed file"):
        imported("log", packed[: len(packed) // 2], "tables={item: {}}", name="log.gz")
    assert not (tmp_path / "out.parquet").exists()


def test_parquet_columns_of_numbers_text_and_lists_are_read(imported):
    table = pa.table(
        {
            "user": ["a", "b", None, "a"],
            "items": pa.array([[1, 2], [], [3], [-1]]),
            "t": pa.array([1, 2, 3, 4], pa.int64()),
        }
    )
    sets = ("tables={user: {}, items: {base: decimal, ids: as_is}}", "time=t")
    trace, told = imported("log", table, *sets, name="log.parquet")
    assert bags(trace) == [(0, [0]), (0, [1]), (1, [1, 2]), (1, [])]
    assert told.bad_rows == 2
    assert [line.rpartition("log.parquet")[2] for line in told.first_bad] == [
        ":3: column user: missing",
        ":4: column items: not a whole decimal number",
    ]


def criteo_line(ids, label="1\t"):
    return label + "\t".join(["3"] * 13 + ids) + "\n"


def test_criteo_text_with_and_without_label_and_its_empty_ids(imported):
    rows = [["0a"] * 26, ["0b", ""] * 13, ["0A"] * 26]
    with_label, told = imported("criteo", "".join(map(criteo_line, rows)), "batch_size=3", name="day_0")
    assert told.bad_rows == 0
    assert [b for t, b in bags(with_label) if t == 0] == [[0], [1], [0]]
    assert [b for t, b in bags(with_label) if t == 1] == [[0], [1], [0]]
    assert len(with_label.tables) == 26
    without, _ = imported(
        "criteo", "".join(criteo_line(r, "") for r in rows), "batch_size=3", name="test.txt"
    )
    assert np.array_equal(without.entry, with_label.entry)


def test_criteo_folds_ids_as_dlrm_does(imported):
    text = "".join(criteo_line([f"{n:x}"] * 26) for n in (5, 15, 6))
    trace, _ = imported("criteo", text, "fold=10", "ids=as_is", name="day_0")
    assert trace.entry[:3].tolist() == [5, 5, 6]


def test_criteo_rows_that_are_none_are_reported(imported):
    text = criteo_line(["1"] * 26) + "1\t2\n" + criteo_line(["1"] * 25 + ["zz"])
    _, told = imported("criteo", text, name="day_0")
    assert told.bad_rows == 2
    assert told.first_bad[0].endswith("day_0:2: 2 columns, not 40")
    assert told.first_bad[1].endswith(f"day_0:3: column {CRITEO_BAD}")
    with pytest.raises(ConfigError, match="1 columns parted by tabs; Criteo has 40"):
        imported("criteo", "no,tabs\n", name="day_0")


def test_the_binary_forms_of_criteo_hold_the_same_samples(imported, tmp_path):
    rng = np.random.default_rng(2)
    ids = rng.integers(0, 500, (70, 26)).astype("<i4")
    record = np.concatenate([np.zeros((70, 14), "<i4"), ids], axis=1)
    np.save(tmp_path / "a.npy", ids)
    np.save(tmp_path / "f.npy", np.asfortranarray(ids))
    np.savez(tmp_path / "a.npz", X_cat=ids, y=np.zeros(70))
    np.savez_compressed(tmp_path / "m.npz", **{str(n): ids[:, [n]] for n in range(26)})
    contents = {"a.bin": record.tobytes()} | {
        name: (tmp_path / name).read_bytes() for name in ("a.npy", "f.npy", "a.npz", "m.npz")
    }
    for name, content in contents.items():
        trace, _ = imported("criteo", content, "batch_size=70", name=name)
        assert np.array_equal(trace.entry.reshape(26, 70), ids.T), name
        assert [t.entries for t in trace.tables] == (ids.max(axis=0) + 1).tolist()


def test_a_multi_hot_sample_has_a_bag_of_each_feature(imported, tmp_path):
    ids = {str(n): np.arange(6).reshape(2, 3) + n for n in range(26)}
    np.savez(tmp_path / "m.npz", **ids)
    trace, _ = imported("criteo", (tmp_path / "m.npz").read_bytes(), name="day_0.npz")
    assert bags(trace)[:4] == [(0, [0, 1, 2]), (0, [3, 4, 5]), (1, [1, 2, 3]), (1, [4, 5, 6])]


def test_negative_ids_in_binary_forms_are_bad_samples(imported):
    record = np.zeros((5, 40), "<i4")
    record[2, 20] = -1
    trace, told = imported("criteo", record.tobytes(), name="a.bin")
    assert (told.bad_rows, trace.bags) == (1, 4 * 26)
    assert told.first_bad[0].endswith("a.bin:3: an id is negative or outside its table")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.bin", b"\0" * 1601, "ends within sample 11"),
        ("a.npy", b"no array", "not a NumPy array"),
        ("a.npz", b"no archive", "not a readable .npz file"),
        ("a.npz", "objects", "holds Python objects"),
        ("a.npz", "other", "it holds x; Criteo has X_cat or 0 to 25"),
        ("a.npy", "wide", r"has shape \(2, 27\)"),
        ("a.npy", "float", "holds float64, not whole numbers"),
        ("a.npy", "short", "damaged: it ends before"),
    ],
)
def test_damaged_binary_forms_are_named(imported, tmp_path, name, content, message):
    if content == "objects":
        np.savez(tmp_path / "x.npz", X_cat=np.array([{}]))
    elif content == "other":
        np.savez(tmp_path / "x.npz", x=np.zeros(3))
    elif isinstance(content, str):
        made = {"wide": np.zeros((2, 27), int), "float": np.zeros((2, 26)), "short": np.zeros((9, 26), int)}
        np.save(tmp_path / "x.npy", made[content])
    if isinstance(content, str):
        content = (tmp_path / f"x.{name[-3:]}").read_bytes()[
            : -100 if message.startswith("damaged") else None
        ]
    with pytest.raises(ConfigError, match=message):
        imported("criteo", content, name=name)


AVAZU = (
    "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,"
    "device_ip,device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21"
)


def test_avazu_has_21_tables_and_its_own_order(imported):
    row = "{},0,{}," + ",".join(["{}"] * 21)
    lines = [
        row.format(n, 14102100 + hour, *[f"{n % 2}x{c}" for c in range(21)])
        for n, hour in enumerate((0, 1, 0))
    ]
    trace, told = imported("avazu", "\n".join([AVAZU, *lines]), name="train.csv")
    assert [t.name for t in trace.tables][:2] == ["C1", "banner_pos"]
    assert len(trace.tables) == 21
    assert trace.entry.tolist() == [0, 1, 0] * 21
    assert (told.backwards, told.bad_rows) == (1, 0)
    with pytest.raises(ConfigError, match="column 'site_id' is not one of id, click"):
        imported("avazu", "id,click,hour,C1,banner_pos\n1,0,0,1,1\n", name="train.csv")


RATINGS = [(1, 10, 4.0, 30), (1, 20, 5.0, 10), (2, 10, 3.5, 20), (1, 30, 1.0, 20)]


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [
        ("ratings.csv", "userId,movieId,rating,timestamp\n", "{},{},{},{}\n"),
        ("ratings.dat", "", "{}::{}::{}::{}\n"),
        ("u.data", "", "{}\t{}\t{}\t{}\n"),
    ],
)
def test_a_users_movies_in_order_of_time_are_a_bag(imported, name, head, row):
    text = head + "".join(row.format(*rating) for rating in RATINGS)
    trace, _ = imported("movielens", text, "ids=as_is", "weighted=true", name=name)
    assert [b for _, b in bags(trace)] == [[20, 30, 10], [10]]
    assert trace.weight.tolist() == [5, 1, 4, 3.5]
    pairs, told = imported("movielens", text, "ids=as_is", "bags=rating", name=name)
    assert [b for t, b in bags(pairs) if t == 1] == [[10], [20], [10], [30]]
    assert told.backwards == 1


def test_a_file_that_is_no_ratings_is_refused(imported):
    with pytest.raises(ConfigError, match="not four columns"):
        imported("movielens", "1,2,3\n")


MERCI = "1 8 4 11 2\n2 1 2 3\n1 8\n3 4 5\n"


def test_merci_bags_are_repeated_by_their_weight(imported):
    trace, told = imported("merci", MERCI, name="train.txt")
    assert [b for _, b in bags(trace)] == [[0, 1, 2], [0, 1, 2], [7], [3, 4], [3, 4], [3, 4]]
    assert trace.tables[0].entries == 8
    once, _ = imported("merci", MERCI.replace("1 8 4 11 2", "# 9"), "repeat=false", name="test.txt")
    assert [b for _, b in bags(once)] == [[0, 1, 2], [7], [3, 4]]
    assert once.tables[0].entries == 9
    assert (told.rows, told.bad_rows) == (3, 0)


def test_merci_lines_that_are_none_are_reported(imported, tmp_path):
    text = MERCI + "5\n0 1 2\n1 9\n1 0\n1 -2\n1 x\n\n"
    _, told = imported("merci", text, name="train.txt")
    assert told.bad_rows == 6
    places = {int(line.partition("train.txt:")[2].partition(":")[0]) for line in told.first_bad}
    assert places <= {5, 6, 7, 8, 9, 10}
    for head in ("", "x y\n", "2 8 4 11 2\n", "# 0\n"):
        with pytest.raises(ConfigError, match="a MERCI file begins"):
            imported("merci", head + "1 2 3\n", name="bad.txt")


def test_merci_counts_the_lookups_of_its_worked_example(imported):
    """Test bags of the published worked example: 22 lookups with weights."""
    text = "# 9\n2 1 2 3\n1 1 3 5 7\n1 4 5 6 9\n3 8\n1 2 3 6 7 8\n"
    assert imported("merci", text, name="test.txt")[1].lookups == 22


def test_files_follow_one_another_in_the_order_given(tmp_path):
    for name, ids in (("b.csv", "5\n6\n"), ("a.csv", "7\n")):
        (tmp_path / name).write_text(f"item\n{ids}")
    options = format_options(
        find_format("log", "read").ReadOptions, None, ["tables={item: {base: decimal, ids: as_is}}"]
    )
    files = [tmp_path / "b.csv", tmp_path / "a.csv"]
    import_trace("log", files, tmp_path / "o.parquet", options)
    assert load_trace(tmp_path / "o.parquet").entry.tolist() == [5, 6, 7]
    with pytest.raises(ConfigError, match="no such file"):
        import_trace("log", [Path("missing.csv")], tmp_path / "p.parquet", options)


def test_a_limit_stops_after_so_many_samples(imported):
    text = "item\n" + "".join(f"{n}\n" for n in range(100))
    trace, _ = imported("log", text, "tables={item: {base: decimal, ids: as_is}}", "limit=7", "batch_size=4")
    assert trace.entry.tolist() == list(range(7))
    assert trace.calls.bags.tolist() == [4, 3]
