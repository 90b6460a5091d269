"""A sweep of very small points."""

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import some_trace

from recnmp.trace.storage import save_trace

MODEL = """\
name: small
source: a test
tables: [{count: 3, entries: 3000, dim: 16, pooling_factor: 5}]
bottom_mlp: [16]
top_mlp: [1]
interaction: cat
"""

CONFIG = """\
model: small.yaml
trace: {{file: small.parquet}}
mlp: {{kind: none}}
memory: {{dimms_per_channel: 1}}
sweep:
{sweep}
"""

RANKS = "  axes: [{grid: {memory.ranks_per_dimm: [1, 2]}}]"


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Path]:
    """Write a sweep of a small model and trace; its section is given as text."""

    def write(section: str = RANKS, name: str = "s.yaml") -> Path:
        (tmp_path / "small.yaml").write_text(MODEL)
        save_trace(some_trace(dims=(16, 16, 16)), tmp_path / "small.parquet")
        (tmp_path / name).write_text(CONFIG.format(sweep=section))
        return tmp_path / name

    return write
