"""A model file for a captured trace: its tables as captured, its dense part for the user to fill in."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import yaml

from recnmp.errors import ConfigError
from recnmp.trace.trace import Trace

_DENSE = """
# The dense part, which capture does not know. Fill it in, or simulate the gather-reduce alone by `mlp.kind: none`.
bottom_mlp: []      # dense features, then the outputs of every layer, such as [13, 64, 16]
top_mlp: []         # outputs of every layer, such as [64, 1]
interaction: cat    # cat or dot
"""


def write_skeleton(trace: Trace, linear_layers: Sequence[tuple[int, int]], path: Path) -> None:
    """Write the model file of ``trace`` to ``path``.

    ``pooling_factor`` is the mean over a table's bags, rounded, at least 1. Raises ConfigError where the file
    exists, since the user may have filled it in, or cannot be written.
    """
    lookups = np.bincount(trace.table, minlength=len(trace.tables))
    bags = np.bincount(trace.calls.table, trace.calls.bags, minlength=len(trace.tables))
    factors = np.maximum(np.rint(lookups / np.maximum(bags, 1)), 1).astype(int)
    of_tables = [
        {"entries": table.entries, "dim": table.dim, "pooling_factor": int(factor), "dtype": table.dtype}
        for table, factor in zip(trace.tables, factors, strict=True)
    ]
    groups = [{"count": len(list(same)), **of_table} for of_table, same in groupby(of_tables)]
    source = f"captured from {trace.meta.get('target', 'a model')}"
    head = {"name": Path(path).stem, "source": source, "tables": groups}
    text = yaml.safe_dump(head, sort_keys=False, width=110, default_flow_style=None, allow_unicode=True)
    layers = ", ".join(f"{inputs} -> {outputs}" for inputs, outputs in linear_layers)
    seen = f"# Linear layers that ran, in order of their first run: {layers}\n" if layers else ""
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text + _DENSE + seen)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already; remove it to have it written anew") from None
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
