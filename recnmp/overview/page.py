"""The page of a sweep, section by section."""

from collections.abc import Mapping
from html import escape
from pathlib import PurePath
from typing import Any

from recnmp.overview.effects import Effect, strongest
from recnmp.overview.figures import capital, effects_figure, heat, over_axis, pareto, value
from recnmp.overview.measures import Measure, measures
from recnmp.overview.points import all_settings, extremes, failed, order_style, to_come
from recnmp.overview.swept import Swept
from recnmp.plot.labels import counted
from recnmp.plot.origin import trace_note
from recnmp.report.html_elements import Source, facts, flat, paragraph, plain_text, section, share, table
from recnmp.report.html_page import whole_page
from recnmp.report.notes import notes

Json = Mapping[str, Any]
Inspected = Mapping[str, tuple[Json | None, str]]
"""By a trace's digest: what `recnmp.trace.inspect.inspect_trace` found, and what to know about it."""


def sweep_page(swept: Swept, inspected: Inspected) -> str:
    """Return the page of a sweep, the same text for the same sweep.

    Raises ConfigError for values that no sweep holds.
    """
    found = measures(swept.settings)
    # settings without any figure have no effect, no figure of merit and no order
    ranked = {one: strongest(swept.axes, swept.settings, one.key) for one in found}
    sections = [
        _asked(swept),
        _headline(swept, found),
        _effects(ranked, swept),
        _over(swept, ranked),
        _together(swept, ranked),
        section("points", "All settings", all_settings(swept, found)),
        section("failed", "What failed", failed(swept)),
        section("pending", "What is to come", to_come(swept)),
        _traces(swept, inspected),
        _provenance(swept),
        _certainty(swept, found),
    ]
    manifest = swept.manifest
    told = manifest["provenance"]
    when = plain_text(told.get("created_utc"))
    subtitle = f"A sweep of {counted(len(manifest['points']), 'point')}, begun {when}"
    return whole_page(
        f"Sweep: {escape(PurePath(str(manifest.get('config_file'))).stem)}",
        subtitle,
        sections,
        plain_text(told.get("recnmp")),
        order_style(len(found) + 1),
    )


def _asked(swept: Swept) -> str:
    manifest, points = swept.manifest, swept.manifest["points"]
    seeds = list(dict.fromkeys(point["seed"] for point in points if point["seed"] is not None))
    different = len({point["key"] for point in points})
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
    base = {key: part for key, part in manifest["document"].items() if key != "sweep"}
    options = [(f"<code>{plain_text(k)}</code>", plain_text(v) or "null") for k, v in flat(base)]
    declared = [
        (f"<code>{plain_text(k)}</code>", plain_text(v) or "null")
        for k, v in flat(manifest["document"].get("sweep") or {})
    ]
    every = table("What all points start from", ("option", "value"), options)
    every += table("The sweep as declared", ("key", "value"), declared)
    return section(
        "asked",
        "What was asked",
        facts(
            [
                ("configuration", plain_text(manifest.get("config_file"))),
                ("changed on the command line", plain_text(manifest.get("overrides") or None)),
                ("settings", f"{len(swept.settings):,}"),
                ("seeds of each", ", ".join(map(str, seeds)) or "one run each"),
                (
                    "points",
                    f"{len(points):,}"
                    + (f", of which {different:,} differ" if different < len(points) else ""),
                ),
                ("of these", ", ".join(f"{n:,} {what}" for n, what in state if n)),
            ]
        ),
        table("What varied", ("axis", "values"), axes),
        f"<details><summary>What all points start from</summary>\n{every}</details>\n",
    )


def _headline(swept: Swept, found: list[Measure]) -> str:
    if not found:
        return section("headline", "The headline", paragraph("No point has been done yet."))
    cards = []
    for measure in found:
        best = measure.best_first(swept.settings)[0]
        cards.append(
            f"<div><dt>best {escape(measure.name)}</dt><dd>{value(swept, best, measure, spread=False)}</dd></div>"
        )
    return section(
        "headline", "The headline", f'<dl class="cards">{"".join(cards)}</dl>\n', extremes(swept, found)
    )


def _effects(ranked: Mapping[Measure, list[Effect]], swept: Swept) -> str:
    if not ranked or not swept.axes:
        return ""
    main = next(iter(ranked.values()))
    alike = [f"{one.axis.name}: {counted(one.like.others, 'combination')}" for one in main if one.like.whole]
    unlike = [one.axis.name for one in main if not one.like.whole]
    told = (
        "Each mean is the geometric mean over those combinations of the other axes that have every value of the "
        f"axis, so that like is compared with like ({'; '.join(alike)})."
        if alike
        else ""
    )
    warned = f"No such combinations, so means over unlike settings: {', '.join(unlike)}." if unlike else ""
    return section(
        "effects", "What each axis moves", effects_figure(ranked), paragraph(told), paragraph(warned)
    )


def _over(swept: Swept, ranked: Mapping[Measure, list[Effect]]) -> str:
    if not ranked:
        return ""
    main = next(iter(ranked))
    drawn = []
    for shown in ranked[main]:
        other = next((one.axis for one in ranked[main] if one.axis != shown.axis), None)
        drawn.append(over_axis(swept, main, shown.axis, other))
    maps = ""
    if len(ranked[main]) > 1:
        down, across = ranked[main][0].axis, ranked[main][1].axis
        if len(across.values) > len(down.values):
            down, across = across, down
        maps = heat(swept, main, down, across)
    return section("axes", f"{capital(main.name)} over each axis", *drawn, maps)


def _together(swept: Swept, ranked: Mapping[Measure, list[Effect]]) -> str:
    latency = next((m for m in ranked if m.key.endswith("_ns")), None)
    energy = next((m for m in ranked if m.key.startswith("energy.")), None)
    if latency is None or energy is None:
        return ""
    by = next((one.axis for one in ranked[next(iter(ranked))]), None)
    return section("pareto", "Latency and energy together", pareto(swept, latency, energy, by))


def _traces(swept: Swept, inspected: Inspected) -> str:
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


def _provenance(swept: Swept) -> str:
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
        table("Where this sweep came from", ("", "value"), rows),
        f"<details><summary>Keys of all points</summary>\n{listed}</details>\n",
    )


def _certainty(swept: Swept, found: list[Measure]) -> str:
    """What the figures rest on, as one of the points tells it."""
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
