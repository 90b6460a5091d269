"""The examples print what lies beside them, byte for byte."""

import subprocess
import sys
from pathlib import Path

import pytest
from reference.traffic import JITTED

FOLDER = Path(__file__).parents[2] / "examples"
NEEDS = {"which_design": "pandas", "own_model": "torch"}
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))


def test_every_example_is_in_the_list_of_them():
    listed = (FOLDER / "README.md").read_text()
    assert len(SCRIPTS) == 3
    for name in SCRIPTS:
        assert f"[{name}.py]({name}.py)" in listed
        assert f"({name}.txt)" in listed


@pytest.mark.skipif(not JITTED, reason="whole runs need compiled kernels")
@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_prints_its_golden_output(name, tmp_path):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{name}.py needs it")
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", "out"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == (FOLDER / f"{name}.txt").read_bytes()


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_is_a_notebook_of_cells_that_says_its_question_first(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert text.startswith("# %% [markdown]\n# # ")
    assert text.splitlines()[1].endswith("?")
    assert text.count("# %%\n") >= 4
