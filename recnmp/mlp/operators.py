"""The dense part as a small graph of named operators, in the arithmetic of whichever library runs it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from recnmp.mlp.dense import Behaviours, Dense, Floats, Layer

Call = Callable[..., Any]


class Arithmetic(Protocol):
    """What a library computes, on arrays of its own that ``native`` makes; layers become functions once."""

    backend: str

    def native(self, array: Floats) -> Any:
        """Return ``array`` as an array of the library."""

    def cat(self, vectors: Sequence[Any]) -> Any:
        """Return vectors of shape (B, n) side by side."""

    def dot(self, vectors: Sequence[Any]) -> Any:
        """Return the products of all pairs of T vectors of shape (B, dim), shape (B, T (T - 1) / 2)."""

    def mlp(self, layers: Sequence[Layer], last: str) -> Call:
        """Return a chain of layers with ReLU between them; ``last`` is ``relu`` or ``sigmoid``."""

    def cross(self, layers: Sequence[tuple[Layer, Layer]]) -> Call:
        """Return layers x -> x0 * up(down(x)) + x, where ``down`` adds no bias."""

    def recurrent(self, sequence: Behaviours) -> Call:
        """Return two recurrent layers over T vectors of shape (B, dim); gives the last state, (B, hidden).

        Between them a fully connected layer's softmax is added to the first one's states.
        """

    def finish(self, call: Call) -> Call:
        """Return ``call`` as it will be timed, compiled or not."""


class Operator(NamedTuple):
    """One operator: ``call`` of the values named in ``reads`` gives the value named ``writes``."""

    name: str
    reads: tuple[str, ...]
    writes: str
    call: Call


def operators(dense: Dense, arithmetic: Arithmetic) -> tuple[Operator, ...]:
    """Return the operators of ``dense.model`` in the order they run, `RecModel.parts` by name.

    The first read ``features`` and ``pooled``, the last writes ``out``.
    """
    made = tuple(_operators(dense, arithmetic))
    assert tuple(operator.name for operator in made) == dense.model.parts
    return tuple(operator._replace(call=arithmetic.finish(operator.call)) for operator in made)


def _operators(dense: Dense, do: Arithmetic) -> Iterator[Operator]:
    model, first = dense.model, "features"
    if dense.bottom:
        first = "bottom"
        yield Operator("bottom_mlp", ("features",), first, do.mlp(dense.bottom, "relu"))
    if dense.units:
        yield Operator("attention", ("pooled",), "user", _attention(dense, do))
    if dense.sequence is not None:
        run = do.recurrent(dense.sequence)
        yield Operator("recurrent", ("pooled",), "user", lambda pooled: run(pooled[1:-2]))
    yield _interaction(model.interaction, first if model.bottom_mlp else None, do)
    if dense.cross:
        yield Operator("cross", ("joined",), "joined", do.cross(dense.cross))
    relu_last = bool(dense.heads) or model.interaction in ("attention", "recurrent")
    yield Operator("top_mlp", ("joined",), "out", do.mlp(dense.top, "relu" if relu_last else "sigmoid"))
    if model.interaction == "ncf":
        (head,) = (do.mlp(layers, "relu") for layers in dense.heads)
        yield Operator("heads", ("pooled", "out"), "out", lambda p, x: head(do.cat([p[0] + p[1], x])))
    elif dense.heads:
        heads = [do.mlp(layers, "sigmoid") for layers in dense.heads]
        yield Operator("heads", ("out",), "out", lambda x: do.cat([head(x) for head in heads]))


def _interaction(kind: str, first: str | None, do: Arithmetic) -> Operator:
    """What joins the vectors to the top MLP's input; ``first`` is what the bottom MLP, or nothing, made."""
    if kind == "ncf":
        return Operator("interaction", ("pooled",), "joined", lambda pooled: do.cat(pooled[2:]))
    if kind == "attention":
        reads = ("pooled", "user")
        return Operator("interaction", reads, "joined", lambda p, user: do.cat([p[0], user, p[-2], p[-1]]))
    if kind == "recurrent":
        reads = ("pooled", "user")
        return Operator("interaction", reads, "joined", lambda p, user: do.cat([user, p[0], p[-2], p[-1]]))
    if first is None:
        return Operator("interaction", ("pooled",), "joined", do.cat)
    if kind == "dot":
        return Operator("interaction", (first, "pooled"), "joined", lambda x, p: do.cat([x, do.dot([x, *p])]))
    return Operator("interaction", (first, "pooled"), "joined", lambda x, p: do.cat([x, *p]))


def _attention(dense: Dense, do: Arithmetic) -> Call:
    units = [do.mlp(layers, "relu") for layers in dense.units]

    def attend(pooled: Sequence[Any]) -> Any:
        _, *behaviours, ad, _ = pooled
        user = 0
        for unit, behaviour in zip(units, behaviours, strict=True):
            user = user + unit(do.cat([behaviour, ad, behaviour + ad]))
        return user

    return attend


def inputs(dense: Dense, arithmetic: Arithmetic) -> dict[str, Any]:
    """Return what the first operators read, as arrays of the library."""
    pooled = [arithmetic.native(vector) for vector in dense.pooled]
    return {"features": arithmetic.native(dense.features), "pooled": pooled}


def run(chain: Sequence[Operator], values: Mapping[str, Any]) -> tuple[Any, dict[str, tuple[Any, ...]]]:
    """Run operators one after the other; returns the last one's value and what each was given, by name."""
    known, given = dict(values), {}
    for operator in chain:
        given[operator.name] = tuple(known[name] for name in operator.reads)
        known[operator.writes] = operator.call(*given[operator.name])
    return known[chain[-1].writes], given


def forward(dense: Dense, arithmetic: Arithmetic) -> Any:
    """Return the model's predictions for the inputs in ``dense``, shape (B, outputs)."""
    return run(operators(dense, arithmetic), inputs(dense, arithmetic))[0]
