"""The model zoo: published sizes and counts, forward passes, captures replayed, arithmetic done again."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the zoo is PyTorch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from recnmp._registry import library_names  # noqa: E402
from recnmp.library.model import RecModel, TableGroup, load_model  # noqa: E402
from recnmp.mlp.dense import make_dense  # noqa: E402
from recnmp.mlp.in_numpy import NumpyArithmetic  # noqa: E402
from recnmp.mlp.in_torch import TorchArithmetic  # noqa: E402
from recnmp.mlp.operators import forward  # noqa: E402
from recnmp.trace import zoo  # noqa: E402
from recnmp.trace.capture import Capture, capture_target  # noqa: E402
from recnmp.trace.storage import load_trace, save_trace  # noqa: E402
from recnmp.trace.synthetic import synthetic_trace  # noqa: E402
from recnmp.trace.values import entry_values  # noqa: E402
from recnmp.trace.zoo.virtual import VirtualModel, inputs  # noqa: E402

# tables, entries of all tables, lookups and gathered bytes a sample, multiplications of linear layers a sample
# (a layer that runs more than once counted once), as the released configurations have them
RM1_BOTTOM, RM2_BOTTOM = 128 * 64 + 64 * 32, 256 * 128 + 128 * 64  # assumed of RecNMP's own models
PUBLISHED = {
    "rm1": (8, 32_000_000, 640, 81_920, 100_416),
    "rm2": (32, 16_000_000, 3_840, 983_040, 319_552),
    "rm3": (10, 20_000_000, 200, 25_600, 3_203_328),
    "ncf": (4, 336_000, 4, 1_024, 147_456),
    "wide_deep": (27, 27_000_000, 27, 3_456, 2_064_640),
    "mt_wnd": (43, 30_500_000, 43, 5_504, 2_621_440),
    "din": (254, 46_100_000, 762, 97_536, 41_760 + 251 * 128),
    "dien": (43, 30_500_000, 43, 5_504, 48_160 + 64 * 64),
    "mlperf_dlrm_v1": (26, 204_184_588, 26, 26 * 512, 170_496 + 2_194_688),
    # bottom MLP, three layers of rank 512 on 27 vectors of 128, top MLP on all of them
    "mlperf_dlrm_v2": (
        26,
        204_184_588,
        214,
        109_568,
        170_496 + 3 * 2 * 3456 * 512 + 3456 * 1024 + 1024 * 1024 + 1024 * 512 + 512 * 256 + 256,
    ),
    "recnmp_rm1_small": (8, 8_000_000, 640, 40_960, RM1_BOTTOM + (128 + 32) * 256 + 256 * 64 + 64),
    "recnmp_rm1_large": (12, 12_000_000, 960, 61_440, RM1_BOTTOM + (192 + 32) * 256 + 256 * 64 + 64),
    "recnmp_rm2_small": (24, 24_000_000, 1_920, 122_880, RM2_BOTTOM + (384 + 64) * 128 + 128 * 64 + 64),
    "recnmp_rm2_large": (64, 64_000_000, 5_120, 327_680, RM2_BOTTOM + (1024 + 64) * 128 + 128 * 64 + 64),
}


def run_once(model: RecModel, made: VirtualModel, batch_size: int = 2) -> tuple[torch.Tensor, tuple]:
    given = next(inputs(model, batch_size, seed=1))
    with torch.no_grad(), made.filled(given[1]):
        return made(*given), given


def shrunk(name: str, dim: int = 8) -> RecModel:
    """The model with tables of at most 50 entries of ``dim``."""
    model = load_model(name)
    groups = tuple(
        group.model_copy(update={"entries": min(group.entries, 50), "dim": dim}) for group in model.tables
    )
    bottom = (*model.bottom_mlp[:-1], dim) if len(model.bottom_mlp) > 1 else model.bottom_mlp
    return model.model_copy(update={"tables": groups, "bottom_mlp": bottom})


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_zoo_model_has_the_published_counts(name):
    model = load_model(name)
    tables, entries, lookups, n_bytes, products = PUBLISHED[name]

    made = zoo.build(model, seed=1)  # with its logical tables: 97 GiB of addresses for MLPerf's

    assert [tuple(table.weight.shape) for table in made.tables] == [
        (group.entries, group.dim) for group in model.each_table
    ]
    assert len(made.tables) == tables
    assert sum(table.weight.shape[0] for table in made.tables) == entries
    assert sum(group.pooling_factor for group in model.each_table) == lookups
    assert sum(group.pooling_factor * group.dim * 4 for group in model.each_table) == n_bytes
    assert sum(m.weight.numel() for m in made.modules() if isinstance(m, nn.Linear)) == products


def test_every_shipped_model_is_one_whose_counts_are_known():
    own = {"axdimm60"}  # of a benchmark, not of a publication of the model
    assert set(library_names("models")) == set(PUBLISHED) | own


def copied(dense, made: VirtualModel) -> None:
    """Give the linear layers of a zoo model, in the order they were made, the weights in ``dense``."""
    sequence = [] if dense.sequence is None else [dense.sequence.attention]
    flat = [*dense.bottom, *(layer for pair in dense.cross for layer in pair)]
    flat += [layer for unit in dense.units for layer in unit]
    flat += [*sequence, *dense.top, *(layer for head in dense.heads for layer in head)]
    linear = [module for module in made.modules() if isinstance(module, nn.Linear)]
    for module, layer in zip(linear, flat, strict=True):
        module.weight.copy_(torch.from_numpy(layer.weight))
        if module.bias is not None:
            module.bias.copy_(torch.from_numpy(layer.bias))
    for name in ("interest", "evolution") if dense.sequence is not None else ():
        for kind, layer in zip(("ih", "hh"), getattr(dense.sequence, name), strict=True):
            getattr(getattr(made, name), f"weight_{kind}_l0").copy_(torch.from_numpy(layer.weight))
            getattr(getattr(made, name), f"bias_{kind}_l0").copy_(torch.from_numpy(layer.bias))


@pytest.mark.parametrize("name", library_names("models"))
@torch.no_grad()
def test_what_is_timed_computes_what_the_model_computes(name, monkeypatch):
    model = shrunk(name)
    dense = make_dense(model, 3)
    made = zoo.build(model, seed=1)
    copied(dense, made)
    monkeypatch.setattr(made, "pooled", lambda *_: [torch.from_numpy(vector) for vector in dense.pooled])

    theirs = made(torch.from_numpy(dense.features), [], [])

    for arithmetic in (TorchArithmetic(), NumpyArithmetic()):
        ours = torch.as_tensor(forward(dense, arithmetic))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


OUTPUTS = {"ncf": 64, "mt_wnd": 128, "din": 2, "dien": 2}
"""Outputs of a sample; 1 of all others, the pooled vectors of models that are tables alone."""


@pytest.mark.parametrize("name", library_names("models"))
def test_a_zoo_model_runs_on_tiny_tables(name):
    model = shrunk(name)

    out, _ = run_once(model, zoo.build(model, seed=1))

    assert out.shape == (2, OUTPUTS.get(name, 1) if model.top_mlp else model.n_tables * 8)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", ["din", "dien", "ncf", "mlperf_dlrm_v2"])
def test_a_capture_holds_the_lookups_of_the_logical_tables(name):
    model = load_model(name)

    made = capture_target(f"zoo:{name}", batches=2, batch_size=4, seed=3)

    expected = synthetic_trace(model, 2, 4, seed=3)
    for column in ("table", "bag", "entry"):
        np.testing.assert_array_equal(getattr(made, column), getattr(expected, column))
    assert [(t.entries, t.dim) for t in made.tables] == [(g.entries, g.dim) for g in model.each_table]


@pytest.mark.parametrize("name", library_names("models"))
def test_replaying_a_capture_gives_the_pooled_vectors_of_the_model_at_full_size(name, tmp_path):
    model, outputs = load_model(name), []
    made = zoo.build(model, seed=1)
    for table in made.tables:
        table.register_forward_hook(lambda _module, _inputs, output: outputs.append(output.numpy()))
    with Capture() as capture:
        run_once(model, made, batch_size=2)
    save_trace(capture.trace(), tmp_path / "t.parquet")
    trace = load_trace(tmp_path / "t.parquet")

    assert capture.proof.bags == trace.bags == 2 * model.n_tables
    assert [(t.entries, t.dim) for t in trace.tables] == [(g.entries, g.dim) for g in model.each_table]
    assert len(outputs) == model.n_tables
    for number, pooled in enumerate(outputs):
        mine = trace.table == number
        vectors = entry_values(number, trace.entry[mine], model.each_table[number].dim)
        starts = np.searchsorted(trace.bag[mine], number * 2 + np.arange(2))
        np.testing.assert_array_equal(np.add.reduceat(vectors, starts), pooled)


def pooled_by_hand(model: RecModel, given: tuple) -> list[torch.Tensor]:
    _, indices, offsets = given
    tables = (
        torch.from_numpy(entry_values(t, np.arange(g.entries), g.dim)) for t, g in enumerate(model.each_table)
    )
    return [F.embedding_bag(i, w, o, mode="sum") for i, w, o in zip(indices, tables, offsets, strict=True)]


def relu(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return (x @ layer.weight.T + layer.bias).clamp(min=0)


def chain(layers: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """ReLU after every linear layer."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            x = relu(layer, x)
    return x


@torch.no_grad()
def test_ncf_adds_one_half_and_runs_layers_on_the_other():
    model = shrunk("ncf")
    made = zoo.build(model, seed=2)
    out, given = run_once(model, made)
    a, b, c, d = pooled_by_hand(model, given)
    deep = chain(made.top, torch.cat([c, d], 1))
    torch.testing.assert_close(out, relu(made.head[0], torch.cat([a + b, deep], 1)))


@torch.no_grad()
def test_tasks_share_the_top_mlp_and_have_heads_of_their_own():
    model = shrunk("mt_wnd").model_copy(update={"heads": 3})
    made = zoo.build(model, seed=2)
    out, given = run_once(model, made)
    shared = chain(made.top, torch.cat([given[0], *pooled_by_hand(model, given)], 1))
    one_by_one = [
        torch.sigmoid(F.linear(relu(head[0], shared), head[2].weight, head[2].bias)) for head in made.heads
    ]
    assert out.shape == (2, 3 * 128)
    torch.testing.assert_close(out, torch.cat(one_by_one, 1))


@torch.no_grad()
def test_every_behaviour_of_din_has_an_attention_unit():
    model = shrunk("din").model_copy(
        update={"tables": (TableGroup(count=6, entries=50, dim=8, pooling_factor=3),)}
    )
    made = zoo.build(model, seed=2)
    out, given = run_once(model, made)
    profile, *behaviours, ad, context = pooled_by_hand(model, given)
    assert len(behaviours) == len(made.units) == 3
    attended = sum(
        chain(unit, torch.cat([x, ad, x + ad], 1)) for unit, x in zip(made.units, behaviours, strict=True)
    )
    torch.testing.assert_close(out, chain(made.top, torch.cat([profile, attended, ad, context], 1)))


@torch.no_grad()
def test_dien_runs_two_recurrent_layers_over_the_behaviours_in_order():
    model = shrunk("dien")
    made = zoo.build(model, seed=2)
    out, given = run_once(model, made)
    profile, *behaviours, ad, context = pooled_by_hand(model, given)
    assert len(behaviours) == 40

    def step(layer: nn.RNN, x: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        from_input = x @ layer.weight_ih_l0.T + layer.bias_ih_l0
        return torch.tanh(from_input + state @ layer.weight_hh_l0.T + layer.bias_hh_l0)

    first = second = torch.zeros(2, 64)
    for x in behaviours:
        first = step(made.interest, x, first)
        attention = torch.softmax(first @ made.attention.weight.T + made.attention.bias, 1)
        second = step(made.evolution, first + attention, second)
    torch.testing.assert_close(out, chain(made.top, torch.cat([second, profile, ad, context], 1)))


@torch.no_grad()
def test_a_cross_layer_multiplies_by_the_first_input_and_adds_its_own():
    model = shrunk("mlperf_dlrm_v2")
    made = zoo.build(model, seed=2)
    out, given = run_once(model, made)
    first = x = torch.cat([chain(made.bottom, given[0]), *pooled_by_hand(model, given)], 1)
    assert len(made.cross) == 3
    for down, up in made.cross:
        assert down.bias is None
        x = first * (x @ down.weight.T @ up.weight.T + up.bias) + x
    last = made.top[-2]
    deep = chain(made.top[:-2], x)
    torch.testing.assert_close(out, torch.sigmoid(F.linear(deep, last.weight, last.bias)))
