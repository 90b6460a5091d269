"""A scoreboard as text, as a Markdown page and as files: published numbers beside ours, gaps explained."""

import csv
import io
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.library.published import SHARE_OF_TIME
from recnmp.report.charts import Chart, draw
from recnmp.report.result import plain, write_whole

Json = Mapping[str, Any]

_CERTAINTY = {
    "verified source": "read at the source that is named",
    "cross-checked": "recalled, and another number fits only if it is right",
    "recalled high": "recalled, fairly sure",
    "recalled medium": "recalled, digits may be off",
    "recalled low": "recalled, may be wrong",
    "derived": "computed from other facts, or ours alone",
}
_REUSE = (
    "Every number of ours stands beside the reuse of its trace: the share of lookups that read an entry for the "
    "first time, and the hits of one fully associative LRU cache over all tables. "
)
_WIDTH = 118


def scoreboard_lines(document: Json, width: int = 100) -> Iterator[str]:
    """Yield a scoreboard, a document of ``recnmp.reproduce.scoreboard.reproduce``, for a terminal."""
    quick = ", quick: shorter traces" if document["quick"] else ""
    yield f"{document['title']}: published and ours{quick}"
    yield from textwrap.wrap(_checked(document["functional_check"]), width)
    experiment, trace = "", ""
    for row in document["rows"]:
        if (row["experiment"] or "not run") != experiment:
            experiment, trace = row["experiment"] or "not run", ""
            yield ""
            yield f"{experiment:<{width - 47}}{'published':>10}  {'certainty':<16}{'ours':>9}{'ratio':>9}"
        if row["trace"] and trace_text(row["trace"]) != trace:
            trace = trace_text(row["trace"])
            yield f"  [{trace}]"
        what = textwrap.wrap(row["what"], width - 50)
        yield from (f"  {line}" for line in what[:-1])
        ratio = _beside(row)
        figures = f"{shown(row['published'], row['unit']):>10}  {row['certainty']:<16}"
        yield f"  {what[-1]:<{width - 49}}{figures}{shown(row['ours'], row['unit']):>9}{ratio:>9}".rstrip()
        yield from textwrap.wrap(row["note"], width, initial_indent="      ", subsequent_indent="      ")
    for one in document["experiments"]:
        for remark in one["remarks"]:
            yield from textwrap.wrap(f"{one['name']}: {remark}", width, subsequent_indent="    ")


def _checked(check: Json) -> str:
    """Return in a sentence what was checked functionally; nothing where nothing was."""
    if not check["settings"]:
        return ""
    exact = "bit for bit" if check["bit_exact"] else "but for rounding"
    return (
        f"Functional check: one run of each of {check['settings']} settings (mechanisms, caches, placement) of the "
        f"{check['runs']} runs near memory; {check['bags']:,} bags pooled by their instructions are those of "
        f"{check['reference']} {exact}."
    )


def _beside(row: Json) -> str:
    """Return how ours compares: a ratio, of shares of time the difference in points; nothing where there is none."""
    if row["difference"] is not None:
        return f"{100 * row['difference']:+.1f} pt"
    return "" if row["ratio"] is None else f"{row['ratio']:.2f}"


def shown(value: float | None, unit: str) -> str:
    """Return a number in its unit: shares in percent, dimensionless ratios bare; a dash for none."""
    if value is None:
        return "-"
    if unit in ("share", SHARE_OF_TIME):
        return f"{100 * value:.1f} %"
    number = f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
    return f"{number} x" if unit == "x" else number


def trace_text(trace: Json) -> str:
    """Return what a trace is and how much of it repeats, for beside a figure."""
    hits = "/".join(f"{100 * share:.0f}" for share in trace["lru_hit_share"].values())
    sizes = "/".join(str(int(size) >> 20) for size in trace["lru_hit_share"])
    name = f"{trace['trace']}, {trace['tables']} tables of {trace['entry_bytes']} B"
    return f"{name}: {100 * trace['unique_share']:.0f} % unique, LRU {sizes} MiB {hits} %"


def write_scoreboard(document: Json, folder: Path) -> Path:
    """Write page, rows, points and figures of a scoreboard into ``folder``; returns the page's path.

    ``scoreboard-NAME.md`` is the page; ``scoreboard-NAME/`` has ``rows.csv``, ``rows.json``, and for every
    experiment its points as CSV and its figure as PNG and SVG. Raises RecnmpError where that cannot be written.
    """
    page = folder / f"scoreboard-{document['name']}.md"
    beside = folder / page.stem
    try:
        beside.mkdir(parents=True, exist_ok=True)
        rows = [{**row, "trace": row["trace"] and trace_text(row["trace"])} for row in document["rows"]]
        write_whole(beside / "rows.csv", _csv(rows))
        write_whole(beside / "rows.json", rows_json(document) + "\n")
        for one in document["experiments"]:
            write_whole(beside / f"{one['name']}.csv", _csv(one["points"]))
            if isinstance(one["chart"], Chart):
                for suffix in (".png", ".svg"):
                    draw(one["chart"], beside / f"{one['name']}{suffix}")
        write_whole(page, "\n".join(_page(document, page.stem)) + "\n")
    except OSError as error:
        raise RecnmpError(f"{folder}: cannot write the scoreboard: {error.strerror}") from None
    return page


def rows_json(document: Json) -> str:
    """Return the rows as JSON text."""
    return json.dumps(plain(document["rows"], "rows"), indent=2, ensure_ascii=False, allow_nan=False)


def _csv(records: Sequence[Json]) -> str:
    text = io.StringIO()
    columns = list(dict.fromkeys(key for record in records for key in record))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: f"{v:.6g}" if isinstance(v, float) else v for key, v in record.items()} for record in records
    )
    return text.getvalue()


def _page(document: Json, beside: str) -> Iterator[str]:
    """Yield the lines of the Markdown page; ``beside`` is the folder of its figures."""
    command = f"recnmp reproduce {document['name']}{' --quick' if document['quick'] else ''} --out DIR"
    yield f"# {document['title']}: published and ours"
    yield ""
    traced = any(row["trace"] for row in document["rows"])
    shares = any(row["unit"] == SHARE_OF_TIME for row in document["rows"])
    yield from _paragraph(
        f"Written by `{command}`; do not edit. Published numbers are for comparing, never inputs: nothing is fitted "
        f"to them, and a miss is shown as a miss. {_REUSE if traced else ''}Reasons are given where ours is more "
        f"than 15 % off{', shares of time where they are 15 points off' if shares else ''}."
    )
    yield from _paragraph(f"Published: {document['source']}.")
    yield from _paragraph(f"Ours: {document['about']}")
    if checked := _checked(document["functional_check"]):
        yield from _paragraph(checked)
    yield from _table(("certainty", "means"), ([tag, meaning] for tag, meaning in _CERTAINTY.items()))
    yield "## Scoreboard"
    yield ""
    yield from _table(
        ("experiment", "what", "published", "certainty", "ours", "ratio", "trace of ours", "why they differ"),
        (_cells(row) for row in document["rows"]),
        right=(2, 4, 5),
    )
    for one in document["experiments"]:
        yield f"## {one['title']}"
        yield ""
        if one["chart"]:
            yield f"![{one['chart'].title}]({beside}/{one['name']}.png)"
            yield ""
        for remark in one["remarks"]:
            yield from textwrap.wrap(remark, _WIDTH, initial_indent="- ", subsequent_indent="  ")
        if one["remarks"]:
            yield ""
        yield f"All {len(one['points'])} points: [{one['name']}.csv]({beside}/{one['name']}.csv)."
        yield ""
    yield f"All rows, with sources: [CSV]({beside}/rows.csv), [JSON]({beside}/rows.json)."


def _cells(row: Json) -> list[str]:
    unit = "" if row["unit"] in ("x", "share", SHARE_OF_TIME, "ratio") else f" {row['unit']}"
    published, ours = (
        "-" if row[key] is None else f"{shown(row[key], row['unit'])}{unit}" for key in ("published", "ours")
    )
    trace = trace_text(row["trace"]) if row["trace"] else ""
    return [
        row["experiment"] or "-", row["what"], published, row["certainty"], ours, _beside(row), trace,
        row["note"],
    ]  # fmt: skip


def _paragraph(text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH)
    yield ""


def _table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()
) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'|'.join('--:' if n in right else '---' for n in range(len(headings)))}|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
    yield ""
