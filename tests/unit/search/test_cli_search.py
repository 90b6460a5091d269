"""`recnmp search` on the command line."""

import pytest

from recnmp.search import samplers


def test_a_dry_run_shows_space_and_objectives_and_runs_nothing(run, search, tmp_path):
    code, text, err = run("search", search("  sampler: random\n  trials: 9\n"), "--dry-run")
    assert (code, err) == (0, "")
    assert text.splitlines() == [
        "memory.ranks_per_dimm: 1, 2",
        'cache.rank: null, {"size_bytes": "4 KiB"}, {"size_bytes": "64 KiB"}',
        'cache.rank.ways: 2, 4 where cache.rank.size_bytes is ["4 KiB", "64 KiB"]',
        'memory.refresh: "off", "staggered"',
        "24 combinations at most",
        "objective: sls.nmp_ns_per_lookup, min",
        "objective: energy.idd.nmp.total_nj_per_lookup, min",
        "objective: energy.units.area_scaled_mm2_all_units, min",
        "trials: 9 by random, seed 1",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"s.yaml", "small.yaml", "small.parquet"}


def test_the_front_is_on_standard_output_and_progress_on_standard_error(run, search, tmp_path):
    space = "  space: {memory.ranks_per_dimm: [1, 2], memory.read_queue: [8, 16], memory.refresh: [off]}\n"
    path, out = search("  sampler: grid\n", space=space), tmp_path / "out"
    code, text, err = run("search", path, "--out", out, "--cluster", "none")
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "4 trials: 4 done; 5 points run now"
    assert lines[1].startswith("front: ")
    assert "  (3) energy.units.area_scaled_mm2_all_units, min" in lines
    assert any(line.split()[0] == "as" for line in lines)
    assert "  the same in all of them: memory.refresh off" in lines
    assert lines[-1] == f"files: trials.csv, trials.parquet, pareto.csv, pareto.parquet, pareto.svg in {out}"
    assert err.splitlines()[-1] == "4 of 4 trials"
    assert run("search", path, "--out", out, "--cluster", "none")[1].startswith("4 trials: 4 done; 0 points")


def test_failures_are_told_once_each(run, search, tmp_path):
    space = "  space: {memory.ranks_per_dimm: [1, 3], memory.read_queue: [8, 16]}\n"
    path = search("  sampler: grid\n", space=space)
    code, text, _ = run("search", path, "--out", tmp_path / "out", "--cluster", "none")
    assert code == 0
    assert text.splitlines()[0] == "4 trials: 2 done, 2 error; 3 points run now"
    assert text.count("failed: ") == 1
    assert "failed: 2 x " in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--out DIR is needed"),
        (("--out", "x", "--cluster", "mars"), "--cluster mars: must be local, none,"),
        (("--dry-run", "--set", "search.trials=many"), "search.trials: must be a whole number"),
        (("--dry-run", "--set", "memory.refresh=off"), "the search varies memory.refresh"),
    ],
)
def test_what_cannot_be_done_is_refused_with_2(run, search, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, text, err = run("search", search(), *arguments)
    assert (code, text) == (2, "")
    assert told in err


def test_without_optuna_one_line_says_how_to_get_it(run, search, tmp_path, monkeypatch):
    monkeypatch.setattr(samplers.importlib.util, "find_spec", lambda name: None)
    path, out = search("  sampler: nsga2\n"), tmp_path / "out"
    assert run("search", path, "--dry-run")[0] == 0
    code, text, err = run("search", path, "--out", out, "--cluster", "none")
    assert (code, text, out.exists()) == (2, "", False)
    told = "search.sampler: nsga2 needs optuna: pip install 'recnmp[search]'; random and grid need nothing"
    assert err == f"recnmp: error: {told}\n"
