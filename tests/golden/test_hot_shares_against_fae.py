"""Hot samples and hot lookups are those that FAE's own profiler found in real click logs, at full and 5 % sampling.

Needs a folder of streams named by RECNMP_DATASETS and one of recorded results named by RECNMP_GOLDEN_SYSTEMS.
"""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from recnmp.study.hot.profile import counted, drawn_samples, hot_items, universe_of
from recnmp.study.hot.shares import share_rows
from recnmp.trace.convert import import_trace
from recnmp.trace.formats.npz import ReadOptions
from recnmp.trace.storage import load_trace

STREAMS = os.environ.get("RECNMP_DATASETS", "")
RECORDED = os.environ.get("RECNMP_GOLDEN_SYSTEMS", "")
ENTRY_BYTES = 64  # dim 16 in FP32

pytestmark = [pytest.mark.external("RECNMP_DATASETS"), pytest.mark.external("RECNMP_GOLDEN_SYSTEMS")]


@pytest.mark.parametrize("name", ["criteo_kaggle_7k", "talkingdata_100k"])
def test_shares_are_those_of_the_profiler_itself(name, tmp_path):
    with (Path(RECORDED) / "fae_profiler_hot_fraction.csv").open() as file:
        recorded = [row for row in csv.DictReader(file) if row["dataset"] == name]
    import_trace("npz", [Path(STREAMS) / f"{name}.npz"], tmp_path / "a.parquet", ReadOptions(dim=16))
    universe = universe_of(load_trace(tmp_path / "a.parquet"), "fae")
    assert len(recorded) == 12
    for row in recorded:
        share, budget = int(row["sampling_pct"]) / 100, int(row["hot_rows"]) * ENTRY_BYTES
        times = drawn_samples(np.arange(universe.samples), share, "fae", seed=0)
        hot = hot_items(universe, counted(universe, times), budget, "fae")
        ours = next(share_rows(universe, hot, budget, 0))
        assert ours["hot_entries"] == int(row["hot_rows"])
        assert ours["hot_samples"] == int(row["hot_samples"])
        assert round(ours["hot_lookup_share"], 5) == float(row["hot_lookup_frac"])


@pytest.mark.parametrize("name", ["criteo_kaggle_7k", "talkingdata_100k"])
def test_every_sample_counted_once_is_no_worse_than_what_was_drawn(name, tmp_path):
    import_trace("npz", [Path(STREAMS) / f"{name}.npz"], tmp_path / "a.parquet", ReadOptions(dim=16))
    trace = load_trace(tmp_path / "a.parquet")
    found = {}
    for profiler in ("plain", "fae"):
        universe = universe_of(trace, profiler)
        reads = counted(universe, drawn_samples(np.arange(universe.samples), 1.0, profiler, seed=0))
        budget = universe.total_bytes // 20
        hot = hot_items(universe, reads, budget, profiler)
        found[profiler] = next(share_rows(universe, hot, budget, 0))["hot_lookup_share"]
    assert found["fae"] < found["plain"] < found["fae"] + 0.01
