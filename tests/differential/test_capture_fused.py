"""FBGEMM's table-batched operators, by schema, and TorchRec's collections of tables.

Neither library is needed: operators of the same names and arguments (release 1.8) stand in for FBGEMM's,
in plain PyTorch. Where the libraries are installed, theirs are captured, too.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="capture runs PyTorch models")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from recnmp.errors import RecnmpError  # noqa: E402
from recnmp.trace.capture import Capture  # noqa: E402
from recnmp.trace.readers import reader_of  # noqa: E402
from recnmp.trace.trace import POOLINGS  # noqa: E402

SHAPES = [(10, 8), (7, 4)]  # entries and dim of two tables
FEATURES = [0, 1, 0]  # the table of each feature
D_OFFSETS = torch.tensor([0, 8, 12, 20], dtype=torch.int32)
CUMSUM = torch.tensor([0, 10, 0, 17])
STARTS = torch.tensor([0, 80, 0])
INDICES = torch.tensor([1, 2, 3, 4, 5, 6, 0])
OFFSETS = torch.tensor([0, 2, 3, 4, 5, 5, 7])  # three features of two samples

NAMED = {
    "split_embedding_codegen_forward_cpu": "(Tensor weights, Tensor weights_offsets, Tensor D_offsets, "
    "SymInt total_D, Tensor hash_size_cumsum, Tensor indices, Tensor offsets, int pooling_mode, "
    "Tensor indice_weights, int output_dtype) -> Tensor",
    "split_embedding_nobag_codegen_forward_cpu": "(Tensor weights, Tensor weights_offsets, int D, "
    "Tensor hash_size_cumsum, Tensor indices, Tensor offsets, int output_dtype) -> Tensor",
    "split_embedding_codegen_forward_unweighted_pt2_wrapper": "(Tensor host_weights, Tensor dev_weights, "
    "Tensor uvm_weights, Tensor lxu_cache_weights, Tensor weights_placements, Tensor weights_offsets, "
    "Tensor D_offsets, SymInt total_D, SymInt max_D, Tensor hash_size_cumsum, Tensor indices, "
    "Tensor offsets, int pooling_mode, Tensor indice_weights, Tensor lxu_cache_locations, "
    "Tensor uvm_cache_stats, bool is_experimental, int output_dtype) -> Tensor",
    "split_embedding_codegen_lookup_sgd_function_pt2": "(Tensor placeholder_autograd_tensor, "
    "Tensor[] weights, Tensor D_offsets, SymInt total_D, SymInt max_D, Tensor hash_size_cumsum, "
    "int total_hash_size_bits, Tensor indices, Tensor offsets, int pooling_mode, Tensor? indice_weights, "
    "Tensor? feature_requires_grad, int output_dtype) -> Tensor",
    "dense_embedding_codegen_lookup_function": "(Tensor dev_weights, Tensor weights_offsets, "
    "Tensor D_offsets, SymInt total_D, SymInt max_D, Tensor hash_size_cumsum, int total_hash_size_bits, "
    "Tensor indices, Tensor offsets, int pooling_mode, Tensor? indice_weights, "
    "Tensor? feature_requires_grad, int output_dtype=0, Tensor? B_offsets=None) -> Tensor",
    "int_nbit_split_embedding_codegen_lookup_function": "(Tensor dev_weights, Tensor uvm_weights, "
    "Tensor weights_placements, Tensor weights_offsets, Tensor weights_tys, Tensor D_offsets, "
    "SymInt total_D, int max_int2_D, int max_int4_D, int max_int8_D, int max_float16_D, int max_float32_D, "
    "Tensor indices, Tensor offsets, int pooling_mode, Tensor? indice_weights, int output_dtype=1, "
    "Tensor? lxu_cache_weights=None, Tensor? lxu_cache_locations=None, int? row_alignment=None) -> Tensor",
    "split_embedding_backward_codegen_cpu": "(Tensor grad, Tensor weights, Tensor indices) -> Tensor",
    "embedding_of_tomorrow": "(Tensor weights, Tensor ids) -> Tensor",
}


class _StandIn:
    """The operators, computing with the tables given; ``off`` is added to the first element of the output."""

    def __init__(self, library):
        self.tables = [torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in SHAPES]
        self.flat = torch.cat([table.reshape(-1) for table in self.tables] + [torch.zeros(4)])
        first, second = (table.reshape(-1).view(torch.uint8) for table in self.tables)
        gap = torch.zeros(64, dtype=torch.uint8)
        self.bytes = torch.cat([first, gap, second, gap[:16]])  # each table fills whole cache lines
        self.off = 0.0
        for name, schema in NAMED.items():
            library.define(name + schema)
            library.impl(name, self._answer(name, schema), "CPU")

    def _answer(self, name, schema):
        names = [part.split("=")[0].split()[-1] for part in schema[1 : schema.index(")")].split(", ")]

        def answer(*args, **kwargs):
            given = {**dict(zip(names, args, strict=False)), **kwargs}
            if "offsets" not in given:
                return torch.zeros(1)
            out = self._nobag(given) if "D" in given else self._pooled(given)
            out.reshape(-1)[0] += self.off
            return out.to([torch.float32, torch.float16, torch.uint8][given.get("output_dtype") or 0])

        return answer

    def _nobag(self, given):
        return self.tables[0][given["indices"]]

    def _pooled(self, given):
        offsets, batch, outs = given["offsets"].tolist(), (len(given["offsets"]) - 1) // len(FEATURES), []
        weights = given.get("indice_weights")
        weights = torch.ones(len(given["indices"])) if weights is None or not weights.numel() else weights
        if given["pooling_mode"] == 2:
            return torch.stack([self.tables[0][i] for i in given["indices"]])
        for feature, table in enumerate(FEATURES):
            for b in range(batch):
                span = slice(*offsets[feature * batch + b :][:2])
                indices = given["indices"][span].long()
                rows = self.tables[table][indices] * weights[span, None] * (indices >= 0)[:, None]
                pooled = rows.sum(dim=0)
                outs.append(pooled / max(len(rows), 1) if given["pooling_mode"] == 1 else pooled)
        columns = [torch.stack(outs[f * batch : (f + 1) * batch]) for f in range(len(FEATURES))]
        return torch.cat(columns, dim=1)


@pytest.fixture
def fbgemm():
    with torch.library._scoped_library("fbgemm", "FRAGMENT") as library:
        yield _StandIn(library)


EMPTY = torch.zeros(0)


def _call(stand_in, name, *, pooling=0, weights=EMPTY, flat=None):
    flat = stand_in.flat if flat is None else flat
    operator, size = getattr(torch.ops.fbgemm, name), (D_OFFSETS, 20)
    if name == "split_embedding_codegen_forward_cpu":
        return operator(flat, STARTS, *size, CUMSUM, INDICES, OFFSETS, pooling, weights, 0)
    if name == "dense_embedding_codegen_lookup_function":
        return operator(flat, STARTS, *size, 8, CUMSUM, 5, INDICES, OFFSETS, pooling, weights, None)
    if name == "split_embedding_codegen_lookup_sgd_function_pt2":
        lists = [flat, torch.tensor([3, 3, 3]), STARTS]
        return operator(EMPTY, lists, *size, 8, CUMSUM, 5, INDICES, OFFSETS, pooling, weights, None, 0)
    placements = torch.full((3,), 3)
    if name == "int_nbit_split_embedding_codegen_lookup_function":
        starts, types, none = torch.tensor([0, 384, 0]), torch.zeros(3), torch.zeros(0, dtype=torch.uint8)
        sizes = (0, 0, 0, 0, 8)
        arguments = (stand_in.bytes, none, placements, starts, types.to(torch.uint8), *size, *sizes)
        return operator(*arguments, INDICES.int(), OFFSETS.int(), pooling, weights, 1, row_alignment=1)
    arguments = (flat, EMPTY, EMPTY, EMPTY, placements, STARTS, *size, 8, CUMSUM, INDICES, OFFSETS, pooling)
    return operator(*arguments, weights, EMPTY, EMPTY, False, 0)


POOLING_OPERATORS = [name for name, schema in NAMED.items() if "D_offsets" in schema]


@pytest.mark.parametrize("pooling", [0, 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", POOLING_OPERATORS)
def test_pooling_operators(fbgemm, name, weighted, pooling):
    weights = torch.linspace(-1, 2, 7) if weighted else EMPTY
    with torch.inference_mode(), Capture() as capture:
        for _ in range(2):
            _call(fbgemm, name, pooling=pooling, weights=weights)
    trace = capture.trace()
    assert capture.proof.calls == 6
    assert capture.proof.incomparable == 0
    # int_nbit tables fill whole cache lines and come without their sizes: what fits counts as entries
    entries = [12, 8] if "nbit" in name else [10, 7]
    assert [(t.entries, t.dim) for t in trace.tables] == list(zip(entries, (8, 4), strict=True))
    assert trace.calls.table.tolist() == FEATURES * 2
    assert trace.calls.bags.tolist() == [2] * 6
    assert trace.entry.tolist() == INDICES.tolist() * 2
    assert trace.bag.tolist()[:7] == [0, 0, 1, 2, 3, 5, 5]
    assert {POOLINGS[p] for p in trace.calls.pooling} == {("sum", "mean")[pooling]}
    assert trace.batches == 2  # features that share a table end no batch
    assert (trace.weight is not None) == weighted


def test_tables_of_one_flat_weight_are_told_apart(fbgemm):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.host_weights = nn.Parameter(fbgemm.flat)

        def forward(self):
            return _call(fbgemm, "split_embedding_codegen_forward_cpu", flat=self.host_weights.detach())

    with Capture() as capture:
        Model()()
    tables = [(table.name, table.entries, table.dim) for table in capture.trace().tables]
    assert tables == [("host_weights", 10, 8), ("host_weights#1", 7, 4)]


def test_operators_that_pool_nothing(fbgemm):
    starts, offsets = torch.tensor([0]), torch.tensor([0, 3, 7])
    operator = torch.ops.fbgemm.split_embedding_nobag_codegen_forward_cpu
    with Capture() as capture:
        operator(fbgemm.flat[:80], starts, 8, torch.tensor([0, 10]), INDICES, offsets, 0)
    trace = capture.trace()
    assert (trace.bags, trace.entry.tolist()) == (7, INDICES.tolist())


def test_an_operator_that_computes_something_else_is_found_by_name(fbgemm):
    fbgemm.off = 0.01
    message = (
        r"capture check failed: call 0 \(fbgemm::split_embedding_codegen_forward_cpu on table 0\), bag 0"
    )
    with pytest.raises(RecnmpError, match=message), Capture():
        _call(fbgemm, "split_embedding_codegen_forward_cpu")


def test_gradients_are_no_lookups_and_unknown_operators_an_error(fbgemm):
    with Capture() as capture:
        torch.ops.fbgemm.split_embedding_backward_codegen_cpu(EMPTY, fbgemm.flat, INDICES)
        with pytest.raises(
            RecnmpError, match="calls fbgemm::embedding_of_tomorrow, an embedding operator unknown"
        ):
            torch.ops.fbgemm.embedding_of_tomorrow(fbgemm.flat, INDICES)
    with pytest.raises(RecnmpError, match="nothing was captured"):
        capture.trace()


def _entry_bytes(row, kind):
    """Return an entry as FBGEMM's inference tables hold it, and what it says."""
    if kind in (1, 5):
        typed = row.to(torch.float16 if kind == 1 else torch.bfloat16)
        return typed.view(torch.uint8), typed.float()
    bits = {2: 8, 3: 4, 4: 2}[kind]
    bias, top = row.min().half(), 2**bits - 1
    scale = ((row.max() - bias) / top).half()
    codes = ((row - bias) / scale).round().clamp(0, top).to(torch.uint8)
    per = 8 // bits
    octets = sum(codes[place::per].int() << (bits * place) for place in range(per)).to(torch.uint8)
    said = codes.float() * scale.float() + bias.float()
    return torch.cat([torch.stack([scale, bias]).view(torch.uint8), octets]), said


def _call_nbit(stand_in, kinds, indices=INDICES, alignment=16, **options):
    """Look up in tables of FBGEMM's types ``kinds``; the stand-in then computes with what their bytes say."""
    flat, starts, said = [], [], []
    for table, kind in zip(stand_in.tables, kinds, strict=True):
        rows = [_entry_bytes(row, kind) for row in table]
        said.append(torch.stack([row for _, row in rows]))
        starts.append(sum(len(part) for part in flat))
        flat += [F.pad(octets, (0, -len(octets) % alignment)) for octets, _ in rows]
        flat.append(torch.zeros(-sum(len(part) for part in flat) % 128, dtype=torch.uint8))
    stand_in.tables = said
    operator = torch.ops.fbgemm.int_nbit_split_embedding_codegen_lookup_function
    types, none = torch.tensor([kinds[t] for t in FEATURES]).byte(), torch.zeros(0, dtype=torch.uint8)
    arguments = (torch.cat(flat), none, torch.zeros(3).int(), torch.tensor([starts[t] for t in FEATURES]))
    sizes = (0, 8, 8, 8, 0)
    given = {
        "pooling_mode": 0,
        "indice_weights": None,
        "output_dtype": 0,
        "row_alignment": alignment,
        **options,
    }
    return operator(*arguments, types, D_OFFSETS, 20, *sizes, indices.int(), OFFSETS.int(), **given)


@pytest.mark.parametrize("alignment", [1, 16])
@pytest.mark.parametrize("kinds", [(1, 5), (2, 3), (3, 2), (4, 1)])
def test_inference_tables_of_other_types(fbgemm, kinds, alignment):
    with Capture(table_dtype="int8_rowwise") as capture:
        _call_nbit(fbgemm, kinds, alignment=alignment)
    trace = capture.trace()
    assert trace.entry.tolist() == INDICES.tolist()
    assert [(t.dim, t.dtype) for t in trace.tables] == [(8, "int8_rowwise"), (4, "int8_rowwise")]
    assert len(capture.recorded_as) == 2
    fbgemm.off = 0.5
    with pytest.raises(RecnmpError, match="capture check failed"), Capture(table_dtype="int8_rowwise"):
        _call_nbit(fbgemm, kinds, alignment=alignment)


def test_weights_of_half_precision(fbgemm):
    fbgemm.tables = [table.half().float() for table in fbgemm.tables]
    with Capture(table_dtype="fp32") as capture:
        _call(fbgemm, "split_embedding_codegen_forward_cpu", flat=fbgemm.flat.half())
    assert capture.trace().entry.tolist() == INDICES.tolist()
    assert capture.recorded_as == {"FP16": "fp32"}


def test_pruned_entries_are_not_read(fbgemm):
    pruned = torch.tensor([1, -1, 3, 4, -1, 6, 0])
    with Capture(table_dtype="int8_rowwise") as capture:
        _call_nbit(fbgemm, (2, 3), pruned)
    trace = capture.trace()
    assert (trace.entry.tolist(), trace.bag.tolist(), trace.bags) == ([1, 3, 4, 6, 0], [0, 1, 2, 5, 5], 6)
    message = "other than sums over pruned entries"
    with pytest.raises(RecnmpError, match=message), Capture(table_dtype="fp32"):
        _call_nbit(fbgemm, (2, 3), pruned, pooling_mode=1)


def test_what_is_not_known_of_inference_tables_is_refused_by_name(fbgemm):
    operator = torch.ops.fbgemm.int_nbit_split_embedding_codegen_lookup_function
    flat, none = torch.zeros(800, dtype=torch.uint8), torch.zeros(0, dtype=torch.uint8)
    for kind, named in ((6, "FP8"), (7, "MX4"), (9, "type 9")):
        types, starts = torch.full((3,), kind, dtype=torch.uint8), torch.tensor([0, 400, 0])
        arguments = (flat, none, torch.full((3,), 3), starts, types, D_OFFSETS, 20, 0, 0, 8, 0, 0)
        with pytest.raises(RecnmpError, match=f"on a table of {named}: capture knows FP32, FP16"), Capture():
            operator(*arguments, INDICES, OFFSETS, 0, None)
    message = r"lookup_function for pooled vectors of torch.uint8: not supported"
    with pytest.raises(RecnmpError, match=message), Capture():
        _call_nbit(fbgemm, (2, 3), output_dtype=2)


def test_batches_that_differ_between_features_are_an_error(fbgemm):
    operator = torch.ops.fbgemm.dense_embedding_codegen_lookup_function
    arguments = (fbgemm.flat, STARTS, D_OFFSETS, 20, 8, CUMSUM, 5, INDICES, OFFSETS, 0, None, None)
    with pytest.raises(RecnmpError, match="a batch of its own for every feature"), Capture():
        operator(*arguments, 0, torch.tensor([0, 2, 4, 6]))


def test_operators_that_move_pooled_vectors_look_nothing_up():
    names = ("permute_multi_embedding", "merge_pooled_embeddings", "recat_embedding_grad_output_mixed_D")
    assert [reader_of(f"fbgemm::{name}", {"pooled_embs"}) for name in names] == [None] * 3


class _Collection(nn.Module):
    """What TorchRec's EmbeddingBagCollection does: a bag of each feature's values, lengths as offsets."""

    def __init__(self):
        super().__init__()
        bags = {
            name: nn.EmbeddingBag(*shape, mode=mode, include_last_offset=True)
            for name, shape, mode in (("users", (100, 8), "sum"), ("films", (50, 4), "mean"))
        }
        self.embedding_bags = nn.ModuleDict(bags)

    def forward(self, values, lengths):
        pooled = []
        for feature, (name, bag) in enumerate(self.embedding_bags.items()):
            offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths[feature].cumsum(0)])
            pooled.append(bag(input=values[name], offsets=offsets, per_sample_weights=None))
        return torch.cat(pooled, dim=1)


def test_a_collection_of_embedding_bags():
    values = {"users": torch.tensor([5, 99, 3]), "films": torch.tensor([0, 49])}
    lengths = torch.tensor([[2, 0, 1], [0, 2, 0]])
    with torch.inference_mode(), Capture() as capture:
        _Collection()(values, lengths)
    trace = capture.trace()
    assert [table.name for table in trace.tables] == ["embedding_bags.users", "embedding_bags.films"]
    assert trace.bag.tolist() == [0, 0, 2, 4, 4]
    assert trace.bags == 6


@pytest.mark.filterwarnings("ignore")
def test_torchrecs_own_collection_where_it_is_installed():
    torchrec = pytest.importorskip("torchrec", reason="TorchRec is not installed")
    config = torchrec.EmbeddingBagConfig
    collection = torchrec.EmbeddingBagCollection(
        tables=[
            config(name="users", embedding_dim=8, num_embeddings=100, feature_names=["user"]),
            config(name="films", embedding_dim=4, num_embeddings=50, feature_names=["item", "seen"]),
        ]
    )
    jagged = torchrec.KeyedJaggedTensor.from_lengths_sync(
        keys=["user", "item", "seen"],
        values=torch.tensor([5, 99, 3, 0, 49, 7, 7, 8]),
        lengths=torch.tensor([2, 0, 1, 0, 2, 0, 1, 1, 1]),
    )
    with torch.inference_mode(), Capture() as capture:
        collection(jagged)
    trace = capture.trace()
    assert [table.name for table in trace.tables] == ["embedding_bags.users", "embedding_bags.films"]
    assert trace.entry.tolist() == [5, 99, 3, 0, 49, 7, 7, 8]


@pytest.mark.filterwarnings("ignore")
def test_fbgemms_own_modules_where_they_are_installed():
    ops = pytest.importorskip(
        "fbgemm_gpu.split_table_batched_embeddings_ops_training", reason="FBGEMM is not installed"
    )
    where = (ops.EmbeddingLocation.HOST, ops.ComputeDevice.CPU)
    module = ops.SplitTableBatchedEmbeddingBagsCodegen(
        [(*shape, *where) for shape in SHAPES], feature_table_map=FEATURES
    )
    module.init_embedding_weights_uniform(-1, 1)
    with Capture() as capture:
        module(INDICES, OFFSETS)
    trace = capture.trace()
    assert trace.entry.tolist() == INDICES.tolist()
    assert [(t.entries, t.dim) for t in trace.tables] == SHAPES
    assert np.isclose(capture.proof.largest_difference, 0, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("types", [("FP16", "FP32"), ("INT8", "INT4"), ("INT4", "INT2"), ("INT2", "INT8")])
def test_fbgemms_own_inference_tables_where_they_are_installed(types):
    ops = pytest.importorskip(
        "fbgemm_gpu.split_table_batched_embeddings_ops_inference", reason="FBGEMM is not installed"
    )
    kinds, host = [getattr(ops.SparseType, name) for name in types], ops.EmbeddingLocation.HOST
    specs = [("", *shape, kind, host) for shape, kind in zip(SHAPES, kinds, strict=True)]
    module = ops.IntNBitTableBatchedEmbeddingBagsCodegen(
        specs, feature_table_map=FEATURES, device="cpu", output_dtype=ops.SparseType.FP32
    )
    module.fill_random_weights()
    content = []
    for (codes, scales), name in zip(module.split_embedding_weights(), types, strict=True):
        if scales is None:
            numbers = torch.randn(SHAPES[len(content)]).to(torch.float16 if name == "FP16" else torch.float32)
            content.append((numbers.view(torch.uint8), None))
        else:
            content.append((codes, torch.rand(len(codes), 2).half().view(torch.uint8)))
    module.assign_embedding_weights(content)
    with torch.inference_mode(), Capture(table_dtype="int8_rowwise") as capture:
        out = module(INDICES.int(), OFFSETS.int(), per_sample_weights=torch.linspace(-1, 2, 7))
    trace = capture.trace()
    assert trace.entry.tolist() == INDICES.tolist()
    assert (capture.proof.calls, capture.proof.incomparable) == (3, 0)
    assert out.abs().sum() > 1  # proof of nothing else than zeros would be none
