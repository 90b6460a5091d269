"""RecNMP's page names every field and option as they are, and its figures are what comes out."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from pydantic_core import PydanticUndefined
from reference.traffic import JITTED

from recnmp.nmp.packet import FIELDS, INSTRUCTION_BITS
from recnmp.nmp.recnmp import Options

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recnmp.md").read_text()
needs_speed = pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows_after(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [cells(line) for line in section.splitlines() if line.startswith("|")][2:]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mechanisms", ROOT / "validation" / "mechanisms.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = load_script()
CHECKED = ["as shipped", "no RankCache", "both of them", "DDR commands on C/A"]
"""Rows that are run again here; the script makes all of them."""


def test_the_field_table_is_that_of_the_code():
    expected, at = [], INSTRUCTION_BITS
    for name, bits in FIELDS:
        at -= bits
        expected.append([f"{at + bits - 1}:{at}" if bits > 1 else f"{at}", name, f"{bits}"])
    assert [row[:3] for row in rows_after("Instruction")] == expected


def test_every_option_is_a_mechanism_with_its_default():
    table = {tuple(re.findall(r"`nmp\.options\.(\w+)`", row[1])): row[2] for row in rows_after("Mechanisms")}
    assert {name for names in table for name in names} == set(Options.model_fields)
    for names, told in table.items():
        defaults = [Options.model_fields[name].default for name in names]
        assert PydanticUndefined not in defaults
        shown = [one.split()[0].strip("`") if one else "" for one in told.split(", ")]
        if names:
            assert shown == ["" if one is None else f"{one:g}" if isinstance(one, float) else str(one)
                             for one in defaults], names  # fmt: skip


def test_every_mechanism_says_how_sure_it_is():
    sure = re.compile("documented|recalled|derived|assumption|not RecNMP's|others' reproduction")
    assert [row[0] for row in rows_after("Mechanisms") if not sure.search(row[3])] == []
    assert [row[1] for row in rows_after("Instruction") if not sure.search(row[4])] == []


def test_the_table_of_worth_has_every_switch_of_the_script():
    told = [(row[0], re.findall(r"`([^`]+)`", row[1])) for row in rows_after("What each mechanism is worth")]
    assert told == SCRIPT.SWITCHES


@needs_speed
@pytest.mark.parametrize("mechanism", CHECKED)
def test_a_row_of_worth_is_what_comes_out(mechanism, shipped):
    assert SCRIPT.row(mechanism, dict(SCRIPT.SWITCHES)[mechanism], shipped) in PAGE


@pytest.fixture(scope="module")
def shipped() -> dict[str, float]:
    return SCRIPT.shipped_times()
