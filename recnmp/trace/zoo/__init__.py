"""Model zoo: PyTorch models that really run, one kind per file; importing this needs no PyTorch."""

import importlib
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from recnmp.library.model import RecModel

if TYPE_CHECKING:
    from recnmp.trace.zoo.virtual import VirtualModel

_CLASSES = {
    "cat": "dlrm.Dlrm",
    "dot": "dlrm.Dlrm",
    "dcn": "dlrm_dcn.DlrmDcn",
    "ncf": "ncf.Ncf",
    "attention": "din.Din",
    "recurrent": "dien.Dien",
}
"""What runs each interaction."""


def build(model: RecModel, seed: int) -> "VirtualModel":
    """Return the PyTorch model that ``model`` describes, with tables of its full sizes that take no memory.

    ``seed`` is of the dense layers' initial weights. A ``cat`` model whose dense features pass no layer is a
    Wide&Deep one. Raises RecnmpError where the system has no addresses left for the tables.
    """
    is_wide = model.interaction == "cat" and len(model.bottom_mlp) == 1
    module, _, name = ("wide_deep.WideDeep" if is_wide else _CLASSES[model.interaction]).partition(".")
    made: VirtualModel = getattr(importlib.import_module(f"recnmp.trace.zoo.{module}"), name)(model, seed)
    return made


def run(model: RecModel, batches: int, batch_size: int, seed: int, new_batch: Callable[[], None]) -> None:
    """Run inference on ``batches`` batches of ``virtual.inputs``, calling ``new_batch`` before each."""
    import torch

    from recnmp.trace.zoo.virtual import inputs

    zoo = build(model, seed)
    with torch.no_grad():
        for dense, indices, offsets in islice(inputs(model, batch_size, seed), batches):
            with zoo.filled(indices):
                new_batch()
                zoo(dense, indices, offsets)
