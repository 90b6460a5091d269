"""A model of one's own, from its capture to its simulation, through the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="capture runs PyTorch models")

from recnmp.config import load_config  # noqa: E402
from recnmp.errors import ConfigError, RecnmpError  # noqa: E402
from recnmp.library.model import load_model  # noqa: E402
from recnmp.report.tables import table_lines  # noqa: E402
from recnmp.simulate import simulate  # noqa: E402
from recnmp.trace.capture import run_captured  # noqa: E402
from recnmp.trace.storage import load_trace  # noqa: E402

OWN = """
import sys
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bottom = nn.Linear(4, 16)
        self.users = nn.EmbeddingBag(300, 16, mode="sum")
        self.items = nn.EmbeddingBag(300, 16, mode="sum")
        self.words = nn.Parameter(torch.randn(100, 16))
        self.top = nn.Linear(64, 1)

    def forward(self, dense, ids):
        parts = self.users(ids), self.items(ids), self.words[ids[:, 0] % 100]
        return torch.sigmoid(self.top(torch.cat([self.bottom(dense), *parts], dim=1)))

def make():
    return Net(), [(torch.randn(8, 4), torch.randint(0, 300, (8, 5))) for _ in range(3)]

def quantised():
    rows = torch.ops.quantized.embedding_bag_byte_prepack(torch.randn(300, 16))
    look_up = torch.ops.quantized.embedding_bag_byte_rowwise_offsets
    return (lambda ids: look_up(rows, ids, torch.arange(0, 40, 5))), [torch.randint(0, 300, (40,))]

def weighted():
    print("noise")
    table = torch.randn(50, 16)
    for _ in range(2):
        ids, scale = torch.randint(0, 50, (4, 3)), torch.rand(4, 3)
        F.embedding_bag(ids, table, mode="sum", per_sample_weights=scale)

if __name__ == "__main__":
    assert sys.argv[1:] == ["--lr", "0.1", "data.csv"], sys.argv
    weighted()
"""

THREADED = """
import threading
import torch
from torch.nn import functional as F
table = torch.randn(50, 16)
def serve():
    F.embedding(torch.tensor([1, 2]), table)
thread = threading.Thread(target=serve, name="server")
thread.start()
thread.join()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    yield tmp_path
    sys.modules.pop("own", None)  # the next test has a file of that name, too


def _config(folder, **more):
    text = {"model": "models/net.yaml", "trace": {"file": "own.parquet"}, "mlp": {"kind": "none"}} | more
    (folder / "run.yaml").write_text(json.dumps(text))  # JSON is YAML
    return load_config(folder / "run.yaml")


def _captured(folder):
    (folder / "models").mkdir()
    return run_captured("own:make", out=folder / "own.parquet", model_out=folder / "models/net.yaml")


def test_a_captured_model_is_simulated_with_the_model_file_that_capture_wrote(folder):
    captured = _captured(folder)
    assert captured.check["calls"] == 9
    model = load_model(str(folder / "models/net.yaml"))
    assert (model.name, model.source) == ("net", "captured from own:make")
    groups = [(group.count, group.entries, group.dim, group.pooling_factor) for group in model.tables]
    assert groups == [(2, 300, 16, 5), (1, 100, 16, 1)]
    assert "order of their first run: 4 -> 16, 64 -> 1" in (folder / "models/net.yaml").read_text()
    result = simulate(_config(folder))
    assert result.functional_check["status"] == "passed"
    assert result.sls["nmp_ns"] > 0
    assert (result.mlp, result.end_to_end) == ({}, {})
    assert result.config["model"] == "models/net.yaml"
    text = "\n".join(table_lines(result.to_dict(), 80))
    assert text.startswith("NET · host against recnmp")
    assert "end to end" not in text
    assert "SLS (gather-reduce)" in text


def test_a_captured_table_of_bytes_is_simulated_as_such(folder):
    (folder / "models").mkdir()
    run_captured("own:quantised", out=folder / "own.parquet", model_out=folder / "models/net.yaml")
    result = simulate(_config(folder))
    assert result.functional_check["status"] == "passed"
    assert result.trace["table_dtypes"] == ["int8_rowwise"]


def test_the_dense_part_may_be_filled_in(folder):
    _captured(folder)
    file = folder / "models/net.yaml"
    text = file.read_text()
    text = text.replace("bottom_mlp: []", "bottom_mlp: [4, 16]").replace("top_mlp: []", "top_mlp: [1]")
    file.write_text(text)
    assert load_model(str(file)).top_input == 64
    result = simulate(_config(folder, mlp={"kind": "measured", "repeats": 3, "backend": "numpy"}))
    assert result.end_to_end["speedup_over_host"] > 0


def test_without_a_dense_part_its_time_cannot_be_asked_for(folder):
    _captured(folder)
    config = _config(folder, mlp={"kind": "measured"})
    with pytest.raises(ConfigError, match=r"run.yaml:1:\d+: .*cannot be timed.*mlp.kind: none simulates"):
        simulate(config)


def test_a_model_file_that_is_not_there_is_named(folder):
    with pytest.raises(ConfigError, match=r"run.yaml:1:\d+: model: .*models/net.yaml: no such file"):
        _config(folder)


def test_a_model_file_that_is_there_is_never_overwritten(folder):
    _captured(folder)
    with pytest.raises(ConfigError, match=r"net.yaml: exists already"):
        run_captured("own:make", model_out=folder / "models/net.yaml")


def test_a_script_of_functional_calls_alone_with_its_arguments(folder):
    command = ["trace", "capture", "own.py", "--lr", "0.1", "data.csv", "--out", "t.parquet", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "recnmp", *command], capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    assert document["check"]["calls"] == 2
    assert (document["lookups"], document["tables"], document["batches"]) == (24, 1, 2)
    assert document["overhead"]["factor"] is None
    trace = load_trace(folder / "t.parquet")
    assert trace.meta == {"target": "own.py", "seed": 1, "capture": {"replayed_calls": 2}}
    assert trace.weight is not None


def test_a_script_that_infers_in_a_second_thread_is_one_clear_line(folder):
    (folder / "serve.py").write_text(THREADED)
    command = [sys.executable, "-m", "recnmp", "trace", "capture", "serve.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    line = done.stderr
    assert "embeddings were looked up in another thread (server)" in line
    assert not (folder / "serve.parquet").exists()


def test_the_overhead_is_measured_against_runs_without_capture_and_kept(folder):
    captured = run_captured("own:make", out=folder / "own.parquet", measure_overhead=True, batches=2)
    assert captured.trace.batches == 2
    assert captured.overhead.factor == captured.overhead.captured_s / captured.overhead.uncaptured_s
    kept = load_trace(folder / "own.parquet").meta["capture"]["overhead"]
    assert kept == captured.overhead.to_dict()
    assert 0 < kept["own_s"] < kept["captured_s"]


def test_runs_without_capture_change_nothing_of_the_trace(folder):
    plain = run_captured("own.py --lr 0.1 data.csv")
    measured = run_captured("own.py --lr 0.1 data.csv", measure_overhead=True)
    np.testing.assert_array_equal(plain.trace.entry, measured.trace.entry)


def test_the_overhead_of_part_of_a_script_is_refused(folder):
    with pytest.raises(ConfigError, match="leave out --batches"):
        run_captured("own.py --lr 0.1 data.csv", measure_overhead=True, batches=1)


@pytest.mark.parametrize("target", ["own:make", "zoo:rm3"])
def test_only_scripts_take_arguments(folder, target):
    with pytest.raises(ConfigError, match="only a script takes arguments, got --bathces 3"):
        run_captured(target, arguments=("--bathces", "3"))


def test_without_the_check_nothing_is_replayed(folder):
    captured = run_captured("own:make", check=False)
    assert captured.check is None
    assert "capture" not in captured.trace.meta


def test_an_unwritable_folder_of_the_model_file_is_named_before_the_run(folder):
    with pytest.raises(RecnmpError, match="there is no folder nowhere to write to"):
        run_captured("own:make", model_out=folder.__class__("nowhere/net.yaml"))
