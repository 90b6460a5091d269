"""Exact LRU curves of real access streams equal a textbook cache, hit for hit.

Needs a folder of streams named by RECNMP_DATASETS, ``.npz`` as `recnmp trace import --format npz` reads them.
"""

import os
from pathlib import Path

import pytest
from reference.lru import lru_hits

from recnmp.trace.convert import import_trace
from recnmp.trace.formats.npz import ReadOptions
from recnmp.trace.inspect import inspect_trace
from recnmp.trace.reuse.distance import lru_curve
from recnmp.trace.reuse.numbering import Numbering
from recnmp.trace.storage import load_trace

FOLDER = os.environ.get("RECNMP_DATASETS", "")
SIZES = (256, 2048, 16384)

pytestmark = pytest.mark.external("RECNMP_DATASETS")


@pytest.mark.parametrize("file", sorted(Path(FOLDER).glob("*.npz")) if FOLDER else [], ids=lambda f: f.stem)
def test_a_real_stream_s_hits_are_those_of_an_ordered_dictionary(file, tmp_path):
    import_trace("npz", [file], tmp_path / "a.parquet", ReadOptions())
    trace = load_trace(tmp_path / "a.parquet")
    numbering = Numbering(trace.tables)
    numbering.see(trace.table, trace.entry)
    numbering.freeze()
    item = numbering.items(trace.table, trace.entry)
    curve = lru_curve(item)
    for size in SIZES:
        assert curve.hits(size) == lru_hits(item.tolist(), size)
    told = inspect_trace(tmp_path / "a.parquet")
    assert told["lru_hits"]["8192"] == lru_hits(item.tolist(), 8192)
