"""Meta's ``dlrm_datasets``: ``.pt`` or ``.pt.gz`` with (indices, offsets, lengths), table by table.

``offsets`` has tables x bags + 1 numbers; ``lengths`` is tables x bags and tells the number of tables, as does a name
such as ``fbgemm_t856_bs65536_0.pt.gz``. A file is one batch unless ``batch_size`` cuts it. Needs PyTorch, which loads
tensors only. Written traces hold the samples of all batches as one.
Source: github.com/facebookresearch/dlrm_datasets (README).
"""

from pathlib import Path

from recnmp._files import replacing
from recnmp.errors import ConfigError
from recnmp.trace.formats._requests import (
    RequestReadOptions,
    RequestWriteOptions,
    read_requests,
    table_major,
)
from recnmp.trace.formats._torch_file import save_tensors

PLUGIN = True
SUMMARY = "dlrm_datasets .pt and .pt.gz (needs PyTorch)"

ReadOptions = RequestReadOptions
WriteOptions = RequestWriteOptions
read = read_requests


def write(trace: Path, out: Path, options: RequestWriteOptions) -> None:
    """Write the lookups of ``trace``; raises ConfigError for one that is weighted or does not fit the grid."""
    with replacing(out) as temporary, table_major(trace, out, options.index_dtype) as grid:
        if grid.weight is not None:
            raise ConfigError(f"{trace}: is weighted; dlrm_datasets has no weights, fbgemm_tbe has")
        save_tensors((grid.indices, grid.offsets, grid.lengths), temporary, out)
