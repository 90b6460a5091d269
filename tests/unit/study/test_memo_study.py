"""A memoization study from file to document: its figures, its traces, and what it refuses."""

import dataclasses
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import trace_of

from recnmp.config import load_config
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.nmp import host, recnmp
from recnmp.nmp.base import System
from recnmp.placement.place import place
from recnmp.report.memo_figure import plot_memo_study
from recnmp.report.memo_study import memo_study_lines, write_memo_study
from recnmp.report.tidy import METADATA_KEY
from recnmp.study.memo import Request, memo_study
from recnmp.study.memo.request import parse_memory, parse_partition, parse_train
from recnmp.study.memo.runs import Sides
from recnmp.trace.storage import load_trace, read_header, save_trace
from recnmp.trace.trace import POOLINGS

CONFIG = load_config("rank8", ["memory.dimms_per_channel=1"])
THEMES = [list(range(6 * t, 6 * t + 6)) for t in range(10)]


def themed(batches=8, bags=10, **options):
    """Bags of two tables whose entries come in themes."""
    rng = np.random.default_rng(6)
    calls = [
        (
            n % 2,
            [
                rng.choice(THEMES[rng.integers(10)], rng.integers(2, 6), replace=False).tolist()
                for _ in range(bags)
            ],
        )
        for n in range(2 * batches)
    ]
    return trace_of([(60, 32), (60, 32)], calls, per_batch=2, **options)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("memo") / "themed.parquet"
    save_trace(themed(), file)
    return file


@pytest.fixture(scope="module")
def made(path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return memo_study(path, Request(memory=(2.0, 1.25), part_size=12), CONFIG, folder), folder


def test_the_last_batches_are_judged_by_what_the_first_ones_taught(made):
    document, _ = made
    assert (document["train"]["batches"], document["trace"]["batches"]) == (4, 4)
    assert document["partition"] == {"parts": 10, "items": document["train"]["items"]}
    assert [row["memory"] for row in document["memory"]] == [1.0, 1.25, 2.0]
    reads = [row["reads"] for row in document["memory"]]
    assert reads[0] == document["trace"]["lookups"] > reads[1] > reads[2]


def test_memory_is_what_the_tables_take(made):
    document, folder = made
    for row in document["memory"]:
        name = f"memo_{row['memory']:g}x" if row["memory"] > 1 else "plain"
        header = read_header(folder / f"{name}.parquet")
        assert sum(table.entries * table.entry_bytes for table in header.tables) == row["memo_bytes"]
        assert row["actual_memory"] == row["memo_bytes"] / (120 * 128)
        assert row["build_written_bytes"] == row["memo_bytes"] - row["plain_bytes"]
    assert (
        document["memory"][0]["build_ns"]
        == 0
        < document["memory"][1]["build_ns"]
        < document["memory"][2]["build_ns"]
    )


def test_a_cluster_s_row_tells_where_its_sums_stand(made):
    document, folder = made
    trace, clusters = load_trace(folder / "memo_2x.parquet"), document["clusters"]
    chosen = [row for row in clusters if row["memory"] == 2.0]
    assert len(chosen) == document["memory"][2]["clusters"]
    spans = [
        (trace.entry[trace.table == t], [r for r in chosen if r["table"] == name])
        for t, name in enumerate(("table0", "table1"))
    ]
    for entry, rows in spans:
        in_clusters = sum(
            int(((entry >= r["first_entry"]) & (entry < r["first_entry"] + 2 ** r["size"] - 1)).sum())
            for r in rows
        )
        assert in_clusters > 0
        assert all(len(r["entries"].split()) == r["size"] > 1 for r in rows)
    total = sum(2 ** r["size"] - 1 for r in chosen) + 120 - sum(r["size"] for r in chosen)
    assert total * 128 == document["memory"][2]["memo_bytes"]


def test_time_is_that_of_the_rewritten_traces_on_both_sides(made):
    document, folder = made
    system = System(load_standard(CONFIG.memory.standard), CONFIG.memory, CONFIG.cache, CONFIG.arrival)
    options = CONFIG.section(("nmp", "options"), recnmp.Options)
    for row in document["runs"]:
        trace = load_trace(
            folder / (f"memo_{row['memory']:g}x.parquet" if row["memory"] > 1 else "plain.parquet")
        )
        placed = place(trace, CONFIG.memory, system.spec, CONFIG.placement)
        side, its = (host, host.Options()) if row["architecture"] == "host" else (recnmp, options)
        run = side.run(trace, placed, system, its)
        assert row["ns"] == run.ns
        assert row["cache_hit_rate"] == run.details.get("cache_hit_rate")
        assert row["lookups"] == trace.lookups


def test_speed_ups_and_savings_are_over_the_plain_host(made):
    document, _ = made
    runs = {(row["memory"], row["architecture"]): row for row in document["runs"]}
    plain, memo, both = runs[1.0, "host"], runs[2.0, "host"], runs[2.0, "recnmp"]
    assert plain["speedup_over_host"] == plain["speedup_over_plain"] == 1
    assert plain["paid_back_after_batches"] is None
    assert memo["speedup_over_host"] == memo["speedup_over_plain"] == plain["ns"] / memo["ns"] > 1
    assert both["speedup_over_host"] == plain["ns"] / both["ns"]
    assert both["speedup_over_plain"] == runs[1.0, "recnmp"]["ns"] / both["ns"]
    assert both["idd_saving_percent"] == pytest.approx(100 * (1 - both["idd_uj"] / plain["idd_uj"]))
    saved = (plain["ns"] - memo["ns"]) / 4
    assert memo["paid_back_after_batches"] == pytest.approx(document["memory"][2]["build_ns"] / saved)


def test_only_so_many_batches_are_simulated_and_none_at_all_where_reads_suffice(path):
    two = memo_study(path, Request(memory=(2.0,), batches=2), CONFIG)
    assert {row["batches"] for row in two["runs"]} == {2}
    assert two["memory"][0]["lookups"] == two["trace"]["lookups"] > two["runs"][0]["lookups"]
    none = memo_study(path, Request(memory=(2.0,), simulate=False), CONFIG)
    assert (none["runs"], none["system"]) == ([], None)
    assert "build_ns" not in none["memory"][1]


def test_a_host_only_configuration_has_no_second_side(path):
    document = memo_study(path, Request(memory=(2.0,)), load_config("host"))
    assert {row["architecture"] for row in document["runs"]} == {"host"}


def test_bag_files_are_studied_with_their_own_training_file(tmp_path):
    (tmp_path / "train.txt").write_text(
        "1 8 6 19 2\n5 1 2 3\n3 1 2 5\n2 4 5 6\n4 6 7 8\n1 1 8\n2 2 3 4 5 7\n"
    )
    (tmp_path / "test.txt").write_text("# 9\n2 1 2 3\n1 1 3 5 7\n1 4 5 6 9\n3 8\n1 6 7 8 2 3\n")
    (tmp_path / "parts.txt").write_text("0 0 0 0 1 1 1 1\n")
    request = Request((1.25, 1.5, 2.0), tmp_path / "train.txt", tmp_path / "parts.txt", dim=16)
    document = memo_study(tmp_path / "test.txt", request, CONFIG)
    assert [row["reads"] for row in document["memory"]] == [22, 19, 15, 13]
    assert [row["memo_bytes"] // 64 for row in document["memory"]] == [9, 11, 14, 17]
    assert document["request"]["partition"] == "parts.txt"


def test_the_same_study_gives_the_same_bytes(path, tmp_path):
    for name in ("a", "b"):
        document = memo_study(path, Request(memory=(2.0,), part_size=12), CONFIG, tmp_path / name)
        write_memo_study(document, tmp_path / name)
    names = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert names == sorted(
        ["study.json", "study.svg", "study.png", "plain.parquet", "memo_2x.parquet"]
        + [f"{table}.{kind}" for table in ("memory", "runs", "clusters") for kind in ("csv", "parquet")]
    )
    for name in names:
        if name != "study.json":  # has the time
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_tables_carry_their_origin_and_the_figure_wants_a_suffix(made, tmp_path):
    document, _ = made
    write_memo_study(document, tmp_path)
    origin = json.loads(pq.read_table(tmp_path / "runs.parquet").schema.metadata[METADATA_KEY.encode()])
    assert origin["trace"]["digest"] == document["trace"]["digest"]
    assert origin["system"]["memory"]["dimms_per_channel"] == 1
    with pytest.raises(ConfigError, match="a figure ends in"):
        plot_memo_study(document, tmp_path / "a.jpg")


def test_a_study_without_runs_has_text_and_figure(path, tmp_path):
    document = memo_study(path, Request(memory=(2.0,), simulate=False), CONFIG)
    write_memo_study(document, tmp_path)
    assert not (tmp_path / "runs.csv").exists()
    assert not any("over plain host" in line for line in memo_study_lines(document))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memory": (1.0,)}, "memory is a multiple of the tables' own, above 1"),
        ({"memory": (float("nan"),)}, "above 1"),
        ({"memory": ()}, "above 1"),
        ({"train": 1.0}, "train is a share between 0 and 1, or a file; got 1"),
        ({"part_size": 1}, "a part has 2 to 4,096 items, not 1"),
    ],
)
def test_what_cannot_be_asked_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        Request(**values)


def test_texts_of_the_command_line_are_understood(tmp_path):
    assert parse_memory("1.25,2x") == (1.25, 2.0)
    assert parse_train("0.25") == 0.25
    assert parse_train("a.txt").name == "a.txt"
    assert parse_partition("metis") == "metis"
    with pytest.raises(ConfigError, match="memory is numbers parted by commas"):
        parse_memory("2,large")
    with pytest.raises(ConfigError, match="partition 'louvain' is neither one of greedy, metis nor a file"):
        parse_partition("louvain")


def test_making_sums_takes_their_bytes_at_less_than_the_channel_s_peak():
    one, two = (Sides.of(load_config("rank8", [f"memory.channels={n}"])) for n in (1, 2))
    for written in (0, 1 << 20, 64 << 20):
        made = one.build(1 << 20, written)
        if not written:
            assert made == {"build_gb_per_s": 0.0, "build_ns": 0.0}
            continue
        assert 0.3 * 19.2 < made["build_gb_per_s"] < 19.2
        assert made["build_ns"] == pytest.approx(((1 << 20) + written) / made["build_gb_per_s"])
        assert two.build(1 << 20, written)["build_gb_per_s"] > 1.5 * made["build_gb_per_s"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["nmp.kind=recmp"], "unknown kind 'recmp'"),
        (["arrival.threads=2", "arrival.tables=separate"], "a memoization study has the tables of one model"),
        (["placement.replicate.entries=4", "placement.profile.batches=1"], "counts the batches it replays"),
    ],
)
def test_systems_that_a_study_does_not_run_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        Sides.of(load_config("rank8", overrides))


def test_traces_that_do_not_suit_are_refused(tmp_path):
    trace = themed(batches=2)
    odd = dataclasses.replace(trace.calls, pooling=np.full(len(trace.calls), POOLINGS.index("max"), np.uint8))
    save_trace(dataclasses.replace(trace, calls=odd), tmp_path / "max.parquet")
    save_trace(trace_of([(60, 16)], [(0, [[1, 2]])]), tmp_path / "other.parquet")
    save_trace(trace, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="no table is summed in all its calls"):
        memo_study(tmp_path / "max.parquet", Request(), CONFIG)
    with pytest.raises(ConfigError, match="its 1 tables are not those of what is judged, 2"):
        memo_study(tmp_path / "a.parquet", Request(train=tmp_path / "other.parquet"), CONFIG)
    with pytest.raises(ConfigError, match=r"has 1 batches, train 0\.5 leaves one part empty"):
        memo_study(tmp_path / "other.parquet", Request(), CONFIG)


def test_8_bit_tables_are_studied_as_fp32_where_that_is_asked(tmp_path):
    save_trace(themed(batches=2, dtypes=("int8_rowwise",)), tmp_path / "a.parquet")
    request = Request(memory=(2.0,), simulate=False)
    with pytest.raises(ConfigError, match="is int8_rowwise"):
        memo_study(tmp_path / "a.parquet", request, CONFIG)
    document = memo_study(tmp_path / "a.parquet", request, load_config("rank8", ["trace.table_dtype=fp32"]))
    assert document["memory"][0]["plain_bytes"] == 120 * 128
