"""The arithmetic of the dense part."""

import numpy as np
import pytest

from recnmp._registry import library_names
from recnmp.errors import ConfigError
from recnmp.library.model import RecModel, TableGroup, load_model
from recnmp.mlp.dense import make_dense
from recnmp.mlp.in_numpy import NumpyArithmetic
from recnmp.mlp.operators import forward, operators


def small_model(interaction: str = "cat", dim: int = 4, bottom: tuple[int, ...] = (6, 5, 4)) -> RecModel:
    tables = (TableGroup(count=2, entries=10, dim=dim, pooling_factor=3),)
    return RecModel(
        name="small",
        source="made up",
        bottom_mlp=bottom,
        top_mlp=(3, 1),
        interaction=interaction,
        tables=tables,
    )


def by_hand(dense) -> np.ndarray:
    """Predictions of ``dense``, one sample after the other, in float64."""

    def layer(x, weights):
        return weights.weight.astype(float) @ x + weights.bias

    predictions = []
    for sample in range(len(dense.features)):
        x = dense.features[sample].astype(float)
        for weights in dense.bottom:
            x = np.maximum(layer(x, weights), 0)
        vectors = [x, *(table[sample].astype(float) for table in dense.pooled)]
        if dense.model.interaction == "cat":
            x = np.concatenate(vectors)
        else:
            x = np.array([*x, *(vectors[i] @ vectors[j] for i in range(len(vectors)) for j in range(i))])
        for weights in dense.top[:-1]:
            x = np.maximum(layer(x, weights), 0)
        predictions.append(1 / (1 + np.exp(-layer(x, dense.top[-1]))))
    return np.array(predictions)


@pytest.mark.parametrize("interaction", ["cat", "dot"])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_numpy_computes_what_the_definition_says(interaction, batch_size):
    dense = make_dense(small_model(interaction), batch_size)

    predictions = forward(dense, NumpyArithmetic())

    assert predictions.shape == (batch_size, 1)
    np.testing.assert_allclose(predictions, by_hand(dense), atol=1e-6)


def test_a_model_without_bottom_layers_passes_its_features_on():
    dense = make_dense(small_model(bottom=(4,)), 3)

    np.testing.assert_allclose(forward(dense, NumpyArithmetic()), by_hand(dense), atol=1e-6)


@pytest.mark.parametrize("name", ["rm1", "rm2", "rm3"])
def test_predictions_of_the_shipped_models_are_neither_saturated_nor_equal(name):
    dense = make_dense(load_model(name), 16)

    predictions = forward(dense, NumpyArithmetic())

    assert 0.01 < predictions.min() < predictions.max() < 0.99


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (make_dense(small_model(), 2, seed) for seed in (3, 3, 4))

    np.testing.assert_array_equal(first.top[0].weight, again.top[0].weight)
    assert not np.array_equal(first.top[0].weight, other.top[0].weight)


def test_a_dot_interaction_of_unequal_vectors_is_an_error():
    with pytest.raises(ConfigError, match=r"equal the bottom MLP's output 4, but the tables have \[8\]"):
        make_dense(small_model("dot", dim=8), 2)


@pytest.mark.parametrize("name", library_names("models"))
def test_torch_and_numpy_predict_the_same_for_every_shipped_model(name):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from recnmp.mlp.in_torch import TorchArithmetic

    dense = make_dense(load_model(name), 9)

    with torch.inference_mode():
        ours = forward(dense, TorchArithmetic())

    np.testing.assert_allclose(ours.numpy(), forward(dense, NumpyArithmetic()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bf16", "int8"])
@pytest.mark.parametrize("name", ["rm1", "dien", "ncf", "mlperf_dlrm_v2"])
def test_fewer_bits_predict_nearly_the_same(name, dtype):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from recnmp.mlp.in_torch import TorchArithmetic

    dense = make_dense(load_model(name), 4)
    exact = forward(dense, NumpyArithmetic())

    with torch.inference_mode():
        rounded = forward(dense, TorchArithmetic(dtype)).float().numpy()

    assert 0 < np.abs(rounded - exact).max() < 0.05 * max(1.0, np.abs(exact).max())


def test_8_bits_are_for_the_cpu():
    pytest.importorskip("torch", reason="asks PyTorch")
    from recnmp.mlp.in_torch import TorchArithmetic

    with pytest.raises(ConfigError, match="int8: PyTorch quantises layers dynamically on the CPU only"):
        TorchArithmetic("int8", "cuda")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("rm1", ["bottom_mlp", "interaction", "top_mlp"]),
        ("wide_deep", ["interaction", "top_mlp"]),
        ("mt_wnd", ["interaction", "top_mlp", "heads"]),
        ("ncf", ["interaction", "top_mlp", "heads"]),
        ("din", ["attention", "interaction", "top_mlp"]),
        ("dien", ["recurrent", "interaction", "top_mlp"]),
        ("mlperf_dlrm_v2", ["bottom_mlp", "interaction", "cross", "top_mlp"]),
    ],
)
def test_every_part_is_an_operator_of_its_own(name, parts):
    chain = operators(make_dense(load_model(name), 1), NumpyArithmetic())

    assert [operator.name for operator in chain] == parts


def test_tables_alone_have_nothing_to_time():
    alone = small_model().model_copy(update={"bottom_mlp": (), "top_mlp": ()})
    with pytest.raises(ConfigError, match="cannot be timed: its dense layers are not known"):
        make_dense(alone, 1)


@pytest.mark.parametrize("name", ["wide_deep", "mlperf_dlrm_v1"])
def test_models_of_known_parts_only_are_computed_like_any_other(name):
    dense = make_dense(load_model(name), 2)

    np.testing.assert_allclose(forward(dense, NumpyArithmetic()), by_hand(dense), atol=1e-5)
