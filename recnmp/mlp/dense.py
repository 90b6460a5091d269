"""The dense part of a model as plain arrays: the weights of its layers and one batch of inputs to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.library.model import RecModel

Floats = NDArray[np.float32]


class Layer(NamedTuple):
    """A fully connected layer: ``weight`` of shape (outputs, inputs), ``bias`` of shape (outputs,)."""

    weight: Floats
    bias: Floats


class Recurrent(NamedTuple):
    """A plain recurrent layer: state = tanh(from_input(x) + from_state(state))."""

    from_input: Layer
    from_state: Layer


class Behaviours(NamedTuple):
    """What runs over a user's behaviours in order: layer, fully connected one with softmax, layer again."""

    interest: Recurrent
    attention: Layer
    evolution: Recurrent


@dataclass(frozen=True)
class Dense:
    """Weights of a model's operators and one batch of inputs to them; empty where the model has no such part.

    ``features`` : dense features, shape (B, F). ``pooled`` : T pooled embedding vectors, each of shape
    (B, dim of its table). ``cross`` : pairs of layers, down to the rank (its bias is not used) and up again.
    """

    model: RecModel
    features: Floats
    pooled: tuple[Floats, ...]
    bottom: tuple[Layer, ...]
    top: tuple[Layer, ...]
    heads: tuple[tuple[Layer, ...], ...] = ()
    units: tuple[tuple[Layer, ...], ...] = ()
    sequence: Behaviours | None = None
    cross: tuple[tuple[Layer, Layer], ...] = ()


def check_timeable(model: RecModel) -> None:
    """Raise ConfigError for a dense part that is not known or cannot be."""
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
    draw = _Draw(seed)
    bottom, top = draw.layers(*model.bottom_mlp), draw.layers(model.top_input, *model.top_mlp)
    features = draw.values(batch_size, model.dense_features)
    pooled = tuple(draw.values(batch_size, dim) for dim in dims)
    return Dense(
        model=model,
        features=features,
        pooled=pooled,
        bottom=bottom,
        top=top,
        heads=tuple(draw.layers(*widths) for widths in _heads(model)),
        units=tuple(draw.layers(*widths) for widths in _units(model)),
        sequence=draw.sequence(dims[0], model.hidden) if model.hidden is not None else None,
        cross=tuple(_pair(draw, *widths) for widths in _cross(model)),
    )


def _heads(model: RecModel) -> Iterator[tuple[int, ...]]:
    joined = model.tables[0].dim if model.interaction == "ncf" else 0
    for _ in range(model.heads if model.head_mlp else 0):
        yield (joined + model.top_mlp[-1], *model.head_mlp)


def _units(model: RecModel) -> Iterator[tuple[int, ...]]:
    dim = model.tables[0].dim
    for _ in range(model.n_tables - 3 if model.attention_mlp is not None else 0):
        yield (3 * dim, *(model.attention_mlp or ()), dim)


def _cross(model: RecModel) -> Iterator[tuple[int, int, int]]:
    for _ in range(model.cross.layers if model.cross else 0):
        assert model.cross is not None
        yield model.top_input, model.cross.rank, model.top_input


def _pair(draw: "_Draw", *widths: int) -> tuple[Layer, Layer]:
    down, up = draw.layers(*widths)
    return down, up


class _Draw:
    """Weights and inputs from one stream of random numbers."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def values(self, *shape: int, scale: float = 1.0) -> Floats:
        return self._rng.uniform(-scale, scale, shape).astype(np.float32)

    def layers(self, *widths: int) -> tuple[Layer, ...]:
        scales = [n_in**-0.5 for n_in in widths]
        return tuple(
            Layer(self.values(n_out, n_in, scale=scale), self.values(n_out, scale=scale))
            for n_in, n_out, scale in zip(widths, widths[1:], scales, strict=False)
        )

    def sequence(self, dim: int, hidden: int) -> Behaviours:
        def recurrent(n_in: int) -> Recurrent:
            (from_input,), (from_state,) = self.layers(n_in, hidden), self.layers(hidden, hidden)
            return Recurrent(from_input, from_state)

        interest, (attention,) = recurrent(dim), self.layers(hidden, hidden)
        return Behaviours(interest, attention, recurrent(hidden))
