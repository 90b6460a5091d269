"""What is captured, replayed by NumPy, is what the model computed: for every way to look embeddings up."""

import contextlib
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="capture runs PyTorch models")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from recnmp.errors import RecnmpError  # noqa: E402
from recnmp.trace.capture import Capture  # noqa: E402
from recnmp.trace.trace import POOLINGS, Trace  # noqa: E402

ENTRIES, DIM = 50, 6
MODES = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode, "grad": contextlib.nullcontext}


@pytest.fixture(params=MODES)
def mode(request):
    return MODES[request.param]


def _weight(seed=0, entries=ENTRIES, dim=DIM):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-8, 9, (entries, dim), generator=generator).float()


def _pooled(trace: Trace, weights: list) -> list[np.ndarray]:
    """Return the output of each call of ``trace``, computed by NumPy from its tables' weights."""
    outputs, calls = [], trace.calls
    for table, first, bags, pooling in zip(
        calls.table, calls.first_bag, calls.bags, calls.pooling, strict=True
    ):
        weight = weights[table].numpy()
        output = np.zeros((bags, weight.shape[1]), np.float32)
        for bag in range(bags):
            mine = trace.bag == first + bag
            assert np.all(trace.table[mine] == table)
            rows = weight[trace.entry[mine]]
            if trace.weight is not None:
                rows = rows * trace.weight[mine][:, None]
            if len(rows):
                how = {"sum": rows.sum, "mean": rows.mean, "max": rows.max, "none": rows.sum}
                output[bag] = how[POOLINGS[pooling]](axis=0)
        outputs.append(output)
    return outputs


def _assert_replays(capture: Capture, weights, outputs) -> Trace:
    trace = capture.trace()
    replayed = _pooled(trace, weights)
    assert len(replayed) == len(outputs)
    for ours, theirs in zip(replayed, outputs, strict=True):
        np.testing.assert_array_equal(ours, theirs.detach().numpy().reshape(ours.shape))
    return trace


INDICES = torch.tensor([3, 3, 49, 0, 7, 8, 9, 1])
OFFSETS = torch.tensor([0, 3, 3, 7])


@pytest.mark.parametrize("pooling", ["sum", "max"])
def test_embedding_bag_modules(mode, pooling):
    bag = nn.EmbeddingBag(ENTRIES, DIM, mode=pooling, _weight=_weight())
    with mode(), Capture() as capture:
        out = bag(INDICES, OFFSETS)
    trace = _assert_replays(capture, [_weight()], [out])
    assert trace.entry.tolist() == INDICES.tolist()
    assert trace.bag.tolist() == [0, 0, 0, 2, 2, 2, 2, 3]
    assert (trace.bags, trace.samples) == (4, 4)
    assert trace.weight is None


def test_mean_pooling(mode):
    bag = nn.EmbeddingBag(ENTRIES, DIM, mode="mean", _weight=_weight())
    with mode(), Capture() as capture:
        out = bag(torch.tensor([[1, 2], [2, 2]]))  # halves are exact
    _assert_replays(capture, [_weight()], [out])


def test_embedding_modules(mode):
    embedding = nn.Embedding(ENTRIES, DIM, _weight=_weight(), padding_idx=3)
    with mode(), Capture() as capture:
        out = embedding(torch.tensor([[4, 3], [3, 49]]))
    trace = _assert_replays(capture, [_weight()], [out])
    # torch does read the padding entry here; only its gradient is left out
    assert trace.entry.tolist() == [4, 3, 3, 49]
    assert trace.bag.tolist() == [0, 1, 2, 3]


def test_functional_calls_with_two_dimensional_input(mode):
    weight = _weight()
    with mode(), Capture() as capture:
        out = F.embedding_bag(torch.tensor([[1, 2, 3], [4, 4, 4]]), weight, mode="sum")
    trace = _assert_replays(capture, [weight], [out])
    assert trace.bag.tolist() == [0, 0, 0, 1, 1, 1]


def test_per_sample_weights(mode):
    weight, scale = _weight(), torch.tensor([1.0, 0.5, 2.0, 4.0, -1.0, 0.25, 8.0, 3.0])
    with mode(), Capture() as capture:
        first = F.embedding_bag(INDICES, weight, OFFSETS, mode="sum", per_sample_weights=scale)
        second = F.embedding_bag(INDICES, weight, OFFSETS, mode="sum")
    trace = _assert_replays(capture, [weight], [first, second])
    assert trace.weight.tolist() == scale.tolist() + [1.0] * 8


def test_include_last_offset(mode):
    weight = _weight()
    with mode(), Capture() as capture:
        out = F.embedding_bag(
            INDICES, weight, torch.tensor([0, 3, 3, 7, 8]), mode="sum", include_last_offset=True
        )
    trace = _assert_replays(capture, [weight], [out])
    assert trace.bag.tolist() == [0, 0, 0, 2, 2, 2, 2, 3]


@pytest.mark.parametrize("padding", [3, -1, 49])
def test_padded_lookups_are_not_lookups(mode, padding):
    weight, scale = _weight(), torch.arange(8).float()
    with mode(), Capture() as capture:
        out = F.embedding_bag(
            INDICES, weight, OFFSETS, mode="sum", padding_idx=padding, per_sample_weights=scale
        )
    trace = _assert_replays(capture, [weight], [out])
    assert padding % ENTRIES not in trace.entry
    assert trace.lookups == 8 - INDICES.tolist().count(padding % ENTRIES)


def test_the_composite_operator_without_padding(mode):
    weight = _weight()
    with mode(), Capture() as capture:
        out = torch.embedding_bag(weight, INDICES, OFFSETS, False, 0, False, None, False)[0]
    _assert_replays(capture, [weight], [out])


def test_slices_of_a_weight_read_one_table(mode):
    weight = _weight()
    with mode(), Capture() as capture:
        high = F.embedding_bag(torch.tensor([0, 9]), weight[20:30], torch.tensor([0]), mode="sum")
        low = F.embedding_bag(torch.tensor([0, 9]), weight[:20], torch.tensor([0]), mode="sum")
    trace = _assert_replays(capture, [weight], [high, low])
    assert trace.entry.tolist() == [20, 29, 0, 9]
    assert [(table.entries, table.dim) for table in trace.tables] == [(ENTRIES, DIM)]


def test_column_slices_are_tables_of_their_own(mode):
    weight = _weight()
    left, right = weight[:, :2], weight[:, 2:]
    with mode(), Capture() as capture:
        outs = [F.embedding(torch.tensor([7, 49]), half) for half in (left, right)]
    trace = _assert_replays(capture, [left, right], outs)
    assert [(table.entries, table.dim) for table in trace.tables] == [(ENTRIES, 2), (ENTRIES, 4)]


def test_integer_types_of_indices(mode):
    weight = _weight()
    with mode(), Capture() as capture:
        out = F.embedding_bag(INDICES.int(), weight, OFFSETS.int(), mode="sum")
    _assert_replays(capture, [weight], [out])


def test_a_call_without_lookups_keeps_its_empty_bags(mode):
    weight = _weight()
    with mode(), Capture() as capture:
        out = F.embedding_bag(
            torch.tensor([], dtype=torch.int64), weight, torch.tensor([0, 0, 0]), mode="sum"
        )
    trace = _assert_replays(capture, [weight], [out])
    assert (trace.lookups, trace.bags) == (0, 3)


def test_training_steps_record_the_forward_alone():
    bag = nn.EmbeddingBag(ENTRIES, DIM, mode="sum", max_norm=3.0, _weight=_weight())
    sparse = nn.Embedding(ENTRIES, DIM, sparse=True)
    with Capture() as capture:
        loss = bag(INDICES, OFFSETS).sum() + sparse(INDICES).sum()
        loss = loss + F.hinge_embedding_loss(loss, torch.tensor(-1.0))
        loss.backward()
    assert capture.trace().lookups == 2 * len(INDICES)


TRANSFORMS = {
    "compiled": lambda bag: torch.compile(bag, backend="aot_eager"),
    "exported": lambda bag: torch.export.export(bag, (INDICES, OFFSETS)).module(),
    "scripted": lambda bag: torch.jit.script(bag),
    "traced": lambda bag: torch.jit.trace(bag, (INDICES, OFFSETS)),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, on its way here and there
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_models_that_pytorch_has_transformed(mode, transform):
    model = TRANSFORMS[transform](nn.EmbeddingBag(ENTRIES, DIM, mode="sum", _weight=_weight()).eval())
    with mode():
        model(INDICES, OFFSETS)  # compiled before capture begins
        with Capture() as capture:
            out = model(INDICES, OFFSETS)
    _assert_replays(capture, [_weight()], [out])


class _TwoTables(nn.Module):
    def __init__(self):
        super().__init__()
        self.users = nn.EmbeddingBag(ENTRIES, DIM, mode="sum", _weight=_weight(1))
        self.items = nn.Embedding(ENTRIES, DIM, _weight=_weight(2))

    def forward(self, indices):
        return self.users(indices) + self.items(indices[:, 0]) + self.items(indices[:, 1])


def test_a_batch_is_a_forward_pass_of_the_model():
    model, indices = _TwoTables(), torch.tensor([[1, 2], [3, 4], [5, 6]])
    with Capture() as capture:
        for _ in range(3):
            model(indices)
    trace = capture.trace()
    assert trace.calls.batch.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]  # a table read twice in a pass ends none
    assert [table.name for table in trace.tables] == ["users", "items"]
    assert trace.samples == 9


def test_parts_of_a_model_called_one_by_one_make_one_batch():
    model, indices = _TwoTables(), torch.tensor([[1, 2], [3, 4]])
    with Capture() as capture:
        for _ in range(2):
            model.users(indices)
            model.items(indices[:, 0])
    assert capture.trace().calls.batch.tolist() == [0, 0, 1, 1]


def test_without_modules_a_batch_ends_where_a_table_comes_again():
    first, second = _weight(1), _weight(2)
    with Capture() as capture:
        for _ in range(2):
            F.embedding(INDICES, first)
            F.embedding(INDICES, second)
    trace = capture.trace()
    assert trace.calls.batch.tolist() == [0, 0, 1, 1]
    assert [table.name for table in trace.tables] == ["table0", "table1"]


def test_announced_batches_override_what_would_be_guessed():
    weight = _weight()
    with Capture() as capture:
        for _ in range(2):
            capture.new_batch()
            capture.new_batch()  # nothing was looked up in between: still one batch
            F.embedding(INDICES, weight)
            F.embedding(INDICES, weight)
    assert capture.trace().calls.batch.tolist() == [0, 0, 1, 1]


def test_the_block_ends_quietly_after_the_batches_asked_for():
    model, indices, ran = _TwoTables(), torch.tensor([[1, 2]]), 0
    with Capture(batches=2) as capture:
        for _ in range(5):
            model(indices)
            ran += 1
    assert (ran, capture.trace().batches) == (2, 2)


def test_a_pass_that_fails_does_not_confuse_the_next():
    model, indices = _TwoTables(), torch.tensor([[1, 2]])
    with Capture() as capture:
        with pytest.raises(IndexError):
            model(torch.tensor([[1]]))
        model(indices)
        model(indices)
    assert capture.trace().calls.batch.tolist() == [0, 0, 1, 1, 1, 2, 2, 2]


def test_tables_of_one_name_are_told_apart():
    with Capture() as capture:
        for seed in (1, 2):
            nn.EmbeddingBag(ENTRIES, DIM, _weight=_weight(seed))(INDICES, OFFSETS)
    trace = capture.trace()
    assert [table.name for table in trace.tables] == ["EmbeddingBag", "EmbeddingBag#1"]


def test_weights_that_are_gone_stay_tables_of_their_own():
    with Capture() as capture:
        for seed in range(5):  # without a held reference the allocator gives each the same address
            F.embedding(INDICES, _weight(seed))
    assert len(capture.trace().tables) == 5


def test_capture_changes_no_result():
    model, indices = _TwoTables(), torch.tensor([[1, 2], [3, 4]])
    plain = model(indices)
    with Capture():
        watched = model(indices)
    assert torch.equal(plain, watched)


def test_nothing_captured_is_an_error_that_says_why():
    weight = _weight()
    with Capture() as capture:
        weight[INDICES].sum(dim=0)
    message = (
        r"nothing was captured: no embedding operator ran in this thread.*indexing of tensors .* 1 time "
    )
    with pytest.raises(RecnmpError, match=message):
        capture.trace()


def test_a_forward_in_another_thread_is_an_error_that_says_so():
    bag = nn.EmbeddingBag(ENTRIES, DIM, _weight=_weight())
    with Capture() as capture:
        bag(INDICES, OFFSETS)
        thread = threading.Thread(target=bag, args=(INDICES, OFFSETS))
        thread.start()
        thread.join()
    with pytest.raises(RecnmpError, match="embeddings were looked up in another thread"):
        capture.trace()


def test_unknown_embedding_operators_are_an_error():
    with torch.library._scoped_library("recnmp_tests", "FRAGMENT") as library:
        library.define("strange_embedding(Tensor weight, Tensor ids) -> Tensor")
        library.impl("strange_embedding", lambda weight, ids: weight[ids], "CPU")
        with pytest.raises(RecnmpError, match="the model calls recnmp_tests::strange_embedding"), Capture():
            torch.ops.recnmp_tests.strange_embedding(_weight(), INDICES)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.zeros(4, 8).t(), "not contiguous"),
        (torch.zeros(1, 8).expand(8, 8), "not contiguous"),
        (torch.zeros(8, 4, dtype=torch.float64), "FP64: a trace has no such type; --table-dtype"),
        (torch.zeros(8, 4, dtype=torch.float16), "FP16: a trace has no such type; --table-dtype"),
    ],
)
def test_tables_that_a_trace_cannot_describe_are_an_error(weight, message):
    with pytest.raises(RecnmpError, match=message), Capture():
        F.embedding(torch.tensor([1, 2]), weight)


def test_after_capture_nothing_is_watched():
    bag = nn.EmbeddingBag(ENTRIES, DIM, _weight=_weight())
    with Capture() as capture:
        bag(INDICES, OFFSETS)
    bag(INDICES, OFFSETS)
    assert capture.trace().lookups == len(INDICES)
