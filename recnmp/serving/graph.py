"""A model's operators as a small graph, and what each of them occupies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from recnmp.library.device import PARTS, TRANSFERS

SLS = "sls"

NEEDS: Mapping[str, tuple[str, ...]] = {
    "h2d_features": (),
    "bottom_mlp": ("h2d_features",),
    SLS: (),
    # a GPU's stream works in turn: pooled vectors do not overtake the bottom MLP
    "h2d_pooled": (SLS, "bottom_mlp"),
    "attention": ("h2d_pooled",),
    "recurrent": ("h2d_pooled",),
    "interaction": ("bottom_mlp", "attention", "recurrent"),
    "cross": ("interaction",),
    "top_mlp": ("cross",),
    "heads": ("top_mlp",),
}
"""What every operator waits for, in the order of one batch; an operator that a model lacks stands for what it waits
for itself. One table serves every kind of model: what a kind lacks, drops out."""

RESOURCES = ("core", "memory", "accelerator", "link")
"""What operators occupy, in the order in which one that needs two of them takes them."""


@dataclass(frozen=True)
class Graph:
    """Operators of one batch, in an order in which they can run.

    Attributes:
        names: of operators; with several pieces of a batch, those of the first piece, then the second's.
        needs: numbers of the operators that each of them waits for, all smaller than its own.
        resources: what each of them holds while it runs, in the order of `RESOURCES`.
        pieces: equal parts that a batch is cut into.
    """

    names: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]
    resources: tuple[tuple[str, ...], ...]
    pieces: int = 1

    def critical_path_ns(self, times: Sequence[float]) -> float:
        """Return the time of a batch [ns] with nothing else to wait for than other operators; ``times`` of each."""
        ends: list[float] = []
        for needs, ns in zip(self.needs, times, strict=True):
            ends.append(max((ends[n] for n in needs), default=0.0) + ns)
        return max(ends)


def model_graph(
    parts: Sequence[str],
    side: Literal["host", "nmp"],
    *,
    overlap: Literal["bottom_mlp", "none"] = "bottom_mlp",
    device_kind: Literal["cpu", "cuda"] = "cpu",
    pieces: int = 1,
) -> Graph:
    """Return the graph of a model with these dense ``parts``, gathered by ``side``.

    On the host, and with overlap ``none``, operators run in turn; else whatever waits for nothing starts at once.
    The host's gather holds a core and the memory system, one near memory the latter alone. Dense parts hold a core,
    or the accelerator (``device_kind`` cuda), transfers the link to it. ``pieces`` are parts of a batch that go
    through the graph one after the other, so that one is computed while the next is gathered.
    """
    names = tuple(name for name in NEEDS if name == SLS or name in parts)
    in_turn = side == "host" or overlap == "none"
    needs: list[tuple[int, ...]] = []
    for piece in range(pieces):
        start = piece * len(names)
        for n, name in enumerate(names):
            if in_turn:
                needs.append((start + n - 1,) if start + n else ())
            else:
                needs.append(
                    tuple(start + names.index(need) for need in dict.fromkeys(_present(name, names)))
                )
    held = tuple(_held(name, side, device_kind) for name in names)
    return Graph(names * pieces, tuple(needs), held * pieces, pieces)


def _present(name: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the operators among ``names`` that ``name`` waits for, through those that are not there."""
    for need in NEEDS[name]:
        if need in names:
            yield need
        else:
            yield from _present(need, names)


def _held(name: str, side: str, device_kind: str) -> tuple[str, ...]:
    if name == SLS:
        return ("core", "memory") if side == "host" else ("memory",)
    if name in TRANSFERS:
        return ("link",)
    return ("core",) if device_kind == "cpu" else ("accelerator",)


assert set(NEEDS) == {*PARTS, SLS}
