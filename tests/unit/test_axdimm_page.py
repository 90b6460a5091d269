"""The figures on AxDIMM's page are what comes out."""

import re
from pathlib import Path

import pytest
from builders import placed_on, some_trace, system_of
from reference.traffic import JITTED

from recnmp.config import load_config
from recnmp.nmp import axdimm, host
from recnmp.nmp.axdimm.instruction import FIELDS, INSTRUCTION_BITS
from recnmp.placement.place import place
from recnmp.resolve import resolve
from recnmp.trace.storage import load_trace

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "axdimm.md").read_text()
ROWS = re.findall(r"^\| (as shipped|`.*=.*`) \| (.*) \|$", PAGE, re.MULTILINE)
needs_speed = pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")


def runs(sets: list[str]):
    config = load_config(ROOT / "configs" / "axdimm.yaml", sets)
    parts = resolve(config)
    trace = load_trace(config.trace.file)
    placed = place(trace, config.memory, parts.spec, config.placement)
    options = parts.nmp_options or axdimm.Options()
    return host.run(trace, placed, parts.system, host.Options()), axdimm.run(
        trace, placed, parts.system, options
    )


def test_the_page_has_its_rows():
    assert len(ROWS) >= 10


@needs_speed
@pytest.mark.parametrize(("what", "cells"), ROWS, ids=[what for what, _ in ROWS])
def test_every_row_is_what_comes_out(what, cells):
    named = re.findall(r"`([^`]+)`", what)
    base, near = runs([s if s.startswith("placement") else f"nmp.options.{s}" for s in named])
    share = near.details["time_share"]
    found = [f"{base.ns / 1e3:.1f}", f"{near.ns / 1e3:.1f}", f"{base.ns / near.ns:.2f}"]
    found.append(f"{near.details['batch_load_imbalance']:.2f}")
    found += [f"{share[part]:.1%}" for part in ("delivery", "return", "polling")]
    assert " | ".join(found) == cells


@needs_speed
def test_the_figures_of_wide_entries_are_what_comes_out():
    wide = ["model=rm2", f"trace.file={ROOT / 'traces' / 'rm2.parquet'}"]
    better = ["nmp.options.instruction_buffers=2", "nmp.options.instruction_buffer_words=8192"]
    for sets in (wide, wide + better):
        base, near = runs(sets)
        assert f"{base.ns / near.ns:.2f} x" in PAGE


def test_the_keys_on_the_page_are_those_of_a_result():
    trace, system = some_trace(1), system_of()
    details = axdimm.run(trace, placed_on(system, trace), system, axdimm.Options()).details
    table = PAGE.partition("## Its keys of a result")[2].partition("## Not")[0]
    named = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    assert set(named) == details.keys()
    assert all(f"`{part}`" in table for part in details["time_share"])


def test_the_field_table_is_that_of_the_code():
    at = INSTRUCTION_BITS
    for name, bits in FIELDS:
        at -= bits
        place = f"{at + bits - 1}:{at}" if bits > 1 else f"{at}"
        row = next(
            line for line in PAGE.splitlines() if line.startswith("|") and name.replace("_", " ") in line
        )
        assert place in row.split("|")[1], name
