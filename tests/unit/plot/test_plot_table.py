"""What the numbers of a figure are: axes found, replicates averaged, nothing mixed up."""

import json
import math

import pytest

from recnmp.errors import ConfigError
from recnmp.plot.bars import speedup
from recnmp.plot.labels import figure_label, less_is_better, value_text
from recnmp.plot.origin import origins
from recnmp.plot.sources import find_source, table_of
from recnmp.plot.table import Table

RANKS, SIZE, ORDER = "ranks", "cache.rank.size_bytes", "nmp.options.scheduling"
SPEEDUP = "sls.speedup_over_host"


@pytest.fixture
def table(sweep):
    return table_of([find_source(sweep)])


def test_axes_are_those_that_tell_points_apart_and_nothing_that_follows_from_them(table):
    assert table.axes() == [RANKS, SIZE, ORDER]
    # DIMMs follow from ranks; the section is told by its size
    assert table.alongside([RANKS, SIZE, ORDER]) == ["memory.dimms_per_channel"]


def test_replicates_are_averaged_with_their_interval(table):
    cell = table.cells((RANKS, SIZE, ORDER), SPEEDUP)[2, 32768, "arrival"]
    # 1000 / 500 and 1000 / 250: mean 3; t of one degree of freedom at 97.5 % is 12.7062, the standard error 1
    assert (cell.mean, cell.n, cell.failed) == (3.0, 2, 0)
    assert math.isclose(cell.half, 12.7062, rel_tol=1e-5)


def test_failed_replicates_are_left_out_and_counted(table):
    cells = table.cells((RANKS, SIZE, ORDER), SPEEDUP)
    half, none = cells[4, None, "arrival"], cells[2, None, "table_aware"]
    assert (half.mean, half.half, half.n, half.failed, half.points) == (5.0, None, 1, 1, 2)
    assert (none.mean, none.n, none.failed) == (None, 0, 2)
    assert (4, None, "table_aware") not in cells


def test_what_is_failed_is_said_with_which(table):
    notes = " ".join(table.replicate_notes(table.cells((RANKS, SIZE, ORDER), SPEEDUP).values()))
    assert "n = 1 to 2 seeds" in notes
    assert (
        "3 of 14 points failed: ranks of a channel 2, RankCache none, order of poolings table-aware" in notes
    )


def test_points_that_differ_in_more_than_seeds_never_share_a_mark(table):
    with pytest.raises(
        ConfigError, match=r"scheduling varies, too .arrival, table-aware.; choose one with --where"
    ):
        table.check_alone([RANKS, SIZE])
    table.where([f"{ORDER}=arrival"]).check_alone([RANKS, SIZE])


def test_values_may_be_written_as_shown_or_as_stored(table):
    for text in (f"{SIZE}=32 KiB", f"{SIZE}=32768"):
        assert {row[SIZE] for row in table.where([text]).rows} == {32768}
    assert {row[SIZE] for row in table.where([f"{SIZE}=none"]).rows} == {None}
    assert table.where([f"{ORDER}=table-aware"]).rows == table.where([f"{ORDER}=table_aware"]).rows
    assert "8 of its points" in table.where([f"{SIZE}=32 KiB"]).origin[0]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("nmp.options.schedulin=arrival", "no option 'nmp.options.schedulin' varies; did you mean"),
        (f"{ORDER}=fifo", "no point has that; there is arrival, table-aware"),
        (ORDER, "write OPTION=VALUE"),
    ],
)
def test_conditions_that_no_point_could_meet_are_refused(table, asked, told):
    with pytest.raises(ConfigError, match=told):
        table.where([asked])


def test_conditions_that_exclude_each_other_are_refused(table):
    with pytest.raises(ConfigError, match="no point meets all of"):
        table.where([f"{SIZE}=none", f"{ORDER}=table_aware", "ranks=4"])


def test_an_unknown_figure_is_refused_with_the_nearest(table):
    with pytest.raises(ConfigError, match=r"no figure 'sls.speedup'; did you mean 'sls.speedup_over_host'"):
        table.figure("sls.speedup")


def test_the_bytes_of_a_vector_come_from_what_the_host_read(table):
    assert {row["vector_bytes"] for row in table.rows} == {128}


def test_results_have_the_options_that_differ(result):
    table = table_of([find_source(result("a")), find_source(result("b", dimms=2))])
    assert table.axes() == ["result"]
    assert [row["ranks"] for row in table.rows] == [2, 4]
    assert "memory.dimms_per_channel" in table.options
    assert "memory.ranks_per_dimm" not in table.options


def test_where_a_trace_is_from_is_said_with_every_source(table, result):
    for found in (table, table_of([find_source(result("a"))])):
        assert "t.parquet: synthetic indices (drawn uniformly, seed 7)" in " ".join(found.origin)
        assert "recnmp 0.1.0, commit 0123456789" in " ".join(found.origin)


def test_tables_of_any_kind_are_read(tmp_path, sweep):
    (tmp_path / "a.csv").write_text("name,x,y\na,1,2.5\nb,,3e2\n")
    table = table_of([find_source(tmp_path / "a.csv")])
    assert table.rows == ({"name": "a", "x": 1, "y": 2.5}, {"name": "b", "x": None, "y": 300.0})
    assert table.figures == ["x", "y"]
    # those of a sweep's folder are the sweep
    assert find_source(sweep / "results.csv") == find_source(sweep)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", "{", "neither JSON, nor a table, nor a trace"),
        ("a.json", "[1]", "neither a result nor a study nor a roofline"),
        ("a.json", '{"a": 1}', "neither a result nor a study nor a roofline"),
        ("a.csv", "x,y\n", "a table without rows"),
        ("a.parquet", "no", "not a Parquet file"),
    ],
)
def test_what_is_no_source_is_refused(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=told):
        table_of([find_source(tmp_path / name)])


def test_results_and_sweeps_do_not_mix(sweep, result):
    with pytest.raises(ConfigError, match="are all results"):
        table_of([find_source(sweep), find_source(result("a"))])


def test_only_traces_of_the_points_shown_are_named(result):
    documents = [json.loads((result(name) / "result.json").read_text()) for name in "ab"]
    documents[1]["trace"] = {"file": "u.parquet", "meta": {"source": "import", "format": "npz"}}
    rows = ({"result": "a"}, {"result": "b"})
    table = Table("both", rows, ("result",), lambda row: documents["ab".index(row["result"])])
    assert "u.parquet: imported from npz" in " ".join(table.origin)
    assert "u.parquet" not in " ".join(table.where(["result=a"]).origin)
    assert origins(documents[:1] * 2) == origins(documents[:1])


def test_rows_of_any_table_are_not_taken_for_replicates(tmp_path):
    (tmp_path / "a.csv").write_text("x,g,y\n1,a,2\n1,b,4\n2,a,3\n")
    table = table_of([find_source(tmp_path / "a.csv")])
    with pytest.raises(ConfigError, match="several rows share x; use --where, or --group"):
        speedup(table, "y", "x")
    rows = speedup(table, "y", "x", ["g"]).rows
    assert [(row["g"], row["x"], row["y"]) for row in rows] == [
        ("a", 1, 2),
        ("a", 2, 3),
        ("b", 1, 4),
        ("b", 2, None),
    ]


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("cache.rank.size_bytes", 131072, "128 KiB"),
        ("cache.rank.size_bytes", None, "none"),
        ("vector_bytes", None, "unknown"),
        ("cache.rank", '{"size_bytes": 32768, "ways": 4}', "size_bytes 32 KiB, ways 4"),
        ("trace.file", "../traces/rm1.parquet", "rm1"),
        ("arrival.threads", 10000, "10,000"),
        ("memory.merge_reads", True, "yes"),
        ("memory.host_traffic.gb_per_s", 0.5, "0.5"),
        ("memory.standard", "ddr4_2400", "ddr4_2400"),
    ],
)
def test_values_are_shown_as_people_write_them(option, value, text):
    assert value_text(option, value) == text


@pytest.mark.parametrize(
    ("column", "less"),
    [
        ("sls.nmp_ns", True),
        ("sls.speedup_over_host", False),
        ("end_to_end.samples_per_s.nmp", False),
        ("memory.nmp.gb_per_s", False),
        ("nmp.cache_hit_rate", False),
        ("energy.idd.nmp.total_nj_per_lookup", True),
        ("energy.idd.saving_percent_against_host", False),
        ("nmp.rank_load_imbalance", True),
        ("energy.units.area_mm2_all_units", True),
    ],
)
def test_of_gains_rates_and_hits_more_is_better(column, less):
    assert less_is_better(column) is less


def test_axes_name_units():
    assert (
        figure_label("memory.nmp.read_latency_avg_cycles")
        == "memory.nmp.read_latency_avg_cycles (DRAM cycles)"
    )
    assert figure_label("energy.idd.host.total_uj_per_run").endswith("(µJ per run)")
