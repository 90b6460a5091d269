"""The page of a sweep or a search, section by section."""

from collections.abc import Mapping
from html import escape
from pathlib import PurePath

from recnmp.overview.about import Inspected, asked, certainty, provenance, traces
from recnmp.overview.effects import Effect, strongest
from recnmp.overview.figures import capital, effects_figure, heat, over_axis, pareto, value
from recnmp.overview.measures import Measure, measures
from recnmp.overview.points import all_settings, extremes, failed, order_style, to_come
from recnmp.overview.swept import Swept
from recnmp.plot.labels import counted
from recnmp.report.html_elements import paragraph, plain_text, section
from recnmp.report.html_page import whole_page


def sweep_page(swept: Swept, inspected: Inspected) -> str:
    """Return the page of a sweep or a search, the same text for the same one.

    Raises ConfigError for values that no sweep holds.
    """
    found = [one for one in measures(swept) if one.best_first(swept.settings)]
    ranked = {one: strongest(swept.axes, swept.settings, one.key) for one in found}
    # designs of a search were chosen by what earlier ones found, so no axis is seen among like designs
    moved = ["", ""] if swept.searched else [_effects(ranked, swept), _over(swept, ranked)]
    sections = [
        asked(swept),
        _headline(swept, found),
        *moved,
        _together(swept, ranked),
        section("points", "All settings", all_settings(swept, found)),
        section("failed", "What failed", failed(swept)),
        section("pending", "What is to come", to_come(swept)),
        traces(swept, inspected),
        provenance(swept),
        certainty(swept, found),
    ]
    told = swept.manifest["provenance"]
    kind = "search" if swept.searched else "sweep"
    name = PurePath(str(swept.manifest.get("config_file"))).stem
    return whole_page(
        f"{capital(kind)}: {escape(name)}",
        f"A {kind} of {counted(swept.points, 'point')}, begun {plain_text(told.get('created_utc'))}",
        sections,
        plain_text(told.get("recnmp")),
        order_style(len(found) + 1),
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
    """Latency against energy of a sweep, a search's own objectives."""
    by = next((one.axis for one in ranked[next(iter(ranked))]), None) if ranked else None
    if swept.searched:
        return section("pareto", "Objectives together", pareto(swept, list(ranked), by))
    latency = next((m for m in ranked if m.key.endswith("_ns")), None)
    energy = next((m for m in ranked if m.key.startswith("energy.")), None)
    if latency is None or energy is None:
        return ""
    return section("pareto", "Latency and energy together", pareto(swept, [latency, energy], by))
