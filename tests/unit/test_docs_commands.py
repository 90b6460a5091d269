"""Every command that a page shows is run where it stands, with the files that the page shows."""

import gzip
import importlib
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pages import PAGES, PRINTS, ROOT, Block, blocks, files_of, name_of, prints
from reference.traffic import JITTED

from recnmp._registry import PACKAGE
from recnmp.cli import cli
from recnmp.errors import ConfigError
from recnmp.sweep.version import code_version
from recnmp.trace.storage import load_trace, save_trace

SHOWN = [
    page for page in PAGES if any(b.commands or b.language == "python" for b in blocks(page.read_text()))
]
BY_THE_GATE = ("pip", "venv", "pytest", "ruff", "mypy", "lint-imports")
"""Programs that set an environment up or test; `.ci/run` runs them, and README's two lines as they stand."""

NEEDS = re.compile(r"recnmp\[\w+\]")
"""How a failure names an extra that is not installed; the rest of the page is left out then."""

BROUGHT = files_of((ROOT / "docs" / "howto" / "capture-your-own-model.md").read_text())
"""A model and its data, as readers bring them to other pages."""


def day_of_criteo(path: Path) -> None:
    """Write a click log as Criteo has them: label, 13 numbers, 26 categories."""
    with gzip.open(path, "wt") as file:
        for n in range(40):
            file.write(
                "\t".join(["0", *map(str, range(13)), *(f"{(n * c) % 7:08x}" for c in range(26))]) + "\n"
            )


MADE: dict[str, Callable[[Path], None]] = {"day_0.gz": day_of_criteo, "day_1.gz": day_of_criteo}


@pytest.fixture(scope="module")
def short_traces(tmp_path_factory) -> Path:
    """Return a folder with two batches of every shipped trace, for pages that do not say what is printed."""
    folder = tmp_path_factory.mktemp("traces")
    for path in sorted((ROOT / "traces").glob("*.parquet")):
        whole = load_trace(path)
        save_trace(whole.select(0, min(2, whole.batches)), folder / path.name)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, page, short_traces) -> Iterator[Path]:
    """Yield a working folder like a clone's, in which a file of the package that is written is the package's."""
    whole = any(block.title == PRINTS for block in blocks(page.read_text()))
    shutil.copytree(ROOT / "traces" if whole else short_traces, tmp_path / "traces")
    for name in ("configs", "examples"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    code_version.cache_clear()  # it may be that of the copy
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]
        elif name.startswith("recnmp.") and getattr(module, "PACKAGE", PACKAGE) != PACKAGE:
            module.__dict__["PACKAGE"] = PACKAGE  # it was imported meanwhile


def as_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``folder``/recnmp a copy of the package whose library and plug-ins are those that are found."""
    shutil.copytree(
        ROOT / "recnmp", folder / "recnmp", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    for name, module in list(sys.modules.items()):
        if name.startswith("recnmp.") and getattr(module, "PACKAGE", None) == PACKAGE:
            monkeypatch.setattr(module, "PACKAGE", folder / "recnmp")
    for name in ("nmp", "cache.policies"):
        parent = importlib.import_module(f"recnmp.{name}")
        monkeypatch.setattr(
            parent, "__path__", [*parent.__path__, str(folder / "recnmp" / name.replace(".", "/"))]
        )


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.skipif(not JITTED, reason="whole runs need compiled kernels")
@pytest.mark.parametrize("page", SHOWN, ids=name_of)
def test_every_command_of_a_page_runs(page, folder, monkeypatch, capsys):
    shown = blocks(page.read_text())
    own = {block.title: block.text for block in shown if block.title not in ("", PRINTS)}
    write(folder, {name: text for name, text in BROUGHT.items() if name not in own})
    for name, make in MADE.items():
        make(folder / name)
    write(folder, own)
    if any(name.startswith("recnmp/") for name in own):
        as_the_package(folder, monkeypatch)
    printed, python = "", {"__name__": "shown"}
    for block in shown:
        where = f"{name_of(page)}:{block.line}"
        if block.title == PRINTS:
            assert prints(block.text, printed), f"{where}: shows other than what is printed:\n{printed}"
        if block.title or block.not_run:
            continue
        if block.language == "python":
            try:
                exec(compile(block.text, where, "exec"), python)
            except ConfigError as error:
                if needs := NEEDS.search(str(error)):
                    pytest.skip(f"{where}: needs {needs[0]}")
                raise
            printed = capsys.readouterr().out
        for words in block.commands:
            printed = run(words, where, monkeypatch, capsys)


def run(
    words: list[str], where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """Run one command; returns what it prints."""
    program = words[0].rpartition("/")[2]
    if program in ("python", "python3") and words[1].endswith(".py"):
        monkeypatch.setattr(sys, "argv", words[1:])
        runpy.run_path(words[1], run_name="__main__")
        return capsys.readouterr().out
    if program in BY_THE_GATE or words[1:3] == ["-m", "venv"] or words[0].startswith(".venv/"):
        return ""
    assert program == "recnmp", f"{where}: {shlex.join(words)} is neither recnmp nor a script"
    done = CliRunner().invoke(cli, words[1:], prog_name="recnmp")
    if done.exit_code and (needs := NEEDS.search(done.output)):
        pytest.skip(f"{where}: needs {needs[0]}")
    assert done.exit_code == 0, f"{where}: {shlex.join(words)}\n{done.output}"
    return done.output


def of_bash(page: Path) -> list[Block]:
    return [block for block in blocks(page.read_text()) if block.language in ("bash", "console")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_that_is_not_run_says_why(page):
    for block in of_bash(page):
        assert not block.not_run or len(block.not_run) > 10, block
        runs_alone = re.search(r"^\s*(for|if|while) ", block.text, re.MULTILINE)
        assert block.not_run or not runs_alone, block


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_extra_that_is_installed_exists(page):
    extras = re.search(
        r"\[project.optional-dependencies\]\n(.*?)\n\n", (ROOT / "pyproject.toml").read_text(), re.DOTALL
    )
    assert extras
    known = set(re.findall(r"^(\w+) =", extras[1], re.MULTILINE))
    for block in of_bash(page):
        for named in re.findall(r"(?:recnmp|\.)\[([\w,]+)\]", block.text):
            assert set(named.split(",")) <= known, block


SHOWN_AND_PRINTED = """
<!-- not run: no such machine -->
```bash
recnmp a\\
 b && c # d
```

```text title="prints"
x ... y
```
"""


def test_what_a_page_shows_is_told_from_what_it_prints():
    bash, text = blocks(SHOWN_AND_PRINTED)
    assert bash.commands == [["recnmp", "a", "b"], ["c"]]
    assert bash.not_run == "no such machine"
    assert (text.title, text.not_run, text.commands) == (PRINTS, "", [])
    assert prints("a 1\n...\nb ... c", "a   1\nother\n b 2 c\n")
    assert not prints("a 1\n...\nb 3 c", "a 1\nb 2 c\n")
