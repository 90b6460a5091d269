"""Zoo models, scripts and factories under capture; the traces that ship are made again, byte for byte."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch", reason="capture runs PyTorch models")

from torch.nn import functional as F  # noqa: E402, N812

from recnmp.errors import ConfigError, RecnmpError  # noqa: E402
from recnmp.library.model import RecModel, TableGroup, load_model  # noqa: E402
from recnmp.trace.capture import capture_target, run_captured  # noqa: E402
from recnmp.trace.storage import load_trace, read_header, trace_digest  # noqa: E402
from recnmp.trace.values import entry_values  # noqa: E402
from recnmp.trace.zoo.dlrm import Dlrm  # noqa: E402
from recnmp.trace.zoo.virtual import inputs  # noqa: E402

TRACES = Path(__file__).parents[2] / "traces"


def test_the_shipped_rm3_trace_is_made_again_byte_for_byte(tmp_path):
    made, shipped = tmp_path / "rm3.parquet", TRACES / "rm3.parquet"
    trace = capture_target("zoo:rm3", out=made, batches=16, batch_size=64, seed=1)
    assert trace_digest(trace) == read_header(shipped).digest
    assert trace.meta == read_header(shipped).meta
    if pq.read_metadata(made).created_by == pq.read_metadata(shipped).created_by:  # the same Parquet writer
        assert made.read_bytes() == shipped.read_bytes()


def test_a_capture_made_twice_is_one_file(tmp_path):
    for name in ("a", "b"):
        capture_target("zoo:rm3", out=tmp_path / name, batches=1, batch_size=8, seed=4)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("name", "batches"), [("rm1", 2), ("rm2", 1)])
def test_shipped_traces_begin_with_what_the_zoo_makes(name, batches):
    made = capture_target(f"zoo:{name}", batches=batches, batch_size=64, seed=1)
    shipped = load_trace(TRACES / f"{name}.parquet")
    assert trace_digest(made) == trace_digest(shipped.select(0, batches))


def test_another_seed_makes_another_trace():
    first, second = (capture_target("zoo:rm3", batches=1, batch_size=4, seed=seed) for seed in (1, 2))
    assert trace_digest(first) != trace_digest(second)
    assert first.meta["seed"] == 1


def test_a_zoo_trace_has_the_shape_of_its_model():
    model, trace = load_model("rm1"), load_trace(TRACES / "rm1.parquet")
    assert [(t.entries, t.dim) for t in trace.tables] == [(t.entries, t.dim) for t in model.each_table]
    assert (trace.batches, trace.samples, trace.lookups) == (8, 8 * 64, 8 * 64 * 8 * 80)
    assert set(np.bincount(trace.bag).tolist()) == {80}


def _model(interaction="cat") -> RecModel:
    return RecModel(
        name="tiny",
        source="made for this test",
        bottom_mlp=(5, 8),
        top_mlp=(4, 1),
        interaction=interaction,
        tables=(
            TableGroup(count=2, entries=1000, dim=8, pooling_factor=7),
            TableGroup(count=1, entries=50, dim=8, pooling_factor=1),
        ),
    )


def test_the_zoo_model_computes_what_dlrm_does():
    model = _model("dot")
    zoo = Dlrm(model, seed=1)
    dense, indices, offsets = next(inputs(model, 3, seed=1))
    with torch.no_grad(), zoo.filled(indices):
        out = zoo(dense, indices, offsets)
        x = torch.relu(F.linear(dense, zoo.bottom[0].weight, zoo.bottom[0].bias))
        vectors = [x]
        for table in range(3):
            values = torch.from_numpy(entry_values(table, np.arange(model.each_table[table].entries), 8))
            vectors.append(F.embedding_bag(indices[table], values, offsets[table], mode="sum"))
        pairs = [(vectors[i] * vectors[j]).sum(dim=1, keepdim=True) for i in range(4) for j in range(i)]
        top = torch.relu(zoo.top[0](torch.cat([x, *pairs], dim=1)))
        expected = torch.sigmoid(zoo.top[2](top))
    assert out.shape == (3, 1)
    assert zoo.top[0].in_features == model.top_input
    torch.testing.assert_close(out, expected)


def test_zoo_tables_are_empty_again_after_their_batch():
    zoo = Dlrm(_model(), seed=1)
    _, indices, _ = next(inputs(_model(), 3, seed=1))
    with zoo.filled(indices):
        assert zoo.tables[0].weight.abs().sum() > 0
    if sys.platform == "linux":
        assert zoo.tables[0].weight.abs().sum() == 0


def test_building_a_zoo_model_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    Dlrm(_model(), seed=1)
    assert torch.equal(before, torch.random.get_rng_state())


SCRIPT = """
import sys
import torch
from torch import nn
print("hello from the script")
if __name__ == "__main__":
    bag = nn.EmbeddingBag(int(sys.argv[1]), 4, mode="sum")
    for _ in range(5):
        bag(torch.randint(0, 100, (3, 2)))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_a_script_runs_as_it_is(folder, capsys):
    (folder / "train.py").write_text(SCRIPT)
    heard = []
    trace = capture_target("train.py 100", out=folder / "t.parquet", seed=5, progress=heard.append)
    assert (trace.batches, trace.lookups) == (5, 30)
    assert trace.tables[0].entries == 100
    assert trace.meta == {"target": "train.py", "seed": 5, "capture": {"replayed_calls": 5}}
    assert heard[-1] == "train.py 100: batch 5"
    assert capsys.readouterr().out == ""  # standard output is the result's alone
    again = capture_target(f"{folder}/train.py 100", seed=5)
    assert trace_digest(again) == trace_digest(trace) == trace_digest(load_trace(folder / "t.parquet"))
    assert trace_digest(capture_target("train.py 100", seed=6)) != trace_digest(trace)


def test_a_script_is_stopped_after_the_batches_asked_for(folder):
    (folder / "train.py").write_text(SCRIPT)
    heard = []
    trace = capture_target("train.py 100", batches=2, progress=heard.append)
    assert (trace.batches, trace.lookups) == (2, 12)
    assert heard == ["train.py 100: batch 1 of 2", "train.py 100: batch 2 of 2"]


def test_a_script_of_functional_calls_alone(folder):
    (folder / "calls.py").write_text(
        "import torch\nfrom torch.nn import functional as F\n"
        "users, films = torch.randn(500, 16), torch.randn(300, 16)\n"
        "for _ in range(4):\n"
        "    ids, starts = torch.randint(0, 300, (40,)), torch.arange(0, 40, 4)\n"
        "    F.embedding_bag(ids, films, starts, mode='mean') + F.embedding(ids[:10], users)\n"
    )
    captured = run_captured("calls.py")
    trace = captured.trace
    assert (captured.check["calls"], captured.check["bags"]) == (8, 4 * 20)
    assert (trace.batches, trace.lookups) == (4, 4 * 50)
    assert [(t.entries, t.dim) for t in trace.tables] == [(300, 16), (500, 16)]


def test_a_script_that_infers_in_a_second_thread_is_one_clear_line(folder):
    (folder / "serve.py").write_text(
        "import threading\nimport torch\nfrom torch import nn\n"
        "bag = nn.EmbeddingBag(100, 8)\n"
        "thread = threading.Thread(target=bag, args=(torch.tensor([[1, 2]]),), name='server')\n"
        "thread.start()\nthread.join()\n"
    )
    message = (
        r"^embeddings were looked up in another thread \(server\), where capture cannot record them: run"
    )
    with pytest.raises(RecnmpError, match=message):
        capture_target("serve.py", out=Path("t.parquet"))
    assert not (folder / "t.parquet").exists()


FACTORY = """
import torch
from torch import nn
def positional():
    return nn.EmbeddingBag(100, 4), [(torch.tensor([1, 2, 3]), torch.tensor([0, 1])), torch.tensor([[5, 6]])]
def named():
    return nn.EmbeddingBag(100, 4), ({"input": torch.tensor([[i, 2]])} for i in range(3))
def wrong():
    return 3
"""


def test_a_factory_gives_a_model_and_its_inputs(folder):
    (folder / "mine_a.py").write_text(FACTORY)
    trace = capture_target("mine_a:positional")
    assert (trace.batches, trace.entry.tolist()) == (2, [1, 2, 3, 5, 6])
    trace = capture_target("mine_a:named", batches=2)
    assert (trace.batches, trace.entry.tolist()) == (2, [0, 2, 1, 2])


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("zoo:rm9", {}, r"no zoo model 'rm9'; there are .*rm1.*; did you mean 'rm"),
        ("zoo:", {}, "no zoo model ''"),
        ("absent.py", {}, "absent.py: no such script"),
        ("rm1", {}, "'rm1' is no target: give zoo:NAME, SCRIPT.py or MODULE:FACTORY"),
        ("", {}, "is no target"),
        ("'open.py", {}, "No closing quotation"),
        ("absent_module:factory", {}, "absent_module:factory: no module 'absent_module'"),
        ("mine_b:nothing", {}, "mine_b:nothing: module 'mine_b' has no callable 'nothing'"),
        ("mine_b:wrong", {}, r"mine_b:wrong\(\) must return a model and an iterable of its inputs"),
        ("mine_b:named", {"batch_size": 4}, "only a zoo model's batch size can be set"),
        ("zoo:rm1", {"seed": -1}, "seed -1 is negative"),
        ("zoo:rm1", {"out": Path("nowhere/t.parquet")}, "there is no folder nowhere to write to"),
    ],
)
def test_targets_that_cannot_be_run_are_one_clear_line(folder, target, options, message):
    (folder / "mine_b.py").write_text(FACTORY)
    with pytest.raises(ConfigError, match=message) as failure:
        capture_target(target, **options)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\n\n1 / 0\n", r"^bad\.py:3: ZeroDivisionError: division by zero$"),
        ("import torch\ntorch.nn.Embedding(3, 2)(torch.tensor([7]))\n", r"^bad\.py:2: IndexError"),
        ("import absent_thing\n", r"^bad\.py:1: ModuleNotFoundError: No module named 'absent_thing'$"),
        ("def f(:\n", r"^bad\.py:1: SyntaxError"),
        ("raise SystemExit(3)\n", r"^bad\.py: exited with 3$"),
        ("x = 1\n", "nothing was captured"),
    ],
)
def test_a_script_that_fails_is_one_line_with_its_place(folder, text, message):
    (folder / "bad.py").write_text(text)
    with pytest.raises(RecnmpError, match=message) as failure:
        capture_target("bad.py", out=Path("t.parquet"))
    assert "\n" not in str(failure.value)
    assert not (folder / "t.parquet").exists()


def test_a_factory_whose_model_fails_is_one_line_with_its_place(folder):
    (folder / "mine_c.py").write_text(
        "import torch\ndef make():\n    return (\n        lambda i: torch.nn.Embedding(3, 2)(i),\n"
        "        [torch.tensor([7])],\n    )\n"
    )
    with pytest.raises(RecnmpError, match=r"^mine_c\.py:4: IndexError: index out of range"):
        capture_target("mine_c:make")


def test_leaving_with_success_is_no_failure(folder):
    (folder / "train.py").write_text(SCRIPT + "    sys.exit(0)\n")
    assert capture_target("train.py 100").batches == 5


def test_the_arguments_and_the_search_path_are_given_back(folder):
    (folder / "train.py").write_text(SCRIPT)
    argv, path = list(sys.argv), list(sys.path)
    capture_target("train.py 100")
    assert (sys.argv, sys.path) == (argv, path)


def test_without_pytorch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("recnmp.trace.capture")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"capturing needs PyTorch: install torch .* 'recnmp\[torch\]'"):
        __import__("recnmp.trace.capture")
