"""docs/rank-cache-worth.md says what its table of points has, and one of its traces gives the same points again."""

import csv
import importlib.util
import os
import re
from pathlib import Path

import pytest

from recnmp.config.load import load_config
from recnmp.study.runs import Run, config_with_trace, run_all
from recnmp.trace.convert import import_trace
from recnmp.trace.formats.npz import ReadOptions
from recnmp.trace.storage import read_header

ROOT = Path(__file__).parents[2]
FOLDER = os.environ.get("RECNMP_DATASETS", "")
PAGE = (ROOT / "docs" / "rank-cache-worth.md").read_text()

_spec = importlib.util.spec_from_file_location(
    "rank_cache_worth", ROOT / "validation" / "rank_cache_worth.py"
)
assert _spec
assert _spec.loader
SCRIPT = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(SCRIPT)

with (ROOT / "docs" / "rank-cache-worth" / "points.csv").open() as _file:
    POINTS = list(csv.DictReader(_file))


def point(trace: str, workload: str, wanted) -> dict[str, str]:
    named = {name: str(value) for name, value in vars(wanted).items()}
    found = [p for p in POINTS if {"trace": trace, "workload": workload, **named}.items() <= p.items()]
    assert len(found) == 1
    return found[0]


def cells(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row] for row in rows]


def test_every_trace_and_system_has_every_point():
    assert len(POINTS) == len(SCRIPT.TRACES) * len(SCRIPT.WORKLOADS) * len(SCRIPT.points())
    assert "{{" not in PAGE


def test_the_first_table_is_that_of_the_points():
    rows = cells("What it saves")
    assert [tuple(row[:2]) for row in rows] == list(SCRIPT.pairs())
    for row in rows:
        own, bare = (point(*row[:2], one) for one in (SCRIPT.OWN, SCRIPT.OWN.without_cache()))
        assert row[2:] == [
            f"{float(own['hit_rate']):.1%}",
            f"{float(bare['ns_per_lookup']):.2f}",
            f"{float(own['ns_per_lookup']):.2f}",
            f"{float(own['time_saved']):.1%}",
            f"{float(own['energy_saved']):.1%}",
            f"{float(bare['waiting_share']):.0%}",
            f"{float(bare['speedup_over_host']):.2f}",
            f"{float(own['speedup_over_host']):.2f}",
        ]


def test_what_the_text_says_without_numbers_holds():
    def saved(trace, workload, **changes):
        return float(point(trace, workload, SCRIPT.Point(**changes))["time_saved"])

    for trace in SCRIPT.TRACES:
        large, small = (saved(trace, "8 ranks", size_bytes=size << 10) for size in (1024, 32))
        assert large - small < 0.03
        every = [saved(trace, "2 ranks", policy=policy) for policy in SCRIPT.POLICIES]
        assert saved(trace, "2 ranks", policy="w_tinylfu") > max(every) - 0.0005
        assert (
            saved(trace, "2 ranks", policy="w_tinylfu")
            < saved(trace, "2 ranks", size_bytes=256 << 10) + 0.0005
        )
    for trace in ("diginetica", "retail_fimi"):
        step = SCRIPT.STEPS["table-aware, profiled"]
        assert saved(trace, "2 ranks", **vars(step)) < saved(trace, "2 ranks")


@pytest.mark.external("RECNMP_DATASETS")
def test_a_trace_that_is_imported_as_the_page_says_gives_its_points_again(tmp_path):
    name = "criteo_kaggle_7k"
    options = ReadOptions(ids="hash", entries=1_000_000, dim=16, batch_size=256)
    import_trace("npz", [Path(FOLDER) / f"{name}.npz"], tmp_path / "a.parquet", options)
    digest = read_header(tmp_path / "a.parquet").digest
    assert re.search(rf"\| {name} \|.*\| `{digest[:12]}` \|", PAGE)
    config = config_with_trace(tmp_path / "a.parquet", "rank2")
    assert config.cache.rank == load_config("rank2").cache.rank
    for wanted in (SCRIPT.OWN, SCRIPT.Point(policy="s3fifo")):
        run = Run.of(config, "recnmp", wanted.changes())
        outcome = run_all([run])[run]
        recorded = point(name, "2 ranks", wanted)
        assert f"{outcome.ns / outcome.lookups:.9g}" == recorded["ns_per_lookup"]
        assert f"{outcome.details['cache_hit_rate']:.9g}" == recorded["hit_rate"]
