"""A search from its file to its front: what is tried, kept, run again and told."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from reference.traffic import JITTED
from searching import POINTS

import recnmp
from recnmp.config import load_config
from recnmp.errors import ConfigError, RecnmpError
from recnmp.search.run import run_search
from recnmp.sweep.run import Where, run_sweep

HERE = Where("none")
TABLES = ("trials.csv", "trials.parquet", "pareto.csv", "pareto.parquet", "pareto.svg")
OBJECTIVES = ("sls.nmp_ns_per_lookup", "energy.idd.nmp.total_nj_per_lookup")
AREA = "energy.units.area_scaled_mm2_all_units"
LEARNING = "  sampler: nsga2\n  together: 5\n  trials: 15\n"
SAME_SPACE = """\
sweep:
  axes:
    - grid: {memory.ranks_per_dimm: [1, 2]}
    - list: [{cache.rank: null}, {cache.rank.size_bytes: 4 KiB}, {cache.rank.size_bytes: 64 KiB}]
    - grid: {cache.rank.ways: [2, 4]}
      when: {cache.rank.size_bytes: [4 KiB, 64 KiB]}
    - grid: {memory.refresh: [off, staggered]}
"""


def rows(folder, table="trials"):
    with (folder / f"{table}.csv").open() as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


def needs_optuna():
    pytest.importorskip("optuna", reason="needs the extra search")


def test_the_front_of_a_grid_is_what_a_sweep_of_all_points_and_plain_counting_find(search, tmp_path):
    path = search()
    swept = path.read_text().partition("search:")[0] + SAME_SPACE
    (tmp_path / "sweep.yaml").write_text(swept)
    run_sweep(tmp_path / "sweep.yaml", tmp_path / "sweep", where=HERE)
    points = {
        row["point"]: [float(row[name]) for name in (*OBJECTIVES, AREA)]
        for row in rows(tmp_path / "sweep", "results")
    }
    assert len(points) == POINTS
    best = {
        key
        for key, mine in points.items()
        if not any(
            all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine
            for other in points.values()
        )
    }
    assert 1 < len(best) < POINTS
    out = tmp_path / "out"
    done = run_search(path, out, where=HERE)
    assert (len(done.trials), done.run) == (POINTS, POINTS + 1)  # and the configuration itself
    assert {row["point"] for row in rows(out)[1:]} == set(points)
    assert {row["point"] for row in rows(out, "pareto")} == best
    assert {row["point"] for row in rows(out)[1:] if row["front"] == "True"} == best
    latency = [float(row[OBJECTIVES[0]]) for row in rows(out, "pareto")]
    assert latency == sorted(latency)


def test_points_of_a_sweep_in_the_same_folder_are_not_run_again(search, tmp_path):
    path = search()
    (tmp_path / "sweep.yaml").write_text(path.read_text().partition("search:")[0] + SAME_SPACE)
    run_sweep(tmp_path / "sweep.yaml", tmp_path / "out", where=HERE)
    assert run_search(path, tmp_path / "out", where=HERE).run == 1


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_an_interrupted_search_goes_on_and_gives_the_same_bytes(search, tmp_path, sampler):
    if sampler != "random":
        needs_optuna()
    together = "" if sampler == "random" else "  together: 4\n"
    path = search(f"  sampler: {sampler}\n{together}  trials: 12\n")
    done = run_search(path, tmp_path / "whole", where=HERE)
    told = []

    def stop(text):
        told.append(text)
        if len(told) == 5:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_search(path, out, where=HERE, progress=stop)
    assert not (out / "trials.csv").exists()
    assert json.loads((out / "manifest.json").read_text())["finished_utc"] is None
    kept = len(list((out / "points").iterdir()))
    assert 1 < kept < done.run
    assert run_search(path, out, where=HERE).run == done.run - kept
    assert contents(out) == contents(tmp_path / "whole")
    assert run_search(path, out, where=HERE).run == 0
    assert contents(out) == contents(tmp_path / "whole")


def test_more_trials_go_on_from_fewer(search, tmp_path):
    needs_optuna()
    path, out = search(LEARNING), tmp_path / "out"
    run_search(path, out, ["search.trials=7"], where=HERE)
    few = [row["point"] for row in rows(out)]
    run_search(path, out, where=HERE)
    assert [row["point"] for row in rows(out)][:8] == few
    assert len(rows(out)) == 16


def test_another_seed_tries_other_designs(search, tmp_path):
    needs_optuna()
    for seed in (1, 2):
        run_search(search(LEARNING), tmp_path / str(seed), [f"search.seed={seed}"], where=HERE)
    one, two = ([row["point"] for row in rows(tmp_path / seed)] for seed in "12")
    assert one[0] == two[0]
    assert one[1:] != two[1:]


@pytest.mark.skipif(not JITTED, reason="processes of their own need compiled kernels")
def test_what_is_found_does_not_depend_on_workers(search, tmp_path):
    needs_optuna()
    pytest.importorskip("distributed", reason="the embedded cluster needs the extra dist")
    path = search(LEARNING)
    run_search(path, tmp_path / "none", where=HERE)
    run_search(path, tmp_path / "two", where=Where("local", 2))
    assert contents(tmp_path / "two") == contents(tmp_path / "none")
    timing = json.loads((tmp_path / "two" / "manifest.json").read_text())["last_run"]
    assert timing["workers"] == 2
    assert not (tmp_path / "two" / ".traces").exists()


@pytest.mark.skipif(not JITTED, reason="processes of their own need compiled kernels")
def test_a_killed_search_goes_on_and_gives_the_same_bytes(search, tmp_path):
    path, out = search("  sampler: grid\n"), tmp_path / "out"
    command = [sys.executable, "-m", "recnmp", "search", str(path), "--out", str(out), "--cluster", "none"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        end = time.monotonic() + 120
        while len(list((out / "points").glob("*.json"))) < 3 and client.poll() is None:
            assert time.monotonic() < end, "nothing happened"
            time.sleep(0.002)
        os.kill(client.pid, signal.SIGKILL)
    kept = len(list((out / "points").glob("*.json")))
    assert 3 <= kept < POINTS
    assert run_search(path, out, where=HERE).run == POINTS + 1 - kept
    run_search(path, tmp_path / "whole", where=HERE)
    assert contents(out) == contents(tmp_path / "whole")


def test_designs_that_cannot_be_or_fail_are_rows_and_the_search_goes_on(search, tmp_path):
    space = "  space: {memory.ranks_per_dimm: [1, 3], trace.first_batch: [0, 99]}\n"
    out = tmp_path / "out"
    done = run_search(search("  sampler: grid\n", space=space), out, where=HERE)
    found = rows(out)[1:]
    assert len(done.trials) == 4 == len(found)
    told = {(row["memory.ranks_per_dimm"], row["trace.first_batch"]): row for row in found}
    assert told["1", "0"]["status"] == "done"
    assert told["1", "99"]["status"] == told["3", "0"]["status"] == told["3", "99"]["status"] == "error"
    assert "batches, not 100" in told["1", "99"]["error"]
    assert "must be a power of two" in told["3", "0"]["error"]
    assert told["3", "0"]["point"] == "" != told["1", "99"]["point"]
    assert (out / "errors" / f"{told['1', '99']['point']}.txt").read_text().startswith("Traceback")
    assert [row["point"] for row in rows(out, "pareto")] == [told["1", "0"]["point"]]
    assert run_search(search("  sampler: grid\n", space=space), out, where=HERE).run == 0
    assert run_search(search("  sampler: grid\n", space=space), out, where=HERE, retry=True).run == 1


def test_failed_designs_are_no_end_of_a_search_that_learns(search, tmp_path):
    needs_optuna()
    space = "  space: {memory.ranks_per_dimm: [1, 3, 2], memory.read_queue: {low: 1, high: 64}}\n"
    done = run_search(search(LEARNING, space=space), tmp_path / "out", where=HERE)
    assert len(done.trials) == 15
    assert 0 < done.found.count("error") < 15


def test_when_all_fail_the_search_ends_with_a_line(search, tmp_path):
    path = search("  sampler: grid\n", space="  space: {trace.first_batch: [98, 99]}\n")
    with pytest.raises(RecnmpError, match=r"all 2 trials failed; the first: .*batches, not") as caught:
        run_search(path, tmp_path / "out", where=HERE)
    assert len(str(caught.value).splitlines()) == 1


def test_a_design_without_a_figure_that_is_asked_for_is_an_error_of_its_own(search, tmp_path):
    space = "  space: {nmp.kind: [recnmp, host]}\n"
    run_search(search("  sampler: grid\n", space=space), tmp_path / "out", where=HERE)
    found = {row["nmp.kind"]: row for row in rows(tmp_path / "out")[1:]}
    assert found["recnmp"]["status"] == "done"
    assert (found["host"]["status"], found["host"]["error"]) == (
        "error",
        f"the run has no figure {OBJECTIVES[0]}",
    )


def test_designs_that_break_a_constraint_are_not_on_the_front(search, tmp_path):
    path, out = (
        search(f"  sampler: grid\n  constraints: {{{AREA}: {{at_least: 0.2, at_most: 0.5}}}}\n"),
        tmp_path,
    )
    run_search(path, out, where=HERE)
    for row in rows(out)[1:]:
        assert row["status"] == ("done" if 0.2 <= float(row[AREA]) <= 0.5 else "infeasible")
    able = [row for row in rows(out)[1:] if row["status"] == "done"]
    assert {row["point"] for row in rows(out, "pareto")} <= {row["point"] for row in able}
    assert min(float(row[OBJECTIVES[0]]) for row in able) == float(rows(out, "pareto")[0][OBJECTIVES[0]])


def test_when_every_design_breaks_a_constraint_there_is_no_front(search, tmp_path):
    path = search(f"  sampler: grid\n  constraints: {{{AREA}: {{at_most: 0.001}}}}\n")
    done = run_search(path, tmp_path, where=HERE)
    assert (done.found.front, done.found.count("infeasible")) == ([], POINTS)
    assert rows(tmp_path, "pareto") == []


def test_one_objective_that_is_to_be_large_has_a_front_of_its_best(search, tmp_path):
    path = search("  sampler: grid\n  objectives: {sls.speedup_over_host: max}\n")
    run_search(path, tmp_path, where=HERE)
    best = max(float(row["sls.speedup_over_host"]) for row in rows(tmp_path)[1:])
    assert {float(row["sls.speedup_over_host"]) for row in rows(tmp_path, "pareto")} == {best}
    assert not (tmp_path / "pareto.svg").exists()


def test_a_design_that_comes_again_costs_nothing_and_says_so(search, tmp_path):
    needs_optuna()
    path = search(
        "  sampler: nsga2\n  together: 4\n  trials: 16\n", space="  space: {memory.ranks_per_dimm: [1, 2]}\n"
    )
    done = run_search(path, tmp_path, where=HERE)
    assert done.run == 2  # one of them the configuration's own
    found = rows(tmp_path)[1:]
    for row in found:
        first = next(one for one in found if one["point"] == row["point"])
        assert row["repeats"] == ("" if row is first else first["trial"])


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            "  objectives: {sls.nmp_ns_per_lokup: min}",
            "no figure sls.nmp_ns_per_lokup; did you mean 'sls.nmp_ns_per_lookup'",
        ),
        (
            "  constraints: {nmp.cache_hit_rat: {at_least: 1}}",
            "search.constraints.nmp.cache_hit_rat: the configuration's",
        ),
        ("  objectives: {sls.nmp_ns: least}", "not a choice, got 'least'; allowed: min, max"),
        ("  objectives: {}", "search.objectives: "),
        ("  constraints: {sls.nmp_ns: {}}", "needs at_most or at_least"),
        ("  sampler: nsga", "not a choice, got 'nsga'.*did you mean 'nsga2'"),
        ("  sampler: random\n  together: 8", "together is for tpe and nsga2; random learns nothing"),
        ("  trials: 0", "search.trials: must be at least 1"),
        ("  trails: 9", "search.trails: unknown key.*did you mean 'trials'"),
        ("mlp: {kind: measured}", "in a search use profile"),
        ("sweep: {seeds: 2}", "a search has no sweep"),
    ],
)
def test_what_cannot_be_meant_is_an_error_with_its_place(search, tmp_path, section, told):
    sampler = "" if "sampler" in section else "  sampler: grid\n"
    path = search(f"{sampler}{section}\n")
    path.write_text(
        path.read_text().replace("mlp: {kind: none}\n", "")
        if "mlp: {kind: measured}" in section
        else path.read_text()
    )
    with pytest.raises(ConfigError, match=told) as caught:
        run_search(path, tmp_path / "out", where=HERE)
    assert "s.yaml:" in str(caught.value)


def test_a_search_is_neither_a_run_nor_a_sweep(search, tmp_path):
    with pytest.raises(ConfigError, match=r"search: many runs; `recnmp search` runs them"):
        load_config(search())
    with pytest.raises(ConfigError, match="no sweep section"):
        run_sweep(search(), tmp_path, where=HERE)
    with pytest.raises(ConfigError, match=r"the search varies memory\.refresh; it would take no effect"):
        run_search(search(), tmp_path, ["memory.refresh=off"], where=HERE)


def test_a_search_from_python_returns_the_front(search, tmp_path):
    pytest.importorskip("pandas", reason="the front is a DataFrame")
    front = recnmp.run_search(search("  sampler: random\n"), tmp_path / "out", {"search.trials": 3})
    assert list(front["trial"].sort_values()) == [
        int(row["trial"]) for row in rows(tmp_path / "out") if row["front"] == "True"
    ]


def test_trials_and_front_load_as_data_frames_with_their_origin(search, tmp_path):
    pytest.importorskip("pandas", reason="load_results gives a DataFrame")
    run_search(search(), tmp_path, where=HERE)
    frame, front = recnmp.load_results(tmp_path), recnmp.load_results(tmp_path, "pareto")
    assert list(frame["trial"]) == list(range(POINTS + 1))
    assert list(frame[frame["front"]].sort_values([OBJECTIVES[0], "trial"])["trial"]) == list(front["trial"])
    assert frame["volume_share"].max() == 1
    with pytest.raises(ConfigError, match="no table 'results'; there are trials and pareto"):
        recnmp.load_results(tmp_path, "results")
    origin = json.loads(pq.read_schema(tmp_path / "trials.parquet").metadata[b"recnmp.table"])
    assert origin["search"]["objectives"] == dict.fromkeys([*OBJECTIVES, AREA], "min")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["front"] == list(front["trial"])
    assert [trial["trial"] for trial in manifest["trials"]] == list(range(1, POINTS + 1))
