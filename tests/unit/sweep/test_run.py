"""A sweep in this process: what is kept, what is run again, what the tables say."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import recnmp
from recnmp.errors import ConfigError
from recnmp.report.result import load_result
from recnmp.simulate import simulate
from recnmp.sweep.compare import compare, lines
from recnmp.sweep.confidence import mean_and_half_width
from recnmp.sweep.run import Where, run_sweep
from recnmp.sweep.store import Store
from recnmp.sweep.traces import shared_trace, unpack
from recnmp.trace.storage import load_trace, read_header

HERE = Where("none")
TABLES = [f"{table}.{suffix}" for table in ("results", "summary") for suffix in ("csv", "parquet")]
SEEDED = "  axes: [{grid: {memory.ranks_per_dimm: [1, 2], memory.refresh: [off, staggered]}}]\n  seeds: 3"
FAILING = "  axes: [{grid: {trace.first_batch: [0, 99], memory.ranks_per_dimm: [1, 2]}}]"


def rows(folder, table="results"):
    with (folder / f"{table}.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_resumed_sweep_runs_what_is_missing_and_gives_the_same_bytes(sweep, tmp_path):
    path, out = sweep(SEEDED), tmp_path / "out"
    assert run_sweep(path, out, where=HERE).run == 12
    before = {name: (out / name).read_bytes() for name in TABLES}
    files = sorted((out / "points").iterdir())
    for file in (files[1], files[4], files[7]):
        file.unlink()
    (out / "results.csv").unlink()
    done = run_sweep(path, out, where=HERE)
    assert (done.points, done.run, done.failed) == (12, 3, {})
    assert {name: (out / name).read_bytes() for name in TABLES} == before
    assert run_sweep(path, out, where=HERE).run == 0


def test_a_wider_sweep_in_the_same_folder_runs_only_what_is_new(sweep, tmp_path):
    assert run_sweep(sweep(), tmp_path / "out", where=HERE).run == 2
    wider = sweep("  axes: [{grid: {memory.ranks_per_dimm: [1, 2, 4]}}]")
    assert run_sweep(wider, tmp_path / "out", where=HERE).run == 1
    assert len(rows(tmp_path / "out")) == 3


def test_a_point_is_the_result_that_simulate_gives(sweep, tmp_path):
    from recnmp.config import load_config_dict

    out = tmp_path / "out"
    run_sweep(sweep(), out, where=HERE)
    for row in rows(out):
        document = load_result(out / "points" / f"{row['point']}.json")
        again = simulate(load_config_dict(document["config"])).to_dict()
        assert again["sls"] == document["sls"]
        assert float(row["sls.host_ns"]) == pytest.approx(document["sls"]["host_ns"], rel=1e-8)
        assert int(row["memory.ranks_per_dimm"]) == document["config"]["memory"]["ranks_per_dimm"]


def test_a_failing_point_is_a_row_with_its_traceback_and_costs_nothing_else(sweep, tmp_path):
    out = tmp_path / "out"
    done = run_sweep(sweep(FAILING), out, where=HERE)
    assert (done.points, done.run, len(done.failed)) == (4, 4, 2)
    found = rows(out)
    assert [row["status"] for row in found] == ["done", "done", "error", "error"]
    assert "batches, not 100" in found[2]["error"]
    assert found[2]["sls.host_ns"] == ""
    told = (out / "errors" / f"{found[2]['point']}.txt").read_text()
    assert told.startswith("Traceback")
    assert json.loads((out / "manifest.json").read_text())["failed"] == done.failed
    assert run_sweep(sweep(FAILING), out, where=HERE).run == 0
    assert run_sweep(sweep(FAILING), out, where=HERE, retry=True).run == 2


def test_the_summary_has_means_and_intervals_of_the_seeds(sweep, tmp_path):
    out = tmp_path / "out"
    run_sweep(sweep(SEEDED), out, where=HERE)
    found, told = rows(out), rows(out, "summary")
    assert len(told) == 4
    values = [float(row["sls.nmp_ns"]) for row in found[:3]]
    assert len(set(values)) == 3
    mean, half = mean_and_half_width(values)
    assert (told[0]["replicates"], told[0]["failed"]) == ("3", "0")
    assert float(told[0]["sls.nmp_ns"]) == pytest.approx(mean, rel=1e-8)
    assert float(told[0]["sls.nmp_ns.ci95"]) == pytest.approx(half, rel=1e-6)


def test_results_load_as_data_frames(sweep, tmp_path):
    pytest.importorskip("pandas", reason="load_results gives a DataFrame")
    out = tmp_path / "out"
    run_sweep(sweep(SEEDED), out, where=HERE)
    frame = recnmp.load_results(out)
    assert list(frame["seed"]) == [1, 2, 3] * 4
    assert frame["sls.host_ns"].dtype == np.float64
    assert len(recnmp.load_results(str(out / "manifest.json"), "summary")) == 4
    single = recnmp.load_results(next((out / "points").iterdir()))
    assert len(single) == 1
    with pytest.raises(ConfigError, match="no table 'means'; there are results and summary"):
        recnmp.load_results(out, "means")
    with pytest.raises(ConfigError, match="a single result has no summary"):
        recnmp.load_results(next((out / "points").iterdir()), "summary")


def test_the_origin_of_a_table_is_in_its_parquet_file(sweep, tmp_path):
    run_sweep(sweep(), tmp_path / "out", where=HERE)
    metadata = pq.read_schema(tmp_path / "out" / "results.parquet").metadata
    origin = json.loads(metadata[b"recnmp.table"])
    assert origin["sweep"] == {"axes": [{"grid": {"memory.ranks_per_dimm": [1, 2]}}]}


def test_compare_shows_changed_options_and_figures_largest_first(sweep, tmp_path):
    run_sweep(sweep(), tmp_path / "a", where=HERE)
    run_sweep(sweep(), tmp_path / "b", ["memory.read_queue=1"], where=HERE)
    same = compare(tmp_path / "a", tmp_path / "a")
    assert (same["config"], same["figures"], same["points"]) == ([], [], 2)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found["config"] == [{"name": "memory.read_queue", "before": "absent", "after": 1}]
    names = [entry["name"] for entry in found["figures"]]
    assert {"memory.host.cycles", "sls.host_ns"} <= set(names)
    sizes = [abs(entry["change"]) for entry in found["figures"] if entry["change"] is not None]
    assert sizes == sorted(sizes, reverse=True)
    text = "\n".join(lines(found))
    assert "memory.read_queue: absent -> 1" in text
    assert "points in both: 2" in text


def test_compare_of_two_points_is_one_of_single_results(sweep, tmp_path):
    out = tmp_path / "out"
    run_sweep(sweep(), out, where=HERE)
    one, two = (out / "points" / f"{row['point']}.json" for row in rows(out))
    found = compare(one, two)
    assert [entry["name"] for entry in found["config"]] == ["memory.ranks_per_dimm"]
    entry = next(entry for entry in found["figures"] if entry["name"] == "sls.nmp_ns")
    assert entry["change"] == pytest.approx(entry["after"] / entry["before"] - 1)
    with pytest.raises(ConfigError, match=r"a sweep, .* a single result"):
        compare(out, one)


def test_sweeps_with_other_points_are_compared_where_they_meet(sweep, tmp_path):
    run_sweep(sweep(), tmp_path / "a", where=HERE)
    wider = sweep("  axes: [{grid: {memory.ranks_per_dimm: [2, 4]}}]")
    run_sweep(wider, tmp_path / "b", where=HERE)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert (found["points"], found["figures"]) == (1, [])
    assert (found["only_before"], found["only_after"]) == (
        ["memory.ranks_per_dimm=1"],
        ["memory.ranks_per_dimm=4"],
    )


def test_an_unpacked_trace_is_mapped_and_equal(sweep, tmp_path):
    sweep()
    file = tmp_path / "small.parquet"
    digest = read_header(file).digest
    unpack(file, digest, tmp_path / "unpacked")
    unpack(file, digest, tmp_path / "unpacked")
    trace, whole = shared_trace(file, digest, tmp_path / "unpacked", 0, None), load_trace(file)
    assert (trace.tables, trace.weight) == (whole.tables, None)
    for name in ("table", "bag", "entry"):
        assert type(getattr(trace, name)) is np.ndarray
        assert not getattr(trace, name).flags.owndata
        assert np.array_equal(getattr(trace, name), getattr(whole, name))
    assert shared_trace(file, digest, tmp_path / "unpacked", 0, None) is trace
    assert [path.name for path in (tmp_path / "unpacked").iterdir()] == [digest]


def test_a_document_of_something_else_is_no_manifest(tmp_path):
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(ConfigError, match="not a document of a sweep: its format is None"):
        Store(tmp_path).manifest()
