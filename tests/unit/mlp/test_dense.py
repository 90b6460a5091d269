"""The arithmetic of the dense part."""

import numpy as np
import pytest

from recnmp.errors import ConfigError
from recnmp.library.model import RecModel, TableGroup, load_model
from recnmp.mlp.dense import forward, make_dense, numpy_functions


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

    predictions = forward(numpy_functions(dense), dense)

    assert predictions.shape == (batch_size, 1)
    np.testing.assert_allclose(predictions, by_hand(dense), atol=1e-6)


def test_a_model_without_bottom_layers_passes_its_features_on():
    dense = make_dense(small_model(bottom=(4,)), 3)

    np.testing.assert_allclose(forward(numpy_functions(dense), dense), by_hand(dense), atol=1e-6)


@pytest.mark.parametrize("name", ["rm1", "rm2", "rm3"])
def test_predictions_of_the_shipped_models_are_neither_saturated_nor_equal(name):
    dense = make_dense(load_model(name), 16)

    predictions = forward(numpy_functions(dense), dense)

    assert 0.01 < predictions.min() < predictions.max() < 0.99


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (make_dense(small_model(), 2, seed) for seed in (3, 3, 4))

    np.testing.assert_array_equal(first.top[0].weight, again.top[0].weight)
    assert not np.array_equal(first.top[0].weight, other.top[0].weight)


def test_a_dot_interaction_of_unequal_vectors_is_an_error():
    with pytest.raises(ConfigError, match=r"equal the bottom MLP's output 4, but the tables have \[8\]"):
        make_dense(small_model("dot", dim=8), 2)


@pytest.mark.parametrize("interaction", ["cat", "dot"])
def test_torch_and_numpy_predict_the_same(interaction):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from recnmp.mlp.measured import torch_functions

    rm1 = load_model("rm1")
    dense = make_dense(rm1.model_copy(update={"interaction": interaction}), 9)

    with torch.inference_mode():
        ours = forward(torch_functions(dense), dense)

    np.testing.assert_allclose(ours.numpy(), forward(numpy_functions(dense), dense), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("din", "there is no arithmetic for interaction attention, only for cat and dot"),
        ("dien", "there is no arithmetic for interaction recurrent"),
        ("ncf", "there is no arithmetic for interaction ncf"),
        ("mlperf_dlrm_v2", "there is no arithmetic for interaction dcn"),
        ("mt_wnd", "there is no arithmetic for head_mlp"),
        ("recnmp_rm1_small", "its dense layers are not known"),
    ],
)
def test_a_dense_part_without_arithmetic_is_refused_not_guessed(name, why):
    model = load_model(name)
    with pytest.raises(ConfigError, match=f"model {model.name}: its dense part cannot be timed: {why}"):
        make_dense(model, 1)


@pytest.mark.parametrize("name", ["wide_deep", "mlperf_dlrm_v1"])
def test_models_of_known_parts_only_are_computed_like_any_other(name):
    dense = make_dense(load_model(name), 2)

    np.testing.assert_allclose(forward(numpy_functions(dense), dense), by_hand(dense), atol=1e-5)
