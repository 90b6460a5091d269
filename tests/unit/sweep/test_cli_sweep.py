"""`recnmp sweep` and `recnmp compare` on the command line."""

import json
import subprocess
import sys

import pytest

FAILING = "  axes: [{grid: {trace.first_batch: [0, 99]}}]"


def test_a_dry_run_lists_points_and_what_is_missing(run, sweep, tmp_path):
    path, out = sweep(), tmp_path / "out"
    code, text, err = run("sweep", path, "--dry-run")
    assert code == 0
    assert [line.split()[1:] for line in text.splitlines()] == [
        ["to", "run", "memory.ranks_per_dimm=1"],
        ["to", "run", "memory.ranks_per_dimm=2"],
    ]
    assert err == "2 points, 2 to run\n"
    assert not out.exists()
    assert run("sweep", path, "--out", out, "--cluster", "none")[0] == 0
    assert run("sweep", path, "--out", out, "--dry-run")[2] == "2 points, 0 to run\n"


def test_progress_is_on_standard_error_and_the_summary_on_standard_output(run, sweep, tmp_path):
    code, text, err = run("sweep", sweep(), "--out", tmp_path / "out", "--cluster", "none")
    assert code == 0
    assert text.splitlines()[0] == "2 points: 2 run now, 2 of all done"
    assert err.splitlines()[-1] == "2 of 2 points"


def test_a_failed_point_is_told_and_the_sweep_ends_with_1(run, sweep, tmp_path):
    out = tmp_path / "out"
    code, text, err = run("sweep", sweep(FAILING), "--out", out, "--cluster", "none")
    assert code == 1
    assert text.startswith("2 points: 2 run now, 1 of all done\nfailed: ")
    assert "recnmp: error: 1 of 2 points failed; `--retry` runs them again" in err
    assert (out / "results.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--out DIR is needed"),
        (("--out", "x", "--cluster", "mars"), "--cluster mars: must be local, none,"),
        (("--out", "x", "--memory", "2 GB", "--cluster", "none"), "not a size: '2 GB'"),
        (("--out", "x", "--workers", "0"), "0 is not in the range"),
        (("--dry-run", "--set", "memory.ranks_per_dimm=4"), "the sweep varies memory.ranks_per_dimm"),
        (("--dry-run", "--set", "sweep.axes=3"), "sweep.axes: must be a list, got 3"),
    ],
)
def test_what_cannot_be_done_is_refused_with_2(run, sweep, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, text, err = run("sweep", sweep(), *arguments)
    assert (code, text) == (2, "")
    assert told in err


def test_compare_prints_text_or_json(run, sweep, tmp_path):
    run("sweep", sweep(), "--out", tmp_path / "a", "--cluster", "none")
    run("sweep", sweep(), "--out", tmp_path / "b", "--cluster", "none", "--set", "memory.read_queue=1")
    code, text, _ = run("compare", tmp_path / "a", tmp_path / "b")
    assert code == 0
    assert text.startswith("configuration: 1 changed\n  memory.read_queue: absent -> 1\norigin: the same\n")
    document = json.loads(run("compare", tmp_path / "a", tmp_path / "b", "--json")[1])
    assert {"config", "origin", "points", "only_before", "only_after", "figures"} == set(document)
    code, _, err = run("compare", tmp_path / "a", tmp_path / "none")
    assert code == 2
    assert len(err.splitlines()) == 1


def test_importing_the_package_imports_neither_pandas_nor_dask():
    code = "import sys, recnmp; recnmp.load_results; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pandas", "numpy", "dask", "distributed", "pyarrow"}.isdisjoint(done.stdout.split())
