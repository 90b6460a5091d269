"""How long the tutorial takes a newcomer: every command of its page, from a clean clone, one after the other.

What is committed is cloned into a temporary folder, with a home of its own: no package, compiled kernel or font is
there from before. Files that the page shows are written, its blocks of bash run in one shell, those of Python by its
Python. Printed are the seconds of each command, and the whole, which must be below ten minutes; reading is not in it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from pages import blocks, files_of  # noqa: E402

LIMIT_S = 600.0
KEPT = (
    "PATH",
    "LANG",
    "TERM",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_CONSTRAINT",
    "PIP_DEFAULT_TIMEOUT",
)
"""What the shell takes from this one: where programs and packages come from."""


def commands_of(page: str) -> list[str]:
    """Return the lines of bash of a page, and a line that runs each block of Python."""
    lines = []
    for block in blocks(page):
        if block.language == "bash":
            lines += block.text.replace("\\\n", " ").splitlines()
        elif block.language == "python":
            lines.append(f"python - <<'END'\n{block.text}END")
    return [line for line in lines if line.strip()]


def script(lines: list[str]) -> str:
    """Return a shell script that runs ``lines`` and tells, on descriptor 3, when each ended."""
    return "set -e\n" + "".join(f"{line}\ndate +%s.%N >&3\n" for line in lines)


def home(folder: Path) -> dict[str, str]:
    """Return the environment of a newcomer."""
    (folder / "home").mkdir()
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {"HOME": str(folder / "home"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def clocked(page: Path, folder: Path) -> list[tuple[str, float]]:
    """Clone into ``folder``, run all that ``page`` shows there, and return each command with its seconds."""
    began = time.time()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder / "recnmp")], check=True)
    ends = [time.time()]
    text = page.read_text()
    for name, content in files_of(text).items():
        (folder / "recnmp" / name).write_text(content)
    lines = commands_of(text)
    told = folder / "told"
    with (folder / "log").open("w") as log:
        done = subprocess.run(
            ["bash", "-c", f"exec 3>>{told}\n{script(lines)}"],
            cwd=folder / "recnmp",
            env=home(folder),
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    ends += [float(line) for line in told.read_text().split()]
    if done.returncode:
        tail = (folder / "log").read_text()[-3000:]
        raise SystemExit(f"{tail}\nfailed: {lines[len(ends) - 1]}")
    starts = [began, *ends[:-1]]
    names = ["git clone", *(line.partition("\n")[0] for line in lines)]
    return [(name, end - start) for name, start, end in zip(names, starts, ends, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument("page", nargs="?", type=Path, default=ROOT / "docs" / "tutorial.md")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tutorial-"))
    try:
        rows = clocked(chosen.page, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    whole = sum(seconds for _, seconds in rows)
    for name, seconds in [*rows, ("all", whole)]:
        print(f"{seconds:7.1f} s  {name}")
    raise SystemExit(whole > LIMIT_S)


if __name__ == "__main__":
    main()
