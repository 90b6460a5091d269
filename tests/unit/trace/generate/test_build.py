"""Whole traces from descriptions: order, pooling factors, and the shipped mixtures' reuse."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from recnmp.cli import cli
from recnmp.errors import ConfigError
from recnmp.library.model import load_model
from recnmp.trace.generate import SynthSpec, build, load_spec, spec_yaml, synthesise
from recnmp.trace.generate.build import Synthesis
from recnmp.trace.generate.lengths import draw_lengths, mean_length
from recnmp.trace.generate.spec import SynthTables
from recnmp.trace.inspect import inspect_trace
from recnmp.trace.reuse.statistics import reuse_statistics
from recnmp.trace.storage import load_trace

# facebookresearch/dlrm_datasets, locality_stats.txt: share of the lookups by reads of their entry, 1, 2, 3-4, ...
META_2021 = [
    *(0.069, 0.044, 0.068, 0.101, 0.121, 0.104, 0.073, 0.058, 0.052),
    *(0.050, 0.049, 0.048, 0.048, 0.043, 0.031, 0.023, 0.019),
]
META_2022 = [
    *(0.027, 0.023, 0.040, 0.068, 0.105, 0.120, 0.099, 0.070, 0.059),
    *(0.054, 0.040, 0.072, 0.064, 0.047, 0.021, 0.017, 0.076),
]
LAWS = [
    {"kind": "constant", "value": 7},
    {"kind": "uniform", "low": 3, "high": 9},
    {"kind": "normal", "mean": 50, "sd": 4},
    {"kind": "lognormal", "mean": 20, "sd": 15},
    {"kind": "table", "lengths": [0, 5, 100], "counts": [1, 8, 1]},
]


def spec(**changes):
    table = {
        "entries": 1000,
        "dim": 16,
        "popularity": {"kind": "zipf", "alpha": 1},
        "pooling_factor": {"kind": "uniform", "low": 0, "high": 9},
    }
    tables = [table | {"count": 2}, table | {"name": "wide", "dim": 64, "bags": 3}]
    return SynthSpec.model_validate({"batches": 3, "batch_size": 8, "tables": tables} | changes)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law["kind"])
def test_bags_have_the_mean_of_their_law(law):
    described = SynthTables.model_validate(
        {"entries": 9, "dim": 1, "popularity": {"kind": "zipf", "alpha": 1}, "pooling_factor": law}
    )
    lengths = draw_lengths(described.pooling_factor, 50_000, np.random.default_rng(1))
    cut = 0.5 if law["kind"] == "normal" else 0  # to the whole part
    assert lengths.mean() == pytest.approx(mean_length(described.pooling_factor) - cut, rel=0.02)
    assert lengths.min() >= 0


def test_every_batch_calls_every_table_in_order(tmp_path):
    made = synthesise(spec(weighted=True, pooling="mean"), tmp_path / "a.parquet")
    trace = load_trace(tmp_path / "a.parquet")
    assert trace.calls.table.tolist() == [0, 1, 2] * 3
    assert trace.calls.bags.tolist() == [8, 8, 3] * 3
    assert trace.calls.batch.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert [(t.name, t.dim) for t in trace.tables] == [("table0", 16), ("table1", 16), ("wide", 64)]
    assert (made.lookups, made.bags, made.tables) == (trace.lookups, 57, 3)
    assert trace.weight is not None
    assert 0 < np.mean(np.bincount(trace.bag, minlength=57)) < 9


def test_one_seed_gives_one_file_and_tables_draw_on_their_own(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synthesise(spec(seed=seed), tmp_path / name)
    read = {name: (tmp_path / name).read_bytes() for name in "abc"}
    assert read["a"] == read["b"] != read["c"]
    calls = list(Synthesis(spec()).calls())
    assert not np.array_equal(calls[0].lengths, calls[1].lengths)


def test_a_description_survives_its_yaml(tmp_path):
    described = spec(pooling="max", seed=9)
    (tmp_path / "s.yaml").write_text(spec_yaml(described))
    assert load_spec(tmp_path / "s.yaml") == described


@pytest.mark.parametrize(
    ("name", "histogram", "low", "high"),
    [
        ("production_mixture_2021", META_2021, 0.08, 0.15),
        ("production_mixture_2022", META_2022, 0.0785 - 0.01, 0.0785 + 0.01),
    ],
)
def test_the_shipped_mixtures_have_the_published_reuse(name, histogram, low, high, tmp_path):
    synthesise(load_spec(name), tmp_path / "a.parquet")
    reads = reuse_statistics(load_trace(tmp_path / "a.parquet", verify=False)).reads
    assert np.abs(np.array(list(reads.lookups_by_reuse.values())) - histogram).max() < 0.05
    assert low <= reads.unique_share <= high


def test_fixed_bags_follow_from_their_first_entry_and_are_called_what_they_are(tmp_path):
    table = {
        "entries": 5000,
        "dim": 16,
        "popularity": {"kind": "zipf", "alpha": 1},
        "pooling_factor": {"kind": "constant", "value": 6},
        "fixed_bags": True,
    }
    described = SynthSpec.model_validate({"batches": 4, "batch_size": 500, "tables": [table | {"count": 2}]})
    synthesise(described, tmp_path / "a.parquet")
    trace = load_trace(tmp_path / "a.parquet")
    bags = {t: trace.entry[trace.table == t].reshape(-1, 6) for t in (0, 1)}
    for of_table in bags.values():
        first = np.unique(of_table[:, 0])
        assert len(np.unique(of_table, axis=0)) == len(first) > 100
        others = np.unique(of_table, axis=0)[:, 1:].ravel()
        assert others.mean() == pytest.approx(2500, rel=0.05)
        assert others.max() < 5000
    both = {bag[0]: tuple(bag) for bag in bags[0].tolist()}
    assert all(both.get(bag[0]) != tuple(bag) for bag in bags[1].tolist())  # a bag is its table's own
    raised = {check["name"]: check["raised"] for check in inspect_trace(tmp_path / "a.parquet")["checks"]}
    assert raised["fixed bag per entry"]


def test_fixed_bags_of_uneven_length_are_refused(tmp_path):
    text = spec_yaml(spec()).replace("fixed_bags: false", "fixed_bags: true", 1)
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"s\.yaml:.*fixed_bags needs a constant pooling_factor"):
        load_spec(tmp_path / "s.yaml")


def test_the_multi_hot_description_has_mlperf_s_tables():
    described, model = load_spec("mlperf_dlrm_v2_multi_hot"), load_model("mlperf_dlrm_v2")
    ours = [(t.entries, t.dim, t.pooling_factor.value, t.fixed_bags) for t in described.each_table]
    assert ours == [(t.entries, t.dim, t.pooling_factor, True) for t in model.each_table]


def test_many_tables_take_no_more_memory_and_draw_the_same(tmp_path, monkeypatch):
    draw = spec(tables=[spec().tables[0].model_copy(update={"count": 3})])
    entries = [call.entry for call in Synthesis(draw).calls()]
    monkeypatch.setattr(build, "_MOST_RANKS", 3)
    monkeypatch.setattr(build, "_LEAST_KEPT", 1)
    few = Synthesis(draw)
    assert [len(draws._head) for draws in few.draws] == [1, 1, 1]
    assert all(np.array_equal(call.entry, entry) for call, entry in zip(few.calls(), entries, strict=True))


@pytest.mark.parametrize(
    ("popularity", "message"),
    [
        ({"kind": "zipf", "alpha": -1}, "alpha"),
        ({"kind": "zipf", "alpha": 1, "population": 1001}, "population is at most entries"),
        ({"kind": "stack", "distances": [1], "cumulative": [1]}, "start at 0"),
        ({"kind": "stack", "distances": [0, 1], "cumulative": [0.5, 0.9]}, "ends at 1"),
        ({"kind": "stack", "distances": [0, 2000], "cumulative": [0.5, 1]}, "largest distance"),
    ],
)
def test_a_law_that_cannot_be_is_refused_with_its_place(popularity, message, tmp_path):
    text = spec_yaml(spec()).replace("{kind: zipf, alpha: 1.0, q: 0.0, drift: 0.0}", str(popularity), 1)
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_spec(tmp_path / "s.yaml")
    assert "s.yaml:" in str(caught.value)


def test_an_unknown_description_names_those_that_ship():
    with pytest.raises(ConfigError, match="did you mean 'production_mixture_2021'"):
        load_spec("production_mixture_201")


def test_the_commands_write_a_trace_and_its_description(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(spec_yaml(spec()))
    cli(["trace", "synth", "s.yaml", "-o", "a.parquet", "--batches", "30"], standalone_mode=False)
    cli(["trace", "fit", "a.parquet"], standalone_mode=False)
    assert "3 tables, 30 batches" in capsys.readouterr().out
    assert load_spec(tmp_path / "a.fit.yaml").batches == 30


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_leaves_no_half_file(tmp_path, sent, code):
    (tmp_path / "s.yaml").write_text(spec_yaml(spec(batches=1_000_000)))
    command = [sys.executable, "-m", "recnmp", "trace", "synth", "s.yaml", "-o", "a.parquet"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as running:
        while running.poll() is None and not (tmp_path / "a.parquet.tmp").exists():
            time.sleep(0.02)
        running.send_signal(sent)
        assert running.wait(60) == code
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]
