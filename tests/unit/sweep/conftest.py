"""A sweep of very small points."""

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import write_small_model

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
        write_small_model(tmp_path)
        (tmp_path / name).write_text(CONFIG.format(sweep=section))
        return tmp_path / name

    return write
