"""The result document: its keys, its values, and its way to a file and back."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from recnmp.errors import ConfigError, RecnmpError
from recnmp.report.result import Result, json_text, load_result


def made(**sections) -> Result:
    return Result(config={"model": "rm1", "trace": {"file": Path("traces/a.parquet")}}, **sections)


def test_sections_come_in_the_order_of_the_run():
    assert list(made(provenance={"a": 1}, sls={"host_ns": 1.0}).to_dict()) == [
        "format",
        "config",
        "sls",
        "memory",
        "nmp",
        "energy",
        "mlp",
        "end_to_end",
        "trace",
        "functional_check",
        "provenance",
    ]


def test_numpy_values_become_plain_ones():
    memory = {
        "cycles": np.int64(7),
        "gb_per_s": np.float32(0.5),
        "ok": np.bool_(True),
        "per_rank": np.arange(3),
    }

    document = json.loads(made(memory={"host": memory}, nmp={"tuple": (1, None)}).to_json())

    assert document["memory"]["host"] == {"cycles": 7, "gb_per_s": 0.5, "ok": True, "per_rank": [0, 1, 2]}
    assert document["nmp"]["tuple"] == [1, None]
    assert document["config"]["trace"]["file"] == "traces/a.parquet"


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan"), np.array([1.0, -np.inf])])
def test_a_number_that_is_not_finite_is_an_error_that_says_where(value):
    with pytest.raises(RecnmpError, match=r"memory\.host\.gb_per_s.* is .*, not a finite number"):
        made(memory={"host": {"gb_per_s": value}}).to_json()


def test_a_value_that_json_cannot_hold_is_an_error_that_says_where():
    with pytest.raises(TypeError, match=r"nmp\.ranks is a set"):
        made(nmp={"ranks": {1, 2}}).to_dict()


def test_a_saved_result_loads_from_its_file_and_from_its_folder(tmp_path):
    result = made(sls={"host_ns": 1.5})

    file = result.save(tmp_path / "out" / "run")

    assert load_result(file) == load_result(file.parent) == result.to_dict()
    assert yaml.safe_load((file.parent / "config.yaml").read_text())["model"] == "rm1"


def test_a_result_from_before_there_was_energy_loads(tmp_path):
    document = made().to_dict()
    del document["energy"]
    (tmp_path / "result.json").write_text(json.dumps(document))

    assert load_result(tmp_path)["energy"] == {}


def test_saving_leaves_no_other_files_and_replaces_what_was_there(tmp_path):
    made(sls={"host_ns": 1.0}).save(tmp_path)
    made(sls={"host_ns": 2.0}).save(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "result.json"]
    assert load_result(tmp_path)["sls"]["host_ns"] == 2.0


def test_a_result_that_cannot_be_written_whole_leaves_the_old_one(tmp_path, monkeypatch):
    made(sls={"host_ns": 1.0}).save(tmp_path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(RecnmpError, match="cannot write the result: No space left on device"):
        made(sls={"host_ns": 2.0}).save(tmp_path)

    assert load_result(tmp_path)["sls"]["host_ns"] == 1.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "result.json"]


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "taken").write_text("")

    with pytest.raises(RecnmpError, match="taken: cannot write the result"):
        made().save(tmp_path / "taken")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a result: Expecting"),
        ("[1, 2]", "its format is None"),
        ('{"format": "recnmp-result-99"}', "its format is 'recnmp-result-99', expected 'recnmp-result-1'"),
        ('{"format": "recnmp-result-1", "config": {}}', "section 'sls' is missing"),
        ("[" * 100_000, "not a result"),
    ],
)
def test_something_else_than_a_result_is_an_error(tmp_path, text, message):
    (tmp_path / "result.json").write_text(text)

    with pytest.raises(ConfigError, match=message):
        load_result(tmp_path / "result.json")


def test_bytes_that_are_no_text_are_an_error(tmp_path):
    (tmp_path / "result.json").write_bytes(b"\xff\xfe\x00PAR1")

    with pytest.raises(ConfigError, match="not a result"):
        load_result(tmp_path / "result.json")


def test_a_missing_result_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"result\.json: no such result file"):
        load_result(tmp_path)


def test_lists_of_numbers_take_a_line_and_nothing_else_changes():
    document = {
        "a": [1, -2.5e-07, 3],
        "b": {"c": [[1, 2], [3]], "d": []},
        "e": ["[\n 1\n]", "x"],
        "f": [1, None],
    }
    text = json_text(document)
    assert json.loads(text) == document
    assert '"a": [1, -2.5e-07, 3],' in text
    assert "      [1, 2],\n" in text
