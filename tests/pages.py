"""Pages as tests read them: blocks of code, the files that they name, the commands that they show.

A block of bash or console is run where it stands, in the order of its page, unless the line above says
`<!-- not run: why -->`. A block with a title is the file of that name: ```yaml title="my.yaml". A text block with the
title `prints` is what the command before it prints; `...` stands for anything, in a line or for lines.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), ROOT / "traces/README.md"]
)
PRINTS = "prints"
_BLOCK = re.compile(r"^```([\w-]*)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Code of a page: its language, title, text, line, and why it is not run (empty where it is)."""

    language: str
    title: str
    text: str
    line: int
    not_run: str

    @property
    def commands(self) -> list[list[str]]:
        """The commands of a block of bash or console, in words; none of another language."""
        if self.language not in ("bash", "console"):
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        shown = [part for line in lines for part in line.split("&&")]
        return [words for part in shown if (words := shlex.split(part, comments=True))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    """Return all blocks of code of a page, in order."""
    found = []
    for match in _BLOCK.finditer(text):
        title = re.search(r'title="([^"]*)"', match[2])
        why = _NOT_RUN.search(text[: match.start()])
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], title[1] if title else "", match[3], line, why[1] if why else ""))
    return found


def files_of(text: str) -> dict[str, str]:
    """Return the files that a page shows, by name."""
    return {block.title: block.text for block in blocks(text) if block.title not in ("", PRINTS)}


def prints(expected: str, printed: str) -> bool:
    """Return whether ``printed`` has the lines of ``expected`` in their order; `...` stands for anything."""
    lines = [" ".join(line.split()) for line in expected.splitlines() if line.strip() not in ("", "...")]
    pattern = r".*\n(?:.*\n)*?".join(re.escape(line).replace(r"\.\.\.", ".*") for line in lines)
    return bool(re.search(pattern, "\n".join(" ".join(line.split()) for line in printed.splitlines())))
