"""What a result says about its trace, its correctness and where it came from, as sections of an HTML page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from recnmp.report.html_elements import (
    Source,
    facts,
    flat,
    paragraph,
    plain_number,
    plain_text,
    section,
    share,
    table,
)
from recnmp.report.html_plot import Plot, Scale
from recnmp.report.html_svg import Bar, Segment, bars
from recnmp.report.notes import notes

_MARKS = {True: "raised", False: "no sign"}


def trace(doc: Source, inspection: Mapping[str, Any] | None, why: str) -> str:
    """Reuse of the trace, and signs that it is not what users read.

    ``inspection`` : of ``recnmp.trace.inspect.inspect_trace``; ``why`` : why there is none, or what to know about it.
    """
    title = "The trace"
    own = facts([("entries read once or more, of the lookups", doc.shown("trace.unique_share", share))])
    if inspection is None:
        return section("trace", title, own, paragraph(f"Reuse statistics and checks: not available. {why}"))
    found = Source(inspection, "trace")
    sizes = facts(
        [
            ("lookups", found.shown("lookups", plain_number)),
            ("unique, of the lookups", found.shown("unique_share", share)),
            ("lookups of the most read 1% of the entries", found.shown("top_1_percent_share", share)),
            ("lookups per bag, mean", found.shown("pooling_factor.mean", plain_number)),
            ("lookups per bag, at most", found.shown("pooling_factor.max", plain_number)),
            (
                "busiest table over the mean",
                found.shown("table_skew.busiest_over_mean", lambda v: f"{v:.2f}"),
            ),
            ("Zipf exponent fitted", found.shown("zipf.alpha", lambda v: f"{v:.2f}")),
        ]
    )
    return section("trace", title, paragraph(why), sizes, _checks(found), _reuse(found), _misses(found))


def _checks(found: Source) -> str:
    rows = []
    for n, check in enumerate(found.at("checks") or []):
        mark = "cannot tell" if check["value"] is None else _MARKS[bool(check["raised"])]
        kind = "raised" if check["raised"] else "calm"
        rows.append(
            (
                plain_text(check["name"]),
                f'<span class="{kind}">{mark}</span>',
                found.text(f"checks.{n}.reason"),
            )
        )
    notes_ = [f"<li>{plain_text(flag)}</li>" for flag in found.at("flags") or []]
    listed = (
        f"<p>To know before believing a result on this trace:</p>\n<ul>{''.join(notes_)}</ul>\n"
        if notes_
        else paragraph("No sign of a flaw was raised.")
    )
    return listed + table("Signs that a generator made it", ("check", "found", "why"), rows)


def _reuse(found: Source) -> str:
    bins = found.section("reuse_histogram")
    last = max((n for n, key in enumerate(bins) if found.number(f"reuse_histogram.{key}")), default=-1)
    rows = [
        Bar(
            f"{key} read{'s' * (key != '1')}",
            share(found.number(at) or 0.0),
            (Segment("lookups", found.number(at) or 0.0),),
            found.marks(at),
        )
        for key, at in [(key, f"reuse_histogram.{key}") for key in list(bins)[: last + 1]]
    ]
    return bars("Reuse: share of the lookups by how often their entry is read", rows, step=34)


def _misses(found: Source) -> str:
    sizes: Sequence[int] = found.at("miss_ratio_curve.entries") or []
    if len(sizes) < 2:
        return ""
    powers = [2**power for power in range(math.ceil(math.log2(sizes[-1])) + 1)]
    ticks = tuple((float(size), f"{size:,}") for size in powers[:: max(1, len(powers) // 4)])
    x = Scale(1.0, powers[-1], "entries that it holds", ticks, log=True)
    y = Scale(0.0, 100.0, "misses, share of the lookups", tuple((n, f"{n} %") for n in (0, 25, 50, 75, 100)))
    plot = Plot("Misses of an exact LRU cache", x, y)
    for n, (name, at) in enumerate(
        (("in the trace's order", "miss_ratio_curve"), ("shuffled", "order.shuffled_miss_ratio_curve"))
    ):
        pairs = zip(found.at(f"{at}.entries") or [], found.at(f"{at}.miss_ratio") or [], strict=True)
        plot.line(name, [(float(size), 100 * miss) for size, miss in pairs], n, dashed=n > 0)
    return plot.html()


def check(doc: Source) -> str:
    """Whether the pooled vectors were right."""
    at = "functional_check"
    return section(
        "check",
        "Functional check",
        facts(
            [
                ("pooled vectors", doc.text(f"{at}.status") or "unknown"),
                ("why", doc.text(f"{at}.reason")),
                ("bags compared", doc.shown(f"{at}.bags", plain_number)),
                ("bit-exact", doc.text(f"{at}.bit_exact")),
                ("largest error", doc.shown(f"{at}.largest_error", plain_number)),
                ("compared with", doc.text(f"{at}.reference")),
            ]
        ),
    )


def provenance(doc: Source) -> str:
    """Versions, machine, digests and seeds, one by one."""
    rows = [
        (plain_text(key.replace("_", " ").replace(".", ": ")), f"<code>{plain_text(value)}</code>")
        for key, value in flat(doc.section("provenance"))
        if value is not None
    ]
    return section("provenance", "Provenance", table("Where this result came from", ("", "value"), rows))


def certainty(document: Mapping[str, Any]) -> str:
    """What the figures rest on, and how sure that is."""
    return section(
        "notes", "How sure this is", facts([(label, plain_text(text)) for label, text in notes(document)])
    )
