"""Searches over very small points."""

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import write_small_model
from searching import SPACE

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
        write_small_model(tmp_path)
        (tmp_path / name).write_text(CONFIG.format(search=space + section))
        return tmp_path / name

    return write
