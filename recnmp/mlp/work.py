"""Arithmetic and bytes of every operator of a model, by closed forms of its layers: what a roofline is drawn from.

Bytes are those that an operator must move if it keeps nothing between its layers: every layer reads its weights,
bias and input once and writes its output once, in FP32. A layer's ReLU, sigmoid or tanh works on what was just
written and moves nothing. What a framework copies besides is left out, and so is what caches save.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from recnmp.library.model import RecModel, TableGroup
from recnmp.trace.trace import SCALE_AND_BIAS_BYTES

FLOAT_BYTES, INDEX_BYTES = 4, 8
"""Of an FP32 element, and of an index or offset as PyTorch's embedding bags read it."""


class Work(NamedTuple):
    """What an operator does for one batch.

    ``products`` are the FLOP of matrix products, a multiplication and an addition for each pair of elements;
    ``others`` those of everything else: biases, activations (one each), sums, softmax (four an element).
    """

    products: int = 0
    others: int = 0
    bytes: int = 0

    @property
    def flop(self) -> int:
        """All of them."""
        return self.products + self.others

    @property
    def intensity(self) -> float:
        """Operational intensity, FLOP for each byte."""
        return self.flop / self.bytes

    def __add__(self, other: object) -> "Work":  # adds up, where a tuple would join
        """Return the work of both, one after the other."""
        assert isinstance(other, Work)
        return Work(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def times(self, n: int) -> "Work":
        """Return the work of ``n`` such operators."""
        return Work(*(n * mine for mine in self))


def work_of(model: RecModel, batch_size: int) -> dict[str, Work]:
    """Return the work of one batch by operator: ``sls``, then `RecModel.parts` in the order they run."""
    of_part = {
        "bottom_mlp": lambda: _mlp(batch_size, model.bottom_mlp),
        "attention": lambda: _attention(model, batch_size),
        "recurrent": lambda: _recurrent(model, batch_size),
        "interaction": lambda: _interaction(model, batch_size),
        "cross": lambda: _cross(model, batch_size),
        "top_mlp": lambda: _mlp(batch_size, (model.top_input, *model.top_mlp)),
        "heads": lambda: _heads(model, batch_size),
    }
    return {"sls": sls_work(model.tables, batch_size)} | {part: of_part[part]() for part in model.parts}


def sls_work(tables: Sequence[TableGroup], batch_size: int) -> Work:
    """Return the work of SLS for one batch.

    A lookup reads its index and its entry and adds an element for each of the entry's, scaled and shifted first in
    8-bit tables; a bag reads its offset and writes its sum. Reuse is not known here: every lookup counts.
    """
    work = Work()
    for group in tables:
        bags = group.count * batch_size
        lookups, quantized = bags * group.pooling_factor, group.dtype == "int8_rowwise"
        entry_bytes = group.dim + SCALE_AND_BIAS_BYTES if quantized else FLOAT_BYTES * group.dim
        work += Work(
            others=lookups * group.dim * (3 if quantized else 1),
            bytes=lookups * (entry_bytes + INDEX_BYTES) + bags * (FLOAT_BYTES * group.dim + INDEX_BYTES),
        )
    return work


def _layer(rows: int, n_in: int, n_out: int, activation: int = 1, bias: int = 1) -> Work:
    """Return the work of a fully connected layer on ``rows`` vectors, with so many FLOP an output after it."""
    weights = n_in * n_out + bias * n_out
    return Work(
        products=2 * rows * n_in * n_out,
        others=rows * n_out * (bias + activation),
        bytes=FLOAT_BYTES * (weights + rows * (n_in + n_out)),
    )


def _mlp(rows: int, widths: Sequence[int]) -> Work:
    return sum((_layer(rows, n_in, n_out) for n_in, n_out in pairwise(widths)), Work())


def _moved(elements: int) -> Work:
    """Return the work of copying ``elements``."""
    return Work(bytes=2 * FLOAT_BYTES * elements)


def _elementwise(elements: int, inputs: int = 2, flop: int = 1) -> Work:
    """Return the work of computing ``elements`` from as many of each of ``inputs``."""
    return Work(others=flop * elements, bytes=FLOAT_BYTES * elements * (inputs + 1))


def _attention(model: RecModel, rows: int) -> Work:
    """Behaviour plus advertisement, all three side by side, the unit's layers, its vector added to the user's."""
    dim, units = model.tables[0].dim, model.n_tables - 3
    widths = (3 * dim, *(model.attention_mlp or ()), dim)
    unit = _elementwise(rows * dim) + _moved(rows * 3 * dim) + _mlp(rows, widths) + _elementwise(rows * dim)
    return unit.times(units)


def _recurrent(model: RecModel, rows: int) -> Work:
    """Two recurrent layers over the behaviours' steps; between them a layer's softmax added to the states."""
    assert model.hidden is not None
    hidden, dim, steps = model.hidden, model.tables[0].dim, model.n_tables - 3
    states = steps * rows

    def layer(n_in: int) -> Work:
        # weights are read once: those of all steps are the same and small; the two results are added, then tanh
        return _layer(states, n_in, hidden, activation=0) + _layer(states, hidden, hidden, activation=2)

    softmax = _elementwise(states * hidden, inputs=1, flop=4)
    between = _layer(states, hidden, hidden, activation=0) + softmax + _elementwise(states * hidden)
    return _moved(states * dim) + layer(dim) + between + layer(hidden)


def _interaction(model: RecModel, rows: int) -> Work:
    """Vectors side by side; of ``dot`` all pairs are multiplied, though only those below the diagonal are kept."""
    if model.interaction != "dot":
        return _moved(rows * model.top_input)
    dim, vectors = model.bottom_mlp[-1], model.n_tables + 1
    pairs = vectors * vectors
    products = Work(products=2 * rows * pairs * dim, bytes=FLOAT_BYTES * rows * (2 * vectors * dim + pairs))
    return _moved(rows * vectors * dim) + products + _moved(rows * model.top_input)


def _cross(model: RecModel, rows: int) -> Work:
    """Layers x -> x0 * up(down(x)) + x."""
    assert model.cross is not None
    n, rank = model.top_input, model.cross.rank
    layer = _layer(rows, n, rank, activation=0, bias=0) + _layer(rows, rank, n, activation=0)
    return (layer + _elementwise(rows * n, inputs=3, flop=2)).times(model.cross.layers)


def _heads(model: RecModel, rows: int) -> Work:
    """Layers of every task and their outputs side by side; of NCF a sum and what it joins first."""
    top = model.top_mlp[-1]
    if model.interaction == "ncf":
        dim = model.tables[0].dim
        joined = _elementwise(rows * dim) + _moved(rows * (dim + top))
        return joined + _mlp(rows, (dim + top, *model.head_mlp))
    heads = _mlp(rows, (top, *model.head_mlp)).times(model.heads)
    return heads + _moved(rows * model.heads * model.head_mlp[-1])
