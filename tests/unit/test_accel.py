import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import recnmp
from recnmp._accel import kernel_digest

PACKAGE = Path(recnmp.__file__).parent
KERNELS = sorted(
    path.relative_to(PACKAGE).as_posix()
    for pattern in ("**/_kernels.py", "cache/policies/*.py")
    for path in PACKAGE.glob(pattern)
)

HELPER = """
from recnmp._accel import {door}


@{door}
def weight(x):
    return x * 2
"""
CALLER = """
from recnmp._accel import jit
from recnmp.one._kernels import weight


@jit
def total(values):
    result = 0
    for value in values:
        result += weight(value)
    return result
"""
RUN = """
import json

import numba
import numpy as np

from recnmp.two._kernels import total

result = total(np.arange(5))
hits = sum(total.stats.cache_hits.values())
print(json.dumps({"result": int(result), "hits": hits, "folder": numba.config.CACHE_DIR}))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package that may be edited."""
    return shutil.copytree(
        PACKAGE, tmp_path / "tree" / "recnmp", ignore=shutil.ignore_patterns("__pycache__")
    )


def test_the_package_has_kernels():
    assert {"memory/_kernels.py", "cache/_kernels.py", "cache/policies/lru.py"} <= set(KERNELS)


def test_the_digest_is_the_same_for_the_same_sources(package):
    assert kernel_digest(package) == kernel_digest(PACKAGE) == kernel_digest()


@pytest.mark.parametrize("name", KERNELS)
def test_an_edit_of_any_kernel_file_changes_the_digest(package, name):
    with (package / name).open("a") as file:
        file.write("# an edit\n")
    assert kernel_digest(package) != kernel_digest()


def test_a_new_or_moved_kernel_file_changes_the_digest(package):
    (package / "report" / "_kernels.py").write_text("")
    added = kernel_digest(package)
    (package / "report" / "_kernels.py").rename(package / "config" / "_kernels.py")
    assert len({kernel_digest(), added, kernel_digest(package)}) == 3


def test_an_edit_elsewhere_keeps_the_digest(package):
    (package / "units.py").write_text("")
    assert kernel_digest(package) == kernel_digest()


def run(package: Path, **environment: str) -> dict:
    """Run the small kernel of ``package`` in a process of its own; a compiler that fails is shown."""
    known = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=package.parent,
        env=known | {"RECNMP_CACHE_DIR": str(package.parent / "cache")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("door", ["jit", "helper", "inlined"])
def test_an_edited_helper_in_another_file_is_seen_by_its_callers(package, door):
    for folder, source in (("one", HELPER.format(door=door)), ("two", CALLER)):
        (package / folder).mkdir()
        (package / folder / "__init__.py").touch()
        (package / folder / "_kernels.py").write_text(source)
    first, again = run(package), run(package)
    assert (first["result"], first["hits"]) == (20, 0)
    assert (again["result"], again["hits"]) == (20, 1)
    helper = package / "one" / "_kernels.py"
    helper.write_text(helper.read_text().replace("x * 2", "x * 3"))
    edited = run(package)
    assert (edited["result"], edited["hits"]) == (30, 0)
    assert edited["folder"] != first["folder"] == again["folder"]


@pytest.mark.parametrize("variable", ["RECNMP_CACHE_DIR", "XDG_CACHE_HOME"])
def test_the_cache_lies_where_the_environment_says(tmp_path, variable):
    places = ("RECNMP_CACHE_DIR", "XDG_CACHE_HOME")
    known = {key: value for key, value in os.environ.items() if key not in places}
    code = "import recnmp._accel, numba; print(numba.config.CACHE_DIR)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=known | {variable: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == tmp_path / "recnmp" / f"kernels-{kernel_digest()}"
