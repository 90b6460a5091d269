"""TorchRec models in a user's own script, captured as they are and replayed from the trace file.

Where TorchRec is not installed, ``tests/reference/torchrec_like.py`` takes its name; the fused and quantised
collections, which are FBGEMM's operators, need the real libraries.
"""

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="capture runs PyTorch models")

from reference import torchrec_like  # noqa: E402

from recnmp.trace.running import run_captured  # noqa: E402
from recnmp.trace.storage import load_trace  # noqa: E402

SCRIPT = """
import sys

import torch
from torch import nn
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor

KEYS, ENTRIES = ["user", "film", "seen"], {"users": 1000, "films": 200}
WEIGHTED = sys.argv[1] == "weighted"


class Dlrm(nn.Module):
    def __init__(self):
        super().__init__()
        tables = [
            EmbeddingBagConfig(name="users", embedding_dim=16, num_embeddings=1000, feature_names=["user"]),
            EmbeddingBagConfig(
                name="films", embedding_dim=8, num_embeddings=200, feature_names=["film", "seen"]
            ),
        ]
        self.sparse = EmbeddingBagCollection(tables=tables, is_weighted=WEIGHTED, device=torch.device("cpu"))
        self.dense = nn.Sequential(nn.Linear(7, 16), nn.ReLU())
        self.over = nn.Sequential(nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, dense, features):
        self.pooled = self.sparse(features).values()
        return self.over(torch.cat([self.dense(dense), self.pooled], dim=1))


def batch(n):
    lengths = torch.randint(0, 6, (3 * n,))
    sizes = lengths.view(3, n).sum(dim=1).tolist()
    values = torch.cat([torch.randint(0, e, (k,)) for e, k in zip((1000, 200, 200), sizes)])
    weights = torch.rand(len(values)) if WEIGHTED else None
    return torch.rand(n, 7), KeyedJaggedTensor.from_lengths_sync(
        keys=KEYS, values=values, lengths=lengths, weights=weights
    )


model, pooled = Dlrm(), []
before = {name: bag.weight.detach().clone() for name, bag in model.sparse.embedding_bags.items()}
if sys.argv[2] == "train":
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = nn.functional.binary_cross_entropy_with_logits(model(*batch(32)), torch.ones(32, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        pooled.append(model.pooled.detach())
else:
    with torch.inference_mode():
        for _ in range(3):
            model(*batch(32))
            pooled.append(model.pooled)
torch.save({"pooled": torch.stack(pooled), "weights": before}, "seen.pt")
"""


@pytest.fixture(params=["stand-in", "real"])
def library(request, monkeypatch):
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "torchrec", torchrec_like)
    else:
        pytest.importorskip("torchrec", reason="TorchRec is not installed")


@pytest.mark.filterwarnings("ignore")  # TorchRec's own
@pytest.mark.parametrize("weighted", ["plain", "weighted"])
@pytest.mark.parametrize("mode", ["infer", "train"])
@pytest.mark.usefixtures("library")
def test_a_users_torchrec_model_is_captured_and_its_trace_replays(tmp_path, monkeypatch, weighted, mode):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dlrm.py").write_text(SCRIPT)

    captured = run_captured("dlrm.py", arguments=[weighted, mode], out=tmp_path / "t.parquet")

    trace = load_trace(tmp_path / "t.parquet")
    assert captured.check is not None
    assert captured.check["bags"] == trace.bags == 3 * 3 * 32
    assert (trace.batches, trace.samples) == (3, 96)
    assert [(t.entries, t.dim) for t in trace.tables] == [(1000, 16), (200, 8)]
    assert [t.name for t in trace.tables] == ["sparse.embedding_bags.users", "sparse.embedding_bags.films"]
    assert (trace.weight is not None) == (weighted == "weighted")
    seen = torch.load(tmp_path / "seen.pt", weights_only=True)
    tables = [weight.numpy() for weight in seen["weights"].values()]
    batches = 1 if mode == "train" else 3  # the weights are those before the first step
    for batch, theirs in enumerate(seen["pooled"][:batches].numpy()):
        calls = trace.calls.table.reshape(3, 3)[batch], trace.calls.first_bag.reshape(3, 3)[batch]
        replayed = [_pooled(trace, tables[table], first) for table, first in zip(*calls, strict=True)]
        np.testing.assert_allclose(np.concatenate(replayed, axis=1), theirs, rtol=1e-5, atol=1e-6)


def _pooled(trace, weight, first):
    """Pool the 32 bags from ``first`` on by NumPy, from the columns of the trace alone."""
    out = np.zeros((32, weight.shape[1]), np.float32)
    span = slice(*np.searchsorted(trace.bag, [first, first + 32]))
    vectors = weight[trace.entry[span]]
    if trace.weight is not None:
        vectors = vectors * trace.weight[span, None]
    np.add.at(out, trace.bag[span].astype(np.int64) - first, vectors)
    return out


FBGEMM_SCRIPT = """
import sys

import torch
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor
from torchrec.inference.modules import quantize_embeddings
from torchrec.models.dlrm import DLRM
from torchrec.modules.fused_embedding_modules import FusedEmbeddingBagCollection

tables = [
    EmbeddingBagConfig(name="users", embedding_dim=16, num_embeddings=1000, feature_names=["user"]),
    EmbeddingBagConfig(name="films", embedding_dim=16, num_embeddings=200, feature_names=["film", "seen"]),
]
kind, cpu = sys.argv[1], torch.device("cpu")
if kind == "fused":
    sparse = FusedEmbeddingBagCollection(
        tables, optimizer_type=torch.optim.SGD, optimizer_kwargs={"lr": 0.1}, device=cpu
    )
else:
    sparse = EmbeddingBagCollection(tables=tables, device=cpu)
model = DLRM(sparse, 7, [32, 16], [32, 1])
types = {"fp32": torch.float32, "fp16": torch.float16, "int8": torch.qint8, "int4": torch.quint4x2}
if kind in types:
    model = quantize_embeddings(model, types[kind], inplace=True).eval()
for _ in range(3):
    lengths = torch.tensor([2, 0, 1, 0, 2, 0, 1, 1, 1])
    values = torch.tensor([5, 99, 3, 0, 49, 7, 7, 8])
    features = KeyedJaggedTensor.from_lengths_sync(
        keys=["user", "film", "seen"], values=values, lengths=lengths
    )
    out = model(torch.rand(3, 7), features)
    if kind == "fused":
        out.sum().backward()
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["fused", "fp32", "fp16", "int8", "int4"])
def test_torchrecs_collections_of_fbgemm_operators_where_they_are_installed(tmp_path, monkeypatch, kind):
    pytest.importorskip("torchrec", reason="TorchRec is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dlrm.py").write_text(FBGEMM_SCRIPT)

    captured = run_captured("dlrm.py", arguments=[kind], table_dtype="int8_rowwise")

    trace = captured.trace
    assert captured.check is not None
    assert (captured.check["bags"], captured.check["incomparable_bags"]) == (27, 0)
    assert trace.entry.tolist() == [5, 99, 3, 0, 49, 7, 7, 8] * 3
    assert [t.dim for t in trace.tables] == [16, 16]
    stored = "fp32" if kind in ("fused", "fp32") else "int8_rowwise"
    assert {t.dtype for t in trace.tables} == {stored}
    assert len(captured.notes) == (stored != "fp32")
