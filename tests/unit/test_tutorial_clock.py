"""The clock of the tutorial, on a page of three commands."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = """
```bash
mkdir made && cp note.txt \\
  made
```

```text title="note.txt"
a note
```

```python
from pathlib import Path

assert Path("made/note.txt").read_text() == "a note\\n"
```

```bash
%s
```
"""

clones = pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="the clock clones a checkout"
)


def clock(page: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "validation/tutorial_clock.py", str(page)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@clones
def test_every_command_of_a_page_is_run_in_a_clone_and_timed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE % 'test -f pyproject.toml && test "$HOME" != ~root && ls -A "$HOME"')
    done = clock(page)
    assert done.returncode == 0, done.stderr
    rows = [" ".join(line.split()).split(" s ") for line in done.stdout.splitlines()]
    assert [name for _, name in rows] == [
        "git clone",
        "mkdir made && cp note.txt made",
        "python - <<'END'",
        'test -f pyproject.toml && test "$HOME" != ~root && ls -A "$HOME"',
        "all",
    ]
    seconds = [float(row[0]) for row in rows]
    assert seconds[-1] == pytest.approx(sum(seconds[:-1]), abs=0.3)


@clones
def test_a_command_that_fails_is_named_with_what_it_said(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE % "cat no-such-file\ntrue")
    done = clock(page)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "failed: cat no-such-file"
    assert "no-such-file: No such file" in done.stderr
