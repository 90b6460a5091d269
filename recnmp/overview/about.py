"""What was asked of a sweep or a search, and where its figures come from, as sections of its page."""

from collections.abc import Mapping
from html import escape
from typing import Any

from recnmp.overview.measures import Measure
from recnmp.overview.swept import Swept
from recnmp.plot.origin import trace_note
from recnmp.report.html_elements import Source, facts, flat, paragraph, plain_text, section, share, table
from recnmp.report.notes import notes

Json = Mapping[str, Any]
Inspected = Mapping[str, tuple[Json | None, str]]
"""By a trace's digest: what `recnmp.trace.inspect.inspect_trace` found, and what to know about it."""


def asked(swept: Swept) -> str:
    """Return what varied, of how much, and what all points start from."""
    manifest, kind = swept.manifest, "search" if swept.searched else "sweep"
    seeds = list(dict.fromkeys(point["seed"] for point in manifest.get("points") or []))
    different = len({key for one in swept.settings for key in one.keys})
    state = [
        (len(swept.seconds), "done"),
        (len(swept.errors), "failed"),
        (len(swept.pending), "to come"),
    ]
    axes = [
        (
            "<br>".join([escape(axis.name), *(f"<code>{escape(option)}</code>" for option in axis.options)]),
            escape(", ".join(axis.values)),
        )
        for axis in swept.axes
    ]
    base = {key: part for key, part in manifest["document"].items() if key != kind}
    options = [(f"<code>{plain_text(k)}</code>", plain_text(v) or "null") for k, v in flat(base)]
    declared = [
        (f"<code>{plain_text(k)}</code>", plain_text(v) or "null")
        for k, v in flat(manifest["document"].get(kind) or {})
    ]
    every = table("What all points start from", ("option", "value"), options)
    every += table(f"The {kind} as declared", ("key", "value"), declared)
    return section(
        "asked",
        "What was asked",
        facts(
            [
                ("configuration", plain_text(manifest.get("config_file"))),
                ("changed on the command line", plain_text(manifest.get("overrides") or None)),
                ("settings", f"{len(swept.settings):,}"),
                ("seeds of each", ", ".join(str(seed) for seed in seeds if seed is not None)),
                ("chosen by", plain_text(manifest.get("sampler"))),
                (
                    "points",
                    f"{swept.points:,}"
                    + (f", of which {different:,} differ" if different < swept.points else ""),
                ),
                ("of these", ", ".join(f"{n:,} {what}" for n, what in state if n)),
            ]
        ),
        table("What varied", ("axis", "values"), axes),
        f"<details><summary>What all points start from</summary>\n{every}</details>\n",
    )


def traces(swept: Swept, inspected: Inspected) -> str:
    """Return where the traces' indices come from, and what to know before believing a result on them."""
    rows = []
    for trace in swept.traces:
        found, why = inspected.get(trace.digest, (None, ""))
        unique = "" if trace.unique_share is None else share(trace.unique_share)
        note = trace_note(trace.file.name, trace.meta, (found or {}).get("checks") or [])
        flags = [plain_text(flag) for flag in (found or {}).get("flags") or []]
        rows.append(
            (
                plain_text(trace.file.name),
                escape(note.partition(": ")[2]),
                unique,
                "<br>".join(flags) or escape(why) or "no sign of a flaw",
                f"<code>{escape(trace.digest[:16])}</code>",
            )
        )
    head = (
        "trace",
        "where its indices come from",
        "unique, of the lookups replayed",
        "to know before believing",
        "digest",
    )
    return section("traces", "Traces", table("What points replayed", head, rows))


def provenance(swept: Swept) -> str:
    """Return versions, digests and times of the whole, and keys and times of its points."""
    manifest = swept.manifest
    told = {
        "code_sha256": manifest.get("code_sha256"),
        "config_text_sha256": manifest.get("config_text_sha256"),
        "cluster": manifest.get("cluster"),
        "finished_utc": manifest.get("finished_utc") or "not finished",
        "last_run": manifest.get("last_run"),
        "provenance": manifest["provenance"],
    }
    rows = [
        (plain_text(k.replace("_", " ").replace(".", ": ")), f"<code>{plain_text(v)}</code>")
        for k, v in flat(told)
        if v is not None
    ]
    keys = [
        (escape(key), escape(f"{swept.seconds[key]:.3f} s") if key in swept.seconds else "")
        for one in swept.settings
        for key in one.keys
    ]
    listed = table("Points in the order declared: files points/KEY.json", ("key", "time"), keys)
    return section(
        "provenance",
        "Provenance",
        table("Where this came from", ("", "value"), rows),
        f"<details><summary>Keys of all points</summary>\n{listed}</details>\n",
    )


def certainty(swept: Swept, found: list[Measure]) -> str:
    """Return what the figures rest on, as one of the points tells it."""
    if swept.sample is None:
        return ""
    told = [
        (label, plain_text(text))
        for label, text in notes(swept.sample)
        if label in ("host baseline", "dense part")
    ]
    doc = Source(swept.sample)
    ledger = next((m.key.rsplit(".", 2)[0] for m in found if m.key.startswith("energy.")), "")
    told += [
        (f"{what} constants", f"{constants} ({doc.text(f'{ledger}.{key}_certainty')})")
        for key, what in (("dram", "DRAM"), ("io_and_logic", "pins and logic"))
        if (constants := doc.text(f"{ledger}.{key}_constants"))
    ]
    seeds = (
        "± is half the 95 % confidence interval of the mean over the seeds, by Student's t: what other seeds would "
        "change. It says nothing about how good the model is."
    )
    replicated = any(one.done > 1 for one in swept.settings)
    return section(
        "notes",
        "How sure this is",
        facts(told),
        paragraph("As one of the points says it; what varies between points is above."),
        paragraph(seeds if replicated else ""),
    )
