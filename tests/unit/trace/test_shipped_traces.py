import re
from pathlib import Path

import pytest

from recnmp.trace.inspect import inspect_trace

TRACES = Path(__file__).parents[3] / "traces"
FILES = sorted(path.name for path in TRACES.glob("*.parquet"))
README = (TRACES / "README.md").read_text()


def test_the_shipped_traces_are_small_together():
    assert {"rm1.parquet", "rm2.parquet", "rm3.parquet"} <= set(FILES)
    assert sum((TRACES / name).stat().st_size for name in FILES) <= 4e6


@pytest.mark.parametrize("name", FILES)
def test_the_readme_describes_each_trace_as_it_is(name):
    info = inspect_trace(TRACES / name)
    tables, meta = info["tables"], info["meta"]
    shapes = {(table["entries"], table["dim"]) for table in tables}
    assert len(shapes) == 1
    entries, dim = shapes.pop()
    size = (TRACES / name).stat().st_size
    assert f"{info['digest']}  {name}" in README
    shape = f"{len(tables)} x {entries:,} x {dim} | {info['pooling_factor']['max']}"
    counts = f"{info['batches']} x {meta['batch_size']} | {info['lookups']:,} | {size:,}"
    assert f"| `{name}` | {meta['model'].upper()} | {shape} | {counts} |" in README
    lru = " | ".join(f"{hits / info['lookups'] * 100:.1f} %" for hits in info["lru_hits"].values())
    unique, top = info["unique_share"] * 100, info["top_1_percent_share"] * 100
    assert f"| `{name}` | {unique:.1f} % | {top:.1f} % | {lru} |" in README
    command = f"zoo:{meta['model']} --batches {meta['batches']} --batch-size {meta['batch_size']}"
    assert f"recnmp trace capture {command} --seed {meta['seed']} --out traces/{name}" in README


@pytest.mark.parametrize("name", FILES)
def test_shipped_traces_have_reuse_and_say_nothing_of_a_machine(name):
    info = inspect_trace(TRACES / name)
    assert info["flags"] == []
    assert info["pooling_factor"]["min"] == info["pooling_factor"]["max"]
    assert not re.search(r"/home|/root|/tmp|20\d\d-\d\d-\d\d", str(info["meta"]))
