"""Searches over very small points."""

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import some_trace
from searching import SPACE

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
host: {{cpu: null}}
functional_check: "off"
search:
{search}
"""


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., Path]:
    """Write a search of a small model and trace; its section is given as text."""

    def write(section: str = "  sampler: grid\n", space: str = SPACE, name: str = "s.yaml") -> Path:
        (tmp_path / "small.yaml").write_text(MODEL)
        save_trace(some_trace(dims=(16, 16, 16)), tmp_path / "small.parquet")
        (tmp_path / name).write_text(CONFIG.format(search=space + section))
        return tmp_path / name

    return write
