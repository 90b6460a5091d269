"""What mkdocs is told while it builds the site: pages from the repository, generated pages, links, formulas."""

import logging
import re
from pathlib import Path
from typing import Any

from commands_page import commands_page
from formulas import with_mathml
from library_page import library_page
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from options_page import options_page
from repository import ROOT, links_for_the_site, site_uri, source_of, what_pages_need

_LOG = logging.getLogger("mkdocs.website")

GENERATED = {
    "reference/commands.md": commands_page,
    "reference/configuration.md": options_page,
    "reference/library.md": library_page,
}


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages, and what lies outside of docs/ and is linked to."""
    for uri, make in GENERATED.items():
        files.append(File.generated(config, uri, content=make()))
    for path in what_pages_need():
        files.append(File.generated(config, site_uri(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Lead links to where their files are on the site."""
    uri = page.file.src_uri
    return markdown if uri in GENERATED else links_for_the_site(markdown, source_of(uri))


def on_page_content(html: str, page: Page, config: Any, files: Files) -> str:
    """Turn formulas into MathML, which browsers draw by themselves."""
    return with_mathml(html)


def on_post_page(output: str, page: Page, config: Any) -> str:
    """Warn, which is an error with --strict, of what a browser would fetch from elsewhere."""
    for tag in re.findall(r'<(?:script|img|link|iframe)\b[^>]*(?:src|href)="(?:https?:)?//[^>]*>', output):
        _LOG.warning("%s: is fetched from elsewhere: %s", page.file.src_uri, tag)
    return output


def on_config(config: Any) -> Any:
    """Watch what the site is made of besides docs/, for `mkdocs serve`."""
    config["watch"] += [str(ROOT / "README.md"), str(Path(__file__).parent)]
    return config
