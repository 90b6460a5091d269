"""Points resolved and keyed before one is run."""

import pytest
from builders import some_trace

from recnmp.errors import ConfigError
from recnmp.sweep.plan import make_plan
from recnmp.sweep.version import digest_of
from recnmp.trace.storage import save_trace


def keys(plan):
    return [point.key for point in plan.points]


def test_points_have_their_options_resolved_and_keys_of_their_own(sweep):
    plan = make_plan(sweep("  axes: [{grid: {cache.rank: [null, {size_bytes: 1 KiB}]}}]\n  seeds: 2"))
    assert [(point.options, point.seed) for point in plan.points] == [
        ({"cache.rank": None}, 1),
        ({"cache.rank": None}, 2),
        ({"cache.rank": {"kind": "lru", "size_bytes": 1024, "ways": 4}}, 1),
        ({"cache.rank": {"kind": "lru", "size_bytes": 1024, "ways": 4}}, 2),
    ]
    assert len(set(keys(plan))) == 4


def test_a_key_is_of_content_and_not_of_names_or_the_working_folder(sweep, tmp_path, monkeypatch):
    before = keys(make_plan(sweep()))
    monkeypatch.chdir(tmp_path)
    assert keys(make_plan("s.yaml")) == before
    (tmp_path / "other.yaml").write_text((tmp_path / "small.yaml").read_text())
    assert keys(make_plan("s.yaml", ["model=other.yaml"])) == before
    (tmp_path / "other.yaml").write_text((tmp_path / "small.yaml").read_text() + "# changed\n")
    assert not set(keys(make_plan("s.yaml", ["model=other.yaml"]))) & set(before)
    save_trace(some_trace(seed=1, dims=(16, 16, 16)), tmp_path / "small.parquet")
    assert not set(keys(make_plan("s.yaml"))) & set(before)


def test_an_option_written_out_as_its_default_is_the_same_run(sweep):
    path = sweep()
    assert keys(make_plan(path, ["memory.read_queue=32", "nmp.options.reorder_window=16"])) == keys(
        make_plan(path)
    )


def test_equal_runs_of_different_settings_are_run_once(sweep):
    plan = make_plan(sweep("  axes: [{list: [{memory.read_queue: 32}, {memory.refresh: simultaneous}]}]"))
    assert len(plan.points) == 2
    assert len(plan.different) == 1


def test_the_code_version_covers_kernels_and_library_files_but_not_the_command_line(tmp_path):
    for name in ("memory/_kernels.py", "library/standards/a.yaml", "cli/sweep.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("1")
    before = digest_of(tmp_path)
    (tmp_path / "cli" / "sweep.py").write_text("2")
    assert digest_of(tmp_path) == before
    (tmp_path / "library" / "standards" / "a.yaml").write_text("2")
    assert digest_of(tmp_path) != before


@pytest.mark.parametrize(
    ("section", "overrides", "message"),
    [
        (
            "  axes: [{grid: {memory.chanels: [1]}}]",
            [],
            r"s\.yaml:6:18: memory\.chanels: unknown key; .*channels",
        ),
        (
            "  axes: [{grid: {memory.channels: [1, 3]}}]",
            [],
            r"s\.yaml:6:39: memory\.channels: .*power of two",
        ),
        (
            "  axes: [{grid: {nmp.kind: [recnmp, recmp]}}]",
            [],
            r"s\.yaml:6:37: nmp\.kind: .*did you mean 'recnmp'",
        ),
        (
            "  axes: [{grid: {trace.file: [no.parquet]}}]",
            [],
            r"s\.yaml:6:31: trace\.file: .*no\.parquet: no such",
        ),
        (
            "  axes: [{grid: {nmp.options.window: [1]}}]",
            [],
            r"s\.yaml:6:18: nmp\.options\.window: unknown key",
        ),
        (
            "  axes: [{grid: {placement.seed: [1]}}]\n  seeds: 2",
            [],
            r"s\.yaml:7:10: .*an axis sets placement\.seed",
        ),
        (
            "  axes: [{grid: {memory.channels: [1]}}]",
            ["memory.channels=2"],
            r"--set memory\.channels=2: the sweep varies memory\.channels",
        ),
        (
            "  seeds: 2",
            ["mlp.kind=measured"],
            r"mlp\.kind: measured times of cores .* use profile .* or none",
        ),
    ],
)
def test_a_point_that_cannot_run_is_told_with_the_place_of_its_value(sweep, section, overrides, message):
    path = sweep(section)
    with pytest.raises(ConfigError, match=message):
        make_plan(path, overrides)


def test_one_run_is_no_sweep_and_a_sweep_is_not_one_run(sweep, tmp_path):
    from recnmp.config import load_config

    path = sweep()
    with pytest.raises(ConfigError, match=r"s\.yaml:5:1: sweep: many runs; `recnmp sweep` runs them"):
        load_config(path)
    single = tmp_path / "one.yaml"
    single.write_text(path.read_text().partition("sweep:")[0])
    with pytest.raises(ConfigError, match=r"one\.yaml: no sweep section"):
        make_plan(single)


def test_a_sweep_may_extend_another_and_be_overridden(sweep, tmp_path):
    sweep()
    child = tmp_path / "child.yaml"
    child.write_text("extends: s.yaml\nsweep: {seeds: 2}\n")
    assert len(make_plan(child).points) == 4
    assert len(make_plan(child, ["sweep.seeds=3"]).points) == 6
