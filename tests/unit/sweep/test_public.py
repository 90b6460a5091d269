"""What `import recnmp` gives a script."""

from pathlib import Path

import pytest

import recnmp
from recnmp.config import load_config
from recnmp.errors import ConfigError
from recnmp.simulate import simulate
from recnmp.sweep.run import Where, run_sweep


def test_a_run_is_the_one_of_simulate_with_options_given_as_values(sweep, tmp_path):
    sweep()
    options = {
        "model": tmp_path / "small.yaml",
        "trace.file": tmp_path / "small.parquet",
        "mlp.kind": "none",
        "cache.rank": None,
        "memory.channels": 2,
        "functional_check": "off",
    }
    overrides = [
        f"model={tmp_path}/small.yaml",
        f"trace.file={tmp_path}/small.parquet",
        "mlp.kind=none",
        "cache.rank=null",
        "memory.channels=2",
        "functional_check=off",
    ]
    result = recnmp.run("rank2", options)
    expected = simulate(load_config("rank2", overrides))
    assert result.sls == expected.sls
    assert result.config["memory"]["channels"] == 2
    assert result.nmp["cache_hit_rate"] is None


def test_a_run_refuses_what_a_configuration_refuses():
    with pytest.raises(ConfigError, match=r"--set memory\.chanels=2: memory\.chanels: unknown key"):
        recnmp.run("rank8", {"memory.chanels": 2})
    with pytest.raises(TypeError):
        recnmp.run("rank8", {"memory.channels": object()})


def test_a_sweep_returns_its_table_and_runs_only_what_is_missing(sweep, tmp_path):
    pytest.importorskip("pandas", reason="a DataFrame is returned")
    path, out = sweep(), tmp_path / "out"
    frame = recnmp.run_sweep(path, str(out), {"memory.read_queue": 16})
    assert list(frame["memory.ranks_per_dimm"]) == [1, 2]
    assert (frame["status"] == "done").all()
    assert run_sweep(path, out, ["memory.read_queue=16"], where=Where("none")).run == 0
    assert recnmp.run_sweep(path, out, {"memory.read_queue": 16}).equals(frame)


def test_a_sweep_without_pandas_ends_before_it_begins(sweep, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs pandas: pip install 'recnmp\[dist\]'"):
        recnmp.run_sweep(sweep(), tmp_path / "out")
    assert not Path(tmp_path / "out").exists()
