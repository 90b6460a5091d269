"""The dense part of a model as plain arrays: its weights, its inputs and its arithmetic in NumPy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.library.model import RecModel

Floats = NDArray[np.float32]


class Layer(NamedTuple):
    """A fully connected layer: ``weight`` of shape (outputs, inputs), ``bias`` of shape (outputs,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True)
class Dense:
    """Weights of a model's MLPs and one batch of inputs to them.

    ``features`` : dense features, shape (B, bottom_mlp[0]). ``pooled`` : T pooled embedding vectors, each
    of shape (B, dim of its table).
    """

    model: RecModel
    bottom: tuple[Layer, ...]
    top: tuple[Layer, ...]
    features: Floats
    pooled: tuple[Floats, ...]


@dataclass(frozen=True)
class DenseFunctions:
    """The three parts as one library computes them, on that library's own arrays (made by ``native``)."""

    backend: str
    native: Callable[[Floats], Any]
    bottom_mlp: Callable[[Any], Any]
    interaction: Callable[[Any, Sequence[Any]], Any]
    top_mlp: Callable[[Any], Any]


def check_timeable(model: RecModel) -> None:
    """Raise ConfigError for a dense part that this module has no arithmetic for, or none that is defined.

    It has MLPs and the interactions ``cat`` and ``dot``, the latter of vectors of equal length only.
    """
    if model.untimed_because:
        raise ConfigError(f"model {model.name}: its dense part cannot be timed: {model.untimed_because}")
    dims = {group.dim for group in model.tables}
    if model.interaction == "dot" and dims != {model.bottom_mlp[-1]}:
        raise ConfigError(
            f"model {model.name}: a dot interaction needs every table's dim to equal the bottom MLP's output "
            f"{model.bottom_mlp[-1]}, but the tables have {sorted(dims)}"
        )


def make_dense(model: RecModel, batch_size: int, seed: int = 0) -> Dense:
    """Draw weights and one batch of inputs for ``model``; the same seed gives the same values.

    Values are uniform and scaled by layer width, so activations neither vanish nor overflow (denormals
    would cost time that a trained model does not pay). Raises ConfigError for what `check_timeable` refuses.
    """
    check_timeable(model)
    dims = [group.dim for group in model.each_table]
    rng = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 1.0) -> Floats:
        return rng.uniform(-scale, scale, shape).astype(np.float32)

    def layers(*widths: int) -> tuple[Layer, ...]:
        scales = [n_in**-0.5 for n_in in widths]
        return tuple(
            Layer(draw(n_out, n_in, scale=scale), draw(n_out, scale=scale))
            for n_in, n_out, scale in zip(widths, widths[1:], scales, strict=False)
        )

    return Dense(
        model=model,
        bottom=layers(*model.bottom_mlp),
        top=layers(model.top_input, *model.top_mlp),
        features=draw(batch_size, model.bottom_mlp[0]),
        pooled=tuple(draw(batch_size, dim) for dim in dims),
    )


def numpy_functions(dense: Dense) -> DenseFunctions:
    """Return the three parts in NumPy: matrix products by its BLAS, the rest element-wise in place."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return DenseFunctions(
        backend=f"numpy {np.__version__} ({blas['name']} {blas['version']})",
        native=lambda array: array,
        bottom_mlp=lambda x: _mlp(x, dense.bottom, sigmoid_last=False),
        interaction=_dot if dense.model.interaction == "dot" else _cat,
        top_mlp=lambda x: _mlp(x, dense.top, sigmoid_last=True),
    )


def _mlp(x: Floats, layers: Sequence[Layer], sigmoid_last: bool) -> Floats:
    for number, layer in enumerate(layers, start=1):
        x = x @ layer.weight.T
        x += layer.bias
        if sigmoid_last and number == len(layers):
            np.negative(x, out=x)
            np.exp(x, out=x)
            x += 1
            np.reciprocal(x, out=x)
        else:
            np.maximum(x, 0, out=x)
    return x


def _cat(bottom: Floats, pooled: Sequence[Floats]) -> Floats:
    return np.concatenate((bottom, *pooled), axis=1)


def _dot(bottom: Floats, pooled: Sequence[Floats]) -> Floats:
    vectors = np.stack((bottom, *pooled), axis=1)  # (B, T + 1, dim)
    products = vectors @ vectors.transpose(0, 2, 1)
    later, earlier = np.tril_indices(vectors.shape[1], -1)
    return np.concatenate((bottom, products[:, later, earlier]), axis=1)


def forward(functions: DenseFunctions, dense: Dense) -> Any:
    """Run the three parts one after the other; returns the model's predictions, shape (B, top_mlp[-1])."""
    pooled = [functions.native(vector) for vector in dense.pooled]
    bottom = functions.bottom_mlp(functions.native(dense.features))
    return functions.top_mlp(functions.interaction(bottom, pooled))
