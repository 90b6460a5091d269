"""The dense part as PyTorch modules in evaluation mode, on a CPU or a GPU; imported where PyTorch runs."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recnmp.errors import ConfigError
from recnmp.library.device import ArithmeticDtype
from recnmp.mlp.dense import Behaviours, Floats, Layer, Recurrent
from recnmp.mlp.operators import Call


class TorchArithmetic:
    """FP32, BF16 or 8-bit MLPs on ``device``; implements `recnmp.mlp.operators.Arithmetic`.

    ``int8`` is PyTorch's dynamic quantisation: weights of the MLPs' layers in 8 bits, activations quantised
    as they arrive; interaction, cross and recurrent layers stay FP32. ``compiled`` passes every operator
    through ``torch.compile``. Raises ConfigError for what this PyTorch does not have on the device.
    """

    def __init__(self, dtype: ArithmeticDtype = "fp32", device: str = "cpu", compiled: bool = False) -> None:
        if dtype == "int8" and device != "cpu":
            raise ConfigError(
                "int8: PyTorch quantises layers dynamically on the CPU only; allowed: fp32, bf16"
            )
        if dtype == "int8" and "x86" not in torch.backends.quantized.supported_engines:
            raise ConfigError("int8: this PyTorch has no engine for quantised layers; allowed: fp32, bf16")
        if dtype == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported():
            raise ConfigError("bf16: this GPU has no such arithmetic; allowed: fp32")
        self._int8, self._device, self._compiled = dtype == "int8", device, compiled
        self._dtype = torch.bfloat16 if dtype == "bf16" else torch.float32
        self.backend = f"torch {torch.__version__}"

    def native(self, array: Floats) -> Tensor:
        """Return ``array`` on the device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device, self._dtype)

    def cat(self, vectors: Sequence[Tensor]) -> Tensor:
        """Return vectors of shape (B, n) side by side."""
        return torch.cat(list(vectors), dim=1)

    def dot(self, vectors: Sequence[Tensor]) -> Tensor:
        """Return the products of all pairs, those of the lower triangle row by row."""
        stacked = torch.stack(list(vectors), dim=1)  # (B, T, dim)
        later, earlier = self._pairs(len(vectors))
        return torch.bmm(stacked, stacked.transpose(1, 2))[:, later, earlier]

    def mlp(self, layers: Sequence[Layer], last: str) -> Call:
        """Return the chain of layers."""
        modules: list[nn.Module] = []
        for layer in layers:
            modules += [self._linear(layer), nn.ReLU()]
        chain = nn.Sequential(*modules[:-1], nn.Sigmoid() if last == "sigmoid" else nn.ReLU()).eval()
        return _quantised(chain) if self._int8 else chain

    def cross(self, layers: Sequence[tuple[Layer, Layer]]) -> Call:
        """Return the cross network."""
        pairs = [(self._linear(down, bias=False), self._linear(up)) for down, up in layers]

        def run(first: Tensor) -> Tensor:
            x = first
            for down, up in pairs:
                x = first * up(down(x)) + x
            return x

        return run

    def recurrent(self, sequence: Behaviours) -> Call:
        """Return the two recurrent layers."""
        interest, evolution = self._rnn(sequence.interest), self._rnn(sequence.evolution)
        attention = self._linear(sequence.attention)

        def run(behaviours: Sequence[Tensor]) -> Tensor:
            states, _ = interest(torch.stack(list(behaviours)))
            _, last = evolution(states + torch.softmax(attention(states), dim=2))
            state: Tensor = last[0]
            return state

        return run

    def finish(self, call: Call) -> Call:
        """Return ``call``, compiled where that was asked for."""
        compile_: Callable[..., Call] = torch.compile
        return compile_(call, dynamic=False) if self._compiled else call

    def _pairs(self, vectors: int) -> Tensor:
        return _triangle(vectors, self._device)

    def _linear(self, layer: Layer, bias: bool = True) -> nn.Linear:
        linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0], bias=bias, device="meta")
        linear.weight = self._parameter(layer.weight)
        if bias:
            linear.bias = self._parameter(layer.bias)
        return linear

    def _rnn(self, layer: Recurrent) -> nn.RNN:
        rnn = nn.RNN(layer.from_input.weight.shape[1], layer.from_input.weight.shape[0])
        pairs = (("ih", layer.from_input), ("hh", layer.from_state))
        with torch.no_grad():
            for name, weights in pairs:
                getattr(rnn, f"weight_{name}_l0").copy_(torch.from_numpy(weights.weight))
                getattr(rnn, f"bias_{name}_l0").copy_(torch.from_numpy(weights.bias))
        return rnn.to(self._device, self._dtype).eval()

    def _parameter(self, array: Floats) -> nn.Parameter:
        return nn.Parameter(self.native(array), requires_grad=False)


_TRIANGLES: dict[tuple[int, str], Tensor] = {}


def _triangle(size: int, device: str) -> Tensor:
    """Return the indices below the diagonal, shape (2, pairs), made once."""
    key = (size, device)
    if key not in _TRIANGLES:
        _TRIANGLES[key] = torch.tril_indices(size, size, offset=-1, device=device)
    return _TRIANGLES[key]


def _quantised(chain: nn.Module) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the module is deprecated in favour of a package of its own
        quantise: Callable[..., Any] = torch.ao.quantization.quantize_dynamic
        return quantise(chain, {nn.Linear}, dtype=torch.qint8)
