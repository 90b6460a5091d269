import contextlib
import dataclasses
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.errors import ConfigError, RecnmpError
from recnmp.trace import storage
from recnmp.trace import writer as writer_module
from recnmp.trace.storage import TraceWriter, iter_chunks, load_trace, read_header, save_trace, trace_digest
from recnmp.trace.trace import Calls, Table, Trace

TABLES = (Table("users", 1000, 16), Table("items", 2**32, 8))


def _trace(seed=0, calls=12, weighted=False, largest_bag=9, meta=None) -> Trace:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 2, calls).astype(np.uint16)
    bags = rng.integers(1, 6, calls)
    lengths = rng.integers(0, largest_bag + 1, bags.sum())  # some bags are empty
    bag = np.repeat(np.arange(len(lengths)), lengths).astype(np.uint32)
    column = np.repeat(table, bags)[bag]
    entry = rng.integers(0, np.array([1000, 2**32])[column]).astype(np.uint32)
    weight = rng.random(len(bag), np.float32) if weighted else None
    batch = np.sort(rng.integers(0, 3, calls))
    pooling = rng.integers(0, 3, calls).astype(np.uint8)
    return Trace(
        column,
        bag,
        entry,
        weight,
        TABLES,
        Calls(table, np.cumsum(bags) - bags, bags, batch, pooling),
        meta or {},
    )


def _same(a: Trace, b: Trace) -> bool:
    columns = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("table", "bag", "entry"))
    weights = (a.weight is None) == (b.weight is None) and (
        a.weight is None or np.array_equal(a.weight, b.weight)
    )
    fields = [field.name for field in dataclasses.fields(Calls)]
    calls = all(np.array_equal(getattr(a.calls, name), getattr(b.calls, name)) for name in fields)
    return columns and weights and calls and a.tables == b.tables and a.meta == b.meta


TWO_BAGS = Calls(*(np.array([v]) for v in (0, 0, 2, 0, 0)))


def _write(path, pieces, calls=TWO_BAGS):
    with TraceWriter(path, TABLES) as writer:
        if calls is not None:
            writer.add_calls(calls)
        for piece in pieces:
            writer.append(*piece)


@given(st.integers(0, 10_000), st.integers(1, 40), st.booleans(), st.integers(0, 30))
@settings(deadline=None, max_examples=40)
def test_a_loaded_trace_is_the_saved_one(tmp_path_factory, seed, calls, weighted, largest_bag):
    path = tmp_path_factory.mktemp("trace") / "t.parquet"
    trace = _trace(seed, calls, weighted, largest_bag, {"seed": seed, "nested": {"a": [1, 2.5, None]}})
    save_trace(trace, path)
    loaded = load_trace(path)
    assert _same(loaded, trace)
    assert [getattr(loaded, name).dtype for name in ("table", "bag", "entry")] == [
        np.uint16,
        np.uint32,
        np.uint32,
    ]
    assert read_header(path).digest == trace_digest(trace)


def test_the_bytes_of_a_file_depend_on_its_content_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "ROW_GROUP", 50)
    trace = _trace(calls=200, weighted=True, meta={"b": 1, "a": 2})
    save_trace(trace, tmp_path / "whole.parquet")
    for step in (1, 7, 49, 50, 51, 333):
        with TraceWriter(tmp_path / "pieces.parquet", TABLES, {"a": 2, "b": 1}, weighted=True) as writer:
            for start in range(0, trace.lookups, step):
                part = slice(start, start + step)
                writer.append(trace.table[part], trace.bag[part], trace.entry[part], trace.weight[part])
            for call in range(len(trace.calls)):
                writer.add_calls(trace.calls[call : call + 1])
        assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_row_groups_hold_a_million_lookups(tmp_path):
    n = (1 << 20) + 5
    calls = Calls(*(np.array([v]) for v in (0, 0, n, 0, 0)))
    entry = np.arange(n, dtype=np.uint32) % 1000
    trace = Trace(np.zeros(n, np.uint16), np.arange(n, dtype=np.uint32), entry, None, TABLES, calls)
    save_trace(trace, tmp_path / "t.parquet")
    metadata = pq.ParquetFile(tmp_path / "t.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [1 << 20, 5]
    assert _same(load_trace(tmp_path / "t.parquet"), trace)


def test_the_digest_covers_everything_that_is_replayed():
    trace = _trace(weighted=True)
    entry, weight, pooling = trace.entry.copy(), trace.weight.copy(), trace.calls.pooling.copy()
    entry[3] ^= 1
    weight[3] += 1
    pooling[0] ^= 1
    changed = [
        dataclasses.replace(trace, entry=entry),
        dataclasses.replace(trace, weight=weight),
        dataclasses.replace(trace, weight=None),
        dataclasses.replace(trace, tables=(Table("others", 1000, 16), TABLES[1])),
        dataclasses.replace(trace, calls=dataclasses.replace(trace.calls, pooling=pooling)),
        dataclasses.replace(trace, calls=dataclasses.replace(trace.calls, batch=trace.calls.batch + 1)),
    ]
    assert len({trace_digest(other) for other in [trace, *changed]}) == len(changed) + 1
    assert trace_digest(dataclasses.replace(trace, meta={"from": "elsewhere"})) == trace_digest(trace)


def test_chunks_are_the_trace_cut_as_asked(tmp_path):
    trace = _trace(calls=100, weighted=True)
    save_trace(trace, tmp_path / "t.parquet")
    chunks = list(iter_chunks(tmp_path / "t.parquet", lookups=64))
    assert max(len(chunk.entry) for chunk in chunks) <= 64
    for name in ("table", "bag", "entry", "weight"):
        joined = np.concatenate([getattr(chunk, name) for chunk in chunks])
        np.testing.assert_array_equal(joined, getattr(trace, name))


def test_writing_keeps_a_bounded_part_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "ROW_GROUP", 10_000)
    piece = np.zeros(5_000, np.int64)

    def peak(pieces: int) -> int:
        tracemalloc.start()
        with TraceWriter(tmp_path / "t.parquet", TABLES) as writer:
            for _ in range(pieces):
                writer.append(piece, piece, piece)
            writer.add_calls(Calls(*(np.array([v]) for v in (0, 0, 1, 0, 0))))
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    assert peak(400) < 1.5 * peak(20)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    trace = _trace()
    path = tmp_path / "t.parquet"
    save_trace(trace, path)
    before = path.read_bytes()
    with contextlib.suppress(KeyboardInterrupt), TraceWriter(path, TABLES) as writer:
        writer.append(trace.table, trace.bag, trace.entry)
        raise KeyboardInterrupt
    with pytest.raises(ConfigError, match="at least one operator call"):
        _write(path, [([0], [0], [0])], calls=None)
    with pytest.raises(ConfigError, match="plain JSON"):
        save_trace(dataclasses.replace(trace, meta={"when": object()}), path)
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
    assert path.read_bytes() == before


def test_a_full_disk_is_a_failed_run_that_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(RecnmpError, match=r"cannot write .*t\.parquet: No space left on device"):
        save_trace(_trace(), tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot write .*nowhere/t\.parquet: No such file or directory"):
        save_trace(_trace(), tmp_path / "nowhere" / "t.parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([0, 0], [1, 0], [0, 0]), "not in bag order"),
        (([0, 2], [0, 0], [0, 0]), "outside its table, or its table is not declared"),
        (([0, 0], [0, 0], [0, 1000]), "outside its table"),
        (([0, 0], [0, 0], [0, -1]), "'entry' holds whole numbers from 0 to 4294967295"),
        (([0, 0], [0, 2**32], [0, 1]), "'bag' holds whole numbers"),
        (([0, 0], [0.5, 1.5], [0, 1]), "'bag' holds whole numbers"),
        (([0, 0], [0, 0], [0]), "differ in length"),
        (([0, 0], [0, 0], [0, 0], [1.0, 2.0]), "a weight for every lookup or for none"),
        (([0, 0], [0, 7], [0, 0]), "bags that no call owns"),
    ],
)
def test_what_cannot_be_in_a_trace_is_refused_when_written(tmp_path, columns, message):
    with pytest.raises(ConfigError, match=message):
        _write(tmp_path / "t.parquet", [columns])
    assert list(tmp_path.iterdir()) == []


def test_a_bag_may_not_go_back_between_pieces(tmp_path):
    with pytest.raises(ConfigError, match="bag order"):
        _write(tmp_path / "t.parquet", [([0], [1], [0]), ([0], [0], [0])])


def _fails(path) -> str:
    with pytest.raises(ConfigError) as failure:
        load_trace(path)
    message = str(failure.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_files_that_are_no_trace_are_named_with_what_they_are(tmp_path):
    assert "no such trace file" in _fails(tmp_path / "missing.parquet")
    assert "not a readable trace file" in _fails(tmp_path)
    (tmp_path / "text.parquet").write_text("table,bag,entry\n0,0,0\n" * 100)
    assert "not a readable trace file" in _fails(tmp_path / "text.parquet")
    (tmp_path / "empty.parquet").write_bytes(b"")
    assert "not a readable trace file" in _fails(tmp_path / "empty.parquet")
    pq.write_table(pa.table({"table": [1]}), tmp_path / "foreign.parquet")
    assert "not a trace" in _fails(tmp_path / "foreign.parquet")


def _rewrite(source, target, change_header=lambda text: text, change_columns=lambda columns: columns):
    """Write the trace ``source`` again with something changed behind its digest's back."""
    parquet = pq.ParquetFile(source)
    header = change_header(parquet.metadata.metadata[b"recnmp.trace"].decode())
    columns = change_columns(
        {name: parquet.read().column(name).to_numpy() for name in parquet.schema_arrow.names}
    )
    schema = pa.schema(
        [pa.field(name, pa.from_numpy_dtype(v.dtype), nullable=False) for name, v in columns.items()]
    )
    with pq.ParquetWriter(target, schema, store_schema=False) as writer:
        writer.write_table(pa.table(columns, schema=schema))
        writer.add_key_value_metadata({"recnmp.trace": header})


def _first_changed(columns):
    entry = columns["entry"].copy()
    entry[0] ^= 1
    return columns | {"entry": entry}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"change_header": lambda text: text.replace('"version":1', '"version":9')}, "format version 9"),
        ({"change_header": lambda text: text.replace('"tables":', '"sables":')}, "damaged trace metadata"),
        ({"change_header": lambda text: text[:-9]}, "damaged trace metadata"),
        ({"change_header": lambda _: "[1]"}, "damaged trace metadata"),
        ({"change_header": lambda text: text.replace('"sum"', '"median"')}, "damaged trace metadata"),
        ({"change_header": lambda text: text.replace('"users"', '"losers"')}, "does not match its digest"),
        ({"change_columns": _first_changed}, "does not match its digest"),
        ({"change_columns": lambda c: c | {"bag": c["bag"][::-1].copy()}}, "not in bag order"),
        ({"change_columns": lambda c: c | {"bag": c["bag"].astype(np.uint64)}}, "its columns are not"),
        ({"change_columns": lambda c: {"table": c["table"], "bag": c["bag"]}}, "its columns are not"),
        ({"change_columns": lambda c: {name: v[:-1] for name, v in c.items()}}, "does not match its digest"),
    ],
)
def test_a_trace_of_another_content_than_it_says_is_refused(tmp_path, change, message):
    save_trace(_trace(), tmp_path / "good.parquet")
    _rewrite(tmp_path / "good.parquet", tmp_path / "same.parquet")
    assert _same(load_trace(tmp_path / "same.parquet"), _trace())
    _rewrite(tmp_path / "good.parquet", tmp_path / "bad.parquet", **change)
    assert message in _fails(tmp_path / "bad.parquet")


def test_reading_in_chunks_finds_a_changed_content_too(tmp_path):
    save_trace(_trace(), tmp_path / "good.parquet")
    _rewrite(tmp_path / "good.parquet", tmp_path / "bad.parquet", change_columns=_first_changed)
    with pytest.raises(ConfigError, match=r"bad\.parquet: .*digest"):
        list(iter_chunks(tmp_path / "bad.parquet"))
    list(iter_chunks(tmp_path / "bad.parquet", verify=False))
    load_trace(tmp_path / "bad.parquet", verify=False)


def test_every_truncated_file_is_refused(tmp_path):
    save_trace(_trace(calls=50), tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        (tmp_path / "cut.parquet").write_bytes(whole[:length])
        assert "not a readable trace file" in _fails(tmp_path / "cut.parquet")


def test_a_flipped_byte_is_found_or_changes_nothing_that_is_read(tmp_path):
    trace = _trace(calls=50)
    save_trace(trace, tmp_path / "good.parquet")
    whole = bytearray((tmp_path / "good.parquet").read_bytes())
    group = pq.ParquetFile(tmp_path / "good.parquet").metadata.row_group(0)
    last = group.column(group.num_columns - 1)
    end = last.data_page_offset + last.total_compressed_size
    unread = 0  # statistics in the headers of pages
    for place in np.random.default_rng(1).integers(4, end, 300).tolist():
        damaged = whole.copy()
        damaged[place] ^= 0xFF
        (tmp_path / "bad.parquet").write_bytes(damaged)
        with contextlib.suppress(ConfigError):
            assert _same(load_trace(tmp_path / "bad.parquet"), trace)
            unread += 1
    assert unread < 10


@pytest.mark.parametrize(("first", "batches"), [(0, None), (0, 1), (1, 2), (2, None)])
def test_some_batches_of_a_file_are_what_they_are_in_the_whole_trace(tmp_path, monkeypatch, first, batches):
    monkeypatch.setattr(storage, "CHUNK", 7)
    trace = _trace(weighted=True)
    save_trace(trace, tmp_path / "a.parquet")
    part, wanted = load_trace(tmp_path / "a.parquet", True, first, batches), trace.select(first, batches)
    for name in ("table", "bag", "entry", "weight"):
        assert np.array_equal(getattr(part, name), getattr(wanted, name))
    assert np.array_equal(part.calls.first_bag, wanted.calls.first_bag)
    with pytest.raises(ConfigError, match=r"a\.parquet: the trace has 3 batches, not 4"):
        load_trace(tmp_path / "a.parquet", True, 2, 2)


def test_types_of_tables_are_kept(tmp_path):
    trace = dataclasses.replace(
        _trace(), tables=(TABLES[0], dataclasses.replace(TABLES[1], dtype="int8_rowwise"))
    )
    save_trace(trace, tmp_path / "t.parquet")
    assert (
        load_trace(tmp_path / "t.parquet").tables
        == read_header(tmp_path / "t.parquet").tables
        == trace.tables
    )
    assert trace_digest(trace) != trace_digest(_trace())


def test_tables_may_be_declared_when_their_sizes_show(tmp_path):
    with TraceWriter(tmp_path / "late.parquet", None) as writer:
        writer.append([0, 0], [0, 1], [5, 900])
        assert writer.largest[:2].tolist() == [900, -1]
        writer.add_calls(TWO_BAGS)
        writer.declare([Table("found", int(writer.largest[0]) + 1, 4)])
    assert load_trace(tmp_path / "late.parquet").tables == (Table("found", 901, 4),)


@pytest.mark.parametrize("tables", [None, [Table("small", 900, 4)]])
def test_tables_declared_too_late_or_too_small_leave_no_file(tmp_path, tables):
    def write():
        with TraceWriter(tmp_path / "t.parquet", None) as writer:
            writer.append([0, 0], [0, 1], [5, 900])
            writer.add_calls(TWO_BAGS)
            if tables:
                writer.declare(tables)

    with pytest.raises(ConfigError, match="declared"):
        write()
    assert list(tmp_path.iterdir()) == []
