"""Requests of FBGEMM's table-batched embeddings: ``(indices, offsets)`` and, if weighted, per-sample weights.

What its benchmarks take by ``--requests_data_file``: a ``.pt`` of tensors, table by table, offsets of tables x bags
+ 1; more tensors may follow. Set ``tables`` where no tensor of tables x bags tells how many there are. Needs PyTorch.
Not read: batches whose tables differ in bags (``Bs_per_feature_per_rank``), which such a file does not tell.
Source: github.com/pytorch/FBGEMM (tbe/bench, tbe/utils/requests.py).
"""

from pathlib import Path

from recnmp._files import replacing
from recnmp.trace.formats._requests import (
    RequestReadOptions,
    RequestWriteOptions,
    read_requests,
    table_major,
)
from recnmp.trace.formats._torch_file import save_tensors

PLUGIN = True
SUMMARY = "FBGEMM TBE request files (needs PyTorch)"

ReadOptions = RequestReadOptions
WriteOptions = RequestWriteOptions
read = read_requests


def write(trace: Path, out: Path, options: RequestWriteOptions) -> None:
    """Write the lookups of ``trace``; raises ConfigError for one that does not fit the grid."""
    with replacing(out) as temporary, table_major(trace, out, options.index_dtype) as grid:
        weights = () if grid.weight is None else (grid.weight,)
        save_tensors((grid.indices, grid.offsets, *weights), temporary, out)
