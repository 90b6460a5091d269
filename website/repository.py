"""Files of the repository that are on the site though they are not in docs/, and the links between all of them."""

import os
import re
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
_CODE = re.compile(r"(^```.*?^```[^\n]*$)", re.DOTALL | re.MULTILINE)


def site_uri(path: str) -> str:
    """Return where the repository's file ``path`` is on the site; README.md is its first page."""
    place = PurePosixPath(path)
    if place.parts[0] == "docs":
        return "/".join(place.parts[1:])
    if place.suffix != ".md":
        return f"files/{path}"
    if place.name == "README.md":
        return f"{place.parent}.md" if len(place.parts) > 1 else "index.md"
    return path.lower()


def source_of(uri: str) -> str:
    """Return the repository's file behind page ``uri`` of the site."""
    brought = {site_uri(path): path for path in what_pages_need()}
    return brought.get(uri, f"docs/{uri}")


@cache
def what_pages_need() -> tuple[str, ...]:
    """Return the files outside of docs/ that pages lead to, from README.md on; linked pages bring theirs."""
    need: list[str] = ["README.md"]
    docs = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("docs/**/*.md"))]
    for page in (pages := [*docs, *need]):
        for target in _targets(page):
            if not target.startswith("docs/") and target not in need and (ROOT / target).is_file():
                need.append(target)
                pages += [target] if target.endswith(".md") else []
    return tuple(need)


def links_for_the_site(markdown: str, source: str) -> str:
    """Return the text of page ``source`` with links as they are between pages of the site."""
    here = PurePosixPath(site_uri(source)).parent

    def moved(link: re.Match[str]) -> str:
        target = _target(source, link[2])
        if target is None or not (ROOT / target).is_file():
            return link[0]  # elsewhere, or a generated page
        return f"{link[1]}{os.path.relpath(site_uri(target), here)}{link[3]}"

    parts = _CODE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(moved, part) for part in parts)


def _targets(page: str) -> list[str]:
    text = _CODE.sub("", (ROOT / page).read_text())
    found = (_target(page, link[2]) for link in _LINK.finditer(text))
    return [target for target in found if target is not None]


def _target(page: str, link: str) -> str | None:
    """Return the path within the repository that ``link`` of ``page`` leads to; None where it leads out of it."""
    if ":" in link:
        return None
    path = os.path.normpath(PurePosixPath(page).parent / link)
    return None if path.startswith("..") else path
