"""Ways to look embeddings up beyond PyTorch's own modules; each capture is replay-checked while it runs."""

import dataclasses
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="capture runs PyTorch models")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from recnmp.errors import RecnmpError  # noqa: E402
from recnmp.trace import layouts  # noqa: E402
from recnmp.trace.capture import Capture  # noqa: E402
from recnmp.trace.trace import POOLINGS  # noqa: E402

ENTRIES, DIM = 50, 8
INDICES = torch.tensor([3, 3, 49, 0, 7, 8, 9, 1])
OFFSETS = torch.tensor([0, 3, 3, 7])
MODES = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}


@pytest.fixture(params=MODES)
def mode(request):
    return MODES[request.param]


def _weight(seed=0, entries=ENTRIES, dim=DIM):
    return torch.randn(entries, dim, generator=torch.Generator().manual_seed(seed))


def _checked(capture):
    trace = capture.trace()
    assert capture.proof.calls == len(trace.calls)
    assert capture.proof.incomparable == 0
    return trace


def _quantised(kind, dtype=torch.quint8):
    from torch.ao.nn.quantized import Embedding, EmbeddingBag

    if kind == "embedding":
        made = Embedding(ENTRIES, DIM, dtype=dtype)
    else:
        made = EmbeddingBag(ENTRIES, DIM, mode="sum", include_last_offset=kind == "last", dtype=dtype)
    scales = torch.rand(ENTRIES) + 0.1
    zeros = torch.rand(ENTRIES) * 5
    made.set_weight(torch.quantize_per_channel(_weight(), scales, zeros, 0, dtype))
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, of its quantised modules
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["bag", "last", "embedding"])
def test_packed_tables_of_bytes(mode, kind):
    module = nn.Sequential(_quantised(kind))
    with mode(), Capture() as capture:
        for _ in range(2):
            inner = module[0]
            inner(INDICES) if kind == "embedding" else inner(INDICES, OFFSETS)
    trace = _checked(capture)
    assert [(t.entries, t.dim, t.dtype) for t in trace.tables] == [(ENTRIES, DIM, "int8_rowwise")]
    read = INDICES[:7] if kind == "last" else INDICES
    assert trace.entry.tolist() == read.tolist() * 2
    assert trace.batches == 2
    assert {POOLINGS[p] for p in trace.calls.pooling} == {"none" if kind == "embedding" else "sum"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_packed_table_has_the_name_of_its_module():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.users, self.items = _quantised("bag"), _quantised("bag")

        def forward(self):
            return self.users(INDICES, OFFSETS) + self.items(INDICES, OFFSETS)

    with Capture() as capture:
        Model()()
    assert [table.name for table in _checked(capture).tables] == ["users", "items"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_model_that_was_prepared_and_converted(mode):
    from torch.ao.quantization import convert, float_qparams_weight_only_qconfig, prepare

    model = nn.Sequential(nn.EmbeddingBag(ENTRIES, DIM, mode="sum", include_last_offset=True)).eval()
    model[0].qconfig = float_qparams_weight_only_qconfig
    converted = convert(prepare(model))
    with mode(), Capture() as capture:
        converted[0](INDICES, torch.tensor([0, 3, 8]))
    assert _checked(capture).tables[0].dtype == "int8_rowwise"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_rows_of_bytes(mode, weighted, last):
    packed = torch.ops.quantized.embedding_bag_byte_prepack(_weight())
    scale = torch.linspace(-2, 2, 8) if weighted else None
    with mode(), Capture() as capture:
        torch.ops.quantized.embedding_bag_byte_prepack(_weight())  # no lookup
        torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
            packed, INDICES, OFFSETS, per_sample_weights=scale, include_last_offset=last
        )
    trace = _checked(capture)
    assert (trace.weight is not None) == weighted
    assert (trace.tables[0].entry_bytes, trace.bags) == (DIM + 8, 4 - last)


def test_rows_of_bytes_of_a_slice_count_from_the_whole_table(mode):
    packed = torch.ops.quantized.embedding_bag_byte_prepack(_weight())
    with mode(), Capture() as capture:
        torch.ops.quantized.embedding_bag_byte_rowwise_offsets(packed[10:20], INDICES % 10, OFFSETS)
    assert _checked(capture).entry.tolist() == (INDICES % 10 + 10).tolist()


def _look_up_bits(form):
    if form == "bag":
        return _quantised("bag", torch.quint4x2)(INDICES, OFFSETS)
    if form == "embedding":
        return _quantised("embedding", torch.quint4x2)(INDICES)
    rows = getattr(torch.ops.quantized, f"embedding_bag_{form}_prepack")(_weight())
    weights = torch.linspace(-2, 2, 8)
    operator = getattr(torch.ops.quantized, f"embedding_bag_{form}_rowwise_offsets")
    return operator(rows, INDICES, OFFSETS, per_sample_weights=weights)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["bag", "embedding", "4bit", "2bit"])
def test_tables_of_fewer_bits_are_recorded_as_a_type_that_a_trace_has(mode, form):
    with mode(), Capture(table_dtype="int8_rowwise") as capture:
        _look_up_bits(form)
    trace = _checked(capture)
    assert trace.entry.tolist() == INDICES.tolist()
    assert [(t.entries, t.dim, t.dtype) for t in trace.tables] == [(ENTRIES, DIM, "int8_rowwise")]
    bits = 2 if form == "2bit" else 4
    assert capture.recorded_as == {f"{bits}-bit codes with FP16 scale and bias": "int8_rowwise"}
    assert "the bytes of an entry are not" in capture.notes[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["bag", "4bit"])
def test_without_being_told_as_which_they_are_an_error(form):
    with (
        pytest.raises(RecnmpError, match=r"4-bit codes .*no such type; --table-dtype.*fp32 or int8"),
        Capture(),
    ):
        _look_up_bits(form)


def test_a_table_of_fewer_bits_that_computes_something_else_is_found(monkeypatch):
    wrong = dataclasses.replace(layouts.ROWS_OF_4_BITS, in_front=True)
    monkeypatch.setattr(layouts, "ROWS_OF_4_BITS", wrong)
    with pytest.raises(RecnmpError, match="capture check failed"), Capture(table_dtype="fp32"):
        _quantised("bag", torch.quint4x2)(INDICES, OFFSETS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("pooling", ["sum", "mean", "none"])
def test_tables_of_other_floating_point_numbers(mode, dtype, pooling):
    weight = _weight().to(dtype)
    with mode(), Capture(table_dtype="fp32") as capture:
        if pooling == "none":
            F.embedding(INDICES, weight)
        else:
            F.embedding_bag(INDICES, weight, OFFSETS, mode=pooling)
    trace = _checked(capture)
    assert (trace.entry.tolist(), trace.tables[0].dtype) == (INDICES.tolist(), "fp32")
    assert capture.recorded_as.keys() == {
        {torch.float16: "FP16", torch.bfloat16: "BF16", torch.float64: "FP64"}[dtype]
    }


def test_pruned_tables_are_an_error():
    packed = torch.ops.quantized.embedding_bag_byte_prepack(_weight())
    with pytest.raises(RecnmpError, match="pruned embedding table"), Capture():
        torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
            packed,
            INDICES,
            OFFSETS,
            pruned_weights=True,
            compressed_indices_mapping=torch.arange(ENTRIES, dtype=torch.int32),
        )


GATHERS = {
    "index": lambda w: w[INDICES],
    "two dimensions": lambda w: w[INDICES.view(2, 4)].sum(dim=1),
    "negative": lambda w: w[torch.tensor([3, 3, -1, 0, 7, 8, 9, 1])],
    "index_select": lambda w: w.index_select(0, INDICES),
    "method of torch": lambda w: torch.index_select(w, 0, INDICES.int()),
    "list": lambda w: w[INDICES.tolist()],
}


@pytest.mark.parametrize("gather", GATHERS)
def test_indexing_of_a_parameter(mode, gather):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(_weight())

        def forward(self):
            return GATHERS[gather](self.table)

    with mode(), Capture() as capture:
        Model()()
    trace = _checked(capture)
    assert trace.entry.tolist() == INDICES.tolist()
    assert [(table.name, table.entries) for table in trace.tables] == [("table", ENTRIES)]


def test_indexing_of_buffers_slices_and_stacked_tables(mode):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", _weight(entries=30))
            self.stack = nn.Parameter(torch.randn(3, 10, DIM))

        def forward(self, ids):
            return self.table[20:][ids] + self.stack[2][ids]

    with mode(), Capture() as capture:
        Model()(torch.tensor([1, 9]))
    trace = _checked(capture)
    assert trace.entry.tolist() == [21, 29, 21, 29]
    assert [table.entries for table in trace.tables] == [30, 30]


def test_a_mask_reads_the_entries_that_it_selects(mode):
    table = nn.Parameter(_weight())
    with mode(), Capture() as capture:
        table[torch.arange(ENTRIES) % 10 == 3]
    assert _checked(capture).entry.tolist() == [3, 13, 23, 33, 43]


def test_registered_tensors_are_tables_when_they_are_indexed(mode):
    weight, other = _weight(1), _weight(2)
    with mode(), Capture(tables={"users": weight}) as capture:
        weight[5:][INDICES % 10]
        other[INDICES]
    trace = _checked(capture)
    assert [table.name for table in trace.tables] == ["users"]
    assert trace.entry.tolist() == (INDICES % 10 + 5).tolist()
    (note,) = capture.notes
    assert note.startswith("indexing of tensors that are no parameters, 1 time (make them parameters or give")


def test_a_table_that_an_operator_reads_may_be_indexed_too(mode):
    weight = _weight()
    with mode(), Capture() as capture:
        F.embedding(INDICES, weight)
        weight[INDICES]
    assert _checked(capture).lookups == 2 * len(INDICES)


def test_indexing_of_activations_is_no_lookup():
    model = nn.Sequential(nn.EmbeddingBag(ENTRIES, DIM, mode="sum"), nn.Linear(DIM, 4))
    with torch.no_grad(), Capture() as capture:
        out = model(INDICES.view(4, 2))
        out[torch.tensor([0, 1])]
        out[:, torch.tensor([0, 1])]
        torch.stack([out, out])[:, torch.tensor([0]), torch.tensor([1])]
    assert _checked(capture).lookups == len(INDICES)


FROZEN = {
    "frozen": lambda scripted: torch.jit.freeze(scripted),
    "optimised": lambda scripted: torch.jit.optimize_for_inference(scripted),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", FROZEN)
def test_frozen_graphs(mode, how):
    bag = nn.EmbeddingBag(ENTRIES, DIM, mode="sum").eval()
    frozen = FROZEN[how](torch.jit.script(bag))
    with mode(), Capture() as capture:
        frozen(INDICES, OFFSETS)
        frozen(INDICES, OFFSETS)
    trace = _checked(capture)
    assert (trace.lookups, len(trace.tables), trace.batches) == (16, 1, 2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("precompiled", [False, True])
@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_compiled_models_run_eagerly_and_are_seen(mode, backend, precompiled):
    if backend == "inductor" and precompiled and not shutil.which("g++"):
        pytest.skip("inductor needs a C++ compiler")
    bag = nn.EmbeddingBag(ENTRIES, DIM, mode="sum").eval()
    model = torch.compile(bag, backend=backend)
    with mode():
        if precompiled:
            model(INDICES, OFFSETS)
        with Capture() as capture:
            model(INDICES, OFFSETS)
    assert _checked(capture).entry.tolist() == INDICES.tolist()
    assert capture.notes == ["compiled code ran eagerly: its operators are those that were compiled"]


def test_exporting_a_model_under_capture_looks_nothing_up():
    bag = nn.EmbeddingBag(ENTRIES, DIM, mode="sum").eval()
    with torch.no_grad(), Capture() as capture:
        exported = torch.export.export(bag, (INDICES, OFFSETS)).module()
        before = capture.proof.calls
        exported(INDICES, OFFSETS)
    assert (before, capture.proof.calls) == (0, 1)
    assert _checked(capture).entry.tolist() == INDICES.tolist()


def test_subclasses_of_modules(mode):
    class Mine(nn.EmbeddingBag):
        def forward(self, indices):
            return super().forward(indices % self.num_embeddings) * 2

    with mode(), Capture() as capture:
        Mine(ENTRIES, DIM, mode="mean")(INDICES.view(2, 4) + ENTRIES)
    assert _checked(capture).entry.tolist() == INDICES.tolist()


def _in_a_thread_class(run):
    class Worker(threading.Thread):
        def run(self):
            run()

    worker = Worker(name="worker")
    worker.start()
    worker.join()


def _in_a_pool(run):
    with ThreadPoolExecutor(1, thread_name_prefix="worker") as pool:
        pool.submit(run).result()


@pytest.mark.parametrize("start", [_in_a_thread_class, _in_a_pool])
@pytest.mark.parametrize("also_here", [False, True])
def test_functional_calls_in_another_thread_are_an_error_that_names_it(mode, start, also_here):
    weight = _weight()

    def run():
        with mode():
            F.embedding_bag(INDICES, weight, OFFSETS, mode="sum")

    before = threading.getprofile()
    with Capture() as capture:
        start(run)
        if also_here:
            run()
    with pytest.raises(
        RecnmpError, match=r"looked up in another thread \(worker.*run the model in the thread"
    ):
        capture.trace()
    assert threading.getprofile() is before


def test_a_module_in_a_thread_that_ran_before_is_an_error_that_names_it():
    bag = nn.EmbeddingBag(ENTRIES, DIM)
    with ThreadPoolExecutor(1, thread_name_prefix="early") as pool:
        pool.submit(int).result()
        with Capture() as capture:
            pool.submit(bag, INDICES, OFFSETS).result()
    with pytest.raises(RecnmpError, match=r"another thread \(early"):
        capture.trace()


def test_threads_that_look_nothing_up_do_no_harm():
    bag = nn.EmbeddingBag(ENTRIES, DIM)
    with Capture() as capture, ThreadPoolExecutor(1) as pool:
        pool.submit(torch.relu, torch.ones(3)).result()
        bag(INDICES, OFFSETS)
    assert _checked(capture).lookups == len(INDICES)


def test_what_was_not_recorded_as_it_happened_is_found():
    with Capture() as capture:
        F.embedding_bag(INDICES, _weight(), OFFSETS, mode="sum")
        F.embedding_bag(INDICES, _weight(), OFFSETS, mode="sum")
    trace = capture.trace()
    trace.entry[9] += 1
    with pytest.raises(RecnmpError, match="call 1 of the trace is not what was replayed"):
        capture.proof.confirm(trace)


def test_an_operator_that_pools_something_else_is_found(monkeypatch):
    from recnmp.trace import operators

    read = operators.READERS["aten::embedding"]

    def misread(name, given, result, tables):
        (call,) = read(name, given, result, tables)
        call.entry[2] = 5
        return [call]

    monkeypatch.setitem(operators.READERS, "aten::embedding", misread)
    message = r"check failed: call 1 \(aten::embedding on table 1\), bag 2, element 0: the model has .*, the replayed"
    with Capture() as capture:
        F.embedding_bag(INDICES, _weight(1), OFFSETS, mode="sum")
        with pytest.raises(RecnmpError, match=message):
            F.embedding(INDICES, _weight(2))
    with Capture(check=False) as capture:
        F.embedding(INDICES, _weight(2))
    assert capture.proof is None
    assert capture.trace().entry[2] == 5


def test_long_bags_of_noisy_values_pass_the_check():
    weight = _weight(entries=100_000) * torch.logspace(-6, 6, 100_000)[:, None]
    indices = torch.randint(0, 100_000, (200_000,), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), Capture() as capture:
        F.embedding_bag(indices, weight, torch.tensor([0, 5, 150_000]), mode="sum")
        F.embedding_bag(indices, weight, torch.tensor([0, 5, 150_000]), mode="mean")
    assert _checked(capture).bags == 6
    assert capture.proof.largest_difference > 0


def test_values_that_are_not_finite_are_told_apart_from_proof():
    weight = _weight()
    weight[3, 1], weight[8, 0] = float("nan"), float("inf")
    with Capture() as capture:
        F.embedding_bag(INDICES, weight, OFFSETS, mode="sum")
    assert capture.trace().lookups == len(INDICES)
    assert capture.proof.incomparable == 2
    assert capture.notes == ["2 bags hold values that are not finite and prove nothing"]


def test_weights_that_change_between_calls_do_not_disturb_the_check():
    weight = _weight()
    with Capture() as capture:
        for _ in range(3):
            F.embedding_bag(INDICES, weight, OFFSETS, mode="sum")
            weight.add_(1.0)
    assert _checked(capture).batches == 3


def test_arguments_that_the_model_writes_over_are_recorded_as_they_were(mode):
    indices, offsets, weights = INDICES.clone(), OFFSETS.clone(), torch.linspace(1, 2, 8)
    with mode(), Capture() as capture:
        F.embedding_bag(indices, _weight(), offsets, mode="sum", per_sample_weights=weights)
        for argument in (indices, offsets, weights):
            argument.zero_()
    trace = _checked(capture)
    assert trace.entry.tolist() == INDICES.tolist()
    assert trace.bag.tolist() == [0, 0, 0, 2, 2, 2, 2, 3]
    np.testing.assert_array_equal(trace.weight, np.linspace(1, 2, 8, dtype=np.float32))


def test_the_time_that_capture_takes_is_counted():
    with Capture() as capture:
        F.embedding_bag(INDICES, _weight(), OFFSETS, mode="sum")
    assert 0 < capture.own_seconds < 60
    assert np.isfinite(capture.own_seconds)
