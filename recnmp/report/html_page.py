"""A result as one HTML file that needs nothing else: no script, no network, figures as SVG."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path, PurePath
from typing import Any

from recnmp.errors import ConfigError
from recnmp.report import html_memory, html_origin, html_ranks, html_time
from recnmp.report.html_elements import Source, plain_text
from recnmp.report.html_style import STYLE
from recnmp.report.result import write_whole

Json = Mapping[str, Any]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Browsers keep it: the page can fetch nothing."""


def report_page(document: Json, inspection: Json | None = None, trace_note: str = "") -> str:
    """Return the page of a result document, the same text for the same document.

    ``inspection`` : what ``recnmp.trace.inspect.inspect_trace`` returns for the trace that was replayed;
    ``trace_note`` : why there is none, or what a reader must know about it. Raises ConfigError for values that no
    result holds.
    """
    try:
        return _page(document, inspection, trace_note)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"not a complete result: {type(error).__name__}: {error}") from None


def write_report(page: str, path: Path) -> None:
    """Write ``page`` to ``path``, whole or not at all; raises ConfigError where that cannot be."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{path}: a report is an .html file")
    try:
        write_whole(path, page)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None


def _page(document: Json, inspection: Json | None, trace_note: str) -> str:
    doc = Source(document)
    title = _title(doc)
    sections = [
        html_time.asked(doc),
        html_time.headline(doc),
        html_time.where_time_went(doc),
        html_time.ladder(doc),
        html_ranks.rank_loads(doc),
        html_memory.memory(doc),
        html_ranks.bandwidth(doc),
        html_memory.energy(doc),
        html_origin.trace(doc, inspection, trace_note),
        html_origin.check(doc),
        html_origin.provenance(doc),
        html_origin.certainty(document),
    ]
    return whole_page(title, _subtitle(doc), sections, doc.text("provenance.recnmp"))


def whole_page(title: str, subtitle: str, sections: Sequence[str], version: str, style: str = "") -> str:
    """Return a page of escaped parts; ``style`` joins that of all reports."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n'
        f"<header>\n<h1>{title}</h1>\n<p>{subtitle}</p>\n</header>\n<main>\n{''.join(sections)}</main>\n"
        f"<footer><p>recnmp {version}</p></footer>\n</body>\n</html>\n"
    )


def _title(doc: Source) -> str:
    model = doc.at("config.model")
    name = PurePath(str(model.get("name", "model") if isinstance(model, Mapping) else model)).name
    kind = doc.at("config.nmp.kind") or "host"
    who = "host alone" if kind == "host" else f"host against {kind}"
    return escape(f"{name.removesuffix('.yaml').upper()}: {who}")


def _subtitle(doc: Source) -> str:
    when = doc.at("provenance.created_utc")
    made = f', run <time datetime="{plain_text(when)}">{plain_text(when)}</time>' if when else ""
    return f"Embedding gather-reduce on {doc.text('config.memory.standard') or 'memory'}{made}"
