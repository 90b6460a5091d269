"""HTML pages of tests: parsed strictly, and rendered by a browser where there is one."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

VOID = {"meta", "link", "br", "input"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Page(HTMLParser):
    """Checks that tags nest, and keeps elements, attributes and what carries a value."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.values: list[tuple[str, str, str]] = []
        self.words = ""
        self._value: tuple[str, str] | None = None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), tag
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        if "data-key" in found:
            self._value = (str(found["data-key"]), str(found["data-value"]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data
        if self._value is not None:
            self.values.append((*self._value, data))
            self._value = None

    def ids(self) -> list[str]:
        return [str(found["id"]) for _, found in self.tags if "id" in found]


@dataclass(frozen=True)
class Rendered:
    """What a browser made of a page: its inner width and that of its content, what stands out, and what it logged."""

    inner: int
    content: int
    sections: int
    wide: str
    quiet: bool


def chromium_finds(page: Path, width: int) -> Rendered:
    """Return how ``page`` comes out ``width`` pixels wide; files are written beside it."""
    # windows have a least width, frames do not; the frame says how wide its content came out, and what it missed
    frame = page.with_name("frame.html")
    frame.write_text(
        f'<!doctype html><iframe id="f" src="{page.name}" style="width:{width}px;height:900px;border:0"></iframe>'
        "<pre id=o></pre><script>onload=()=>{const d=document.getElementById('f').contentDocument;"
        "const w=d.documentElement; const wide=[...d.querySelectorAll('section *:not(.scroll *)')]"
        ".filter(e=>e.getBoundingClientRect().right>w.clientWidth+1).map(e=>e.tagName);"
        "document.getElementById('o').textContent=`found ${w.clientWidth} ${w.scrollWidth} "
        "${d.querySelectorAll('section').length} [${wide}]`}</script>"
    )
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
    ]
    command = [
        str(CHROMIUM),
        *quiet,
        "--disable-component-update",
        "--disable-sync",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
        f"--user-data-dir={page.with_name('profile')}",
        "--virtual-time-budget=4000",
        "--window-size=1600,1000",
        "--dump-dom",
        frame.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told = re.search(r"found (\d+) (\d+) (\d+) \[(.*?)\]", done.stdout)
    assert told is not None, done.stdout
    inner, content, sections = map(int, told.groups()[:3])
    return Rendered(inner, content, sections, told[4], "CONSOLE" not in done.stderr)
