"""The dense part in NumPy: matrix products by its BLAS, the rest element-wise, in place where that is possible."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recnmp.mlp.dense import Behaviours, Floats, Layer, Recurrent
from recnmp.mlp.operators import Call


class NumpyArithmetic:
    """FP32 on the CPU; implements `recnmp.mlp.operators.Arithmetic`."""

    def __init__(self) -> None:
        blas: Any = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        self.backend = f"numpy {np.__version__} ({blas['name']} {blas['version']})"

    def native(self, array: Floats) -> Floats:
        """Return ``array`` itself."""
        return array

    def cat(self, vectors: Sequence[Floats]) -> Floats:
        """Return vectors of shape (B, n) side by side."""
        return np.concatenate(vectors, axis=1)

    def dot(self, vectors: Sequence[Floats]) -> Floats:
        """Return the products of all pairs, those of the lower triangle row by row."""
        stacked = np.stack(vectors, axis=1)  # (B, T, dim)
        products = stacked @ stacked.transpose(0, 2, 1)
        later, earlier = np.tril_indices(stacked.shape[1], -1)
        pairs: Floats = products[:, later, earlier]
        return pairs

    def mlp(self, layers: Sequence[Layer], last: str) -> Call:
        """Return the chain of layers."""

        def run(x: Floats) -> Floats:
            for number, layer in enumerate(layers, start=1):
                x = _linear(x, layer)
                if last == "sigmoid" and number == len(layers):
                    _sigmoid(x)
                else:
                    np.maximum(x, 0, out=x)
            return x

        return run

    def cross(self, layers: Sequence[tuple[Layer, Layer]]) -> Call:
        """Return the cross network."""

        def run(first: Floats) -> Floats:
            x = first
            for down, up in layers:
                crossed = _linear(x @ down.weight.T, up)
                crossed *= first
                crossed += x
                x = crossed
            return x

        return run

    def recurrent(self, sequence: Behaviours) -> Call:
        """Return the two recurrent layers."""

        def run(behaviours: Sequence[Floats]) -> Floats:
            states = _recurrent(np.stack(behaviours), sequence.interest)
            attended = states + _softmax(_linear(states, sequence.attention))
            last: Floats = _recurrent(attended, sequence.evolution)[-1]
            return last

        return run

    def finish(self, call: Call) -> Call:
        """Return ``call`` itself."""
        return call


def _linear(x: Floats, layer: Layer) -> Floats:
    y: Floats = x @ layer.weight.T
    y += layer.bias
    return y


def _sigmoid(x: Floats) -> None:
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


def _softmax(x: Floats) -> Floats:
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def _recurrent(steps: Floats, layer: Recurrent) -> Floats:
    """Return the state after each of ``steps``, shape (steps, B, hidden)."""
    states = _linear(steps, layer.from_input)  # of all steps at once
    before = np.zeros_like(states[0])
    for state in states:
        state += _linear(before, layer.from_state)
        np.tanh(state, out=state)
        before = state
    return states
