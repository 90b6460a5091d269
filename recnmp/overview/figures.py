"""Figures of a sweep's page: a measure over each axis, by two axes, latency against energy."""

from collections.abc import Mapping, Sequence
from html import escape

from recnmp.overview.effects import Effect, Like, alike, geometric_mean
from recnmp.overview.measures import Measure
from recnmp.overview.swept import Axis, Setting, Swept
from recnmp.report.html_elements import paragraph, table
from recnmp.report.html_plot import Plot, around, between, of_names
from recnmp.report.html_svg import Bar, Segment, bars
from recnmp.report.pareto_figure import Objective, front

_MOST_LINES = 6
_MOST_CELLS = 24
_MOST_LISTED = 25


def mark(swept: Swept, one: Setting, measure: Measure) -> str:
    """Return the attributes that say which value of which row of the sweep's table an element shows."""
    key = f"{swept.table}.{one.number}:{measure.key}"
    return f'data-key="{escape(key)}" data-value="{one.figures[measure.key].value!r}"'


def value(swept: Swept, one: Setting, measure: Measure, *, spread: bool = True) -> str:
    """Return a setting's figure as an element that carries it in full, how sure it is beside; empty for none."""
    found = one.figures.get(measure.key)
    if found is None:
        return ""
    half = measure.spread(found) if spread else ""
    small = f" <small>{escape(half)}</small>" if half else ""
    text = escape(measure.form(found.value))
    return f'<data value="{found.value!r}" {mark(swept, one, measure)}>{text}</data>{small}'


def where(one: Setting, axes: Sequence[Axis]) -> str:
    """Return what tells a setting from others, escaped."""
    return escape("; ".join(f"{axis.name} {one.at[axis.name]}" for axis in axes)) or "the only setting"


def effects_figure(found: Mapping[Measure, Sequence[Effect]]) -> str:
    """Draw how far the main measure's means lie apart along each axis, and tell so of all measures."""
    main = next(iter(found))
    drawn = [
        Bar(one.axis.name, f"{one.ratio:.2f} x", (Segment("best over worst", one.ratio - 1),))
        for one in found[main]
    ]
    rows = []
    for first in found[main]:
        cells = []
        for measure, effects in found.items():
            one = next(e for e in effects if e.axis == first.axis)
            best = (max if measure.more_is_better else min)(one.means, key=lambda v: one.means[v], default="")
            told = f"{one.ratio:.2f} x, best {best}" if one.ratio >= 1.0005 else "nothing"
            cells.append(escape(told if one.means else ""))
        rows.append((escape(first.axis.name), *cells))
    return bars(f"What each axis moves: {main.name}, best mean over worst", drawn) + table(
        "Best mean over worst, and where it is best", ("axis", *(m.name for m in found)), rows
    )


def over_axis(swept: Swept, measure: Measure, axis: Axis, lines: Axis | None) -> str:
    """Draw ``measure`` over an axis, a line for each value of the axis ``lines`` where it has few enough.

    A mark is a setting with the 95 % confidence interval of its replicates, or the geometric mean of several with
    the range in which they lie.
    """
    by = lines if lines is not None and len(lines.values) <= _MOST_LINES else None
    like = alike([axis, by] if by else [axis], swept.axes, swept.settings, measure.key)
    places: dict[tuple[str, str], list[Setting]] = {}
    for one in like.settings:
        places.setdefault((one.at[by.name] if by else "", one.at[axis.name]), []).append(one)
    every = [v for one in like.settings for v in _ends(one, measure)]
    if not every:
        return ""
    plot = Plot(
        f"{capital(measure.name)} over {axis.name}",
        of_names(axis.values, axis.name),
        around(every, measure.unit),
    )
    series = [v for v in by.values if any(v == line for line, _ in places)] if by else [""]
    if by:
        plot.keys_are(by.name)
    for n, line in enumerate(series):
        shift = 0.0 if len(series) == 1 else 0.36 * (n / (len(series) - 1) - 0.5)
        groups = [
            (m + shift, places[line, name]) for m, name in enumerate(axis.values) if (line, name) in places
        ]
        means = [geometric_mean([one.figures[measure.key].value for one in group]) for _, group in groups]
        dots = [(x, mean * measure.scale) for (x, _), mean in zip(groups, means, strict=True)]
        plot.line(line, dots, n, marked=True)
        for (x, y), (_, group), mean in zip(dots, groups, means, strict=True):
            ends = [v for one in group for v in _ends(one, measure)]
            if len(group) > 1:
                ends = [one.figures[measure.key].value * measure.scale for one in group]
            plot.span(x, min(ends), max(ends), n)
            told = measure.form(mean) + (f", {len(group)} settings" if len(group) > 1 else "")
            plot.dot(x, y, n, escape(told), mark(swept, group[0], measure) if len(group) == 1 else "")
    bars_are = "the least and the most of them" if like.others > 1 else ""
    if not bars_are and any(one.done > 1 for one in like.settings):
        bars_are = "95 % confidence intervals of the mean over the seeds"
    return plot.html() + paragraph(_of(like) + (f" Bars: {bars_are}." if bars_are else ""))


def capital(name: str) -> str:
    """Return a name as a title begins."""
    return name[:1].upper() + name[1:]


def _of(like: Like) -> str:
    if like.fixed:
        return f"With {like.fixed}."
    if like.others < 2:
        return ""
    told = (
        "that have every value shown" if like.whole else "that there are, not all of which have every value"
    )
    return f"Geometric means over the {like.others} combinations of the other axes {told}."


def _ends(one: Setting, measure: Measure) -> tuple[float, float]:
    found = one.figures[measure.key]
    half = found.half or 0.0
    return max(found.value - half, 0.0) * measure.scale, (found.value + half) * measure.scale


def heat(swept: Swept, measure: Measure, down: Axis, across: Axis) -> str:
    """Return a table of ``measure`` by two axes, its cells shaded; empty where an axis has too many values."""
    if max(len(down.values), len(across.values)) > _MOST_CELLS:
        return ""
    like = alike([down, across], swept.axes, swept.settings, measure.key)
    places: dict[tuple[str, str], list[Setting]] = {}
    for one in like.settings:
        places.setdefault((one.at[down.name], one.at[across.name]), []).append(one)
    means = {
        at: geometric_mean([o.figures[measure.key].value for o in group]) for at, group in places.items()
    }
    low, high = min(means.values()), max(means.values())
    lines = []
    for d in down.values:
        cells = []
        for a in across.values:
            if (d, a) not in means:
                cells.append("<td></td>")
                continue
            depth = (means[d, a] - low) / (high - low) if high > low else 0.0
            group = places[d, a]
            marks = mark(swept, group[0], measure) if len(group) == 1 else ""
            cells.append(f'<td style="{_shade(depth)}" {marks}>{escape(measure.form(means[d, a]))}</td>')
        lines.append(f'<tr><th scope="row">{escape(d)}</th>{"".join(cells)}</tr>')
    label = f"{capital(measure.name)}: {down.name} down, {across.name} across"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in across.values)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table class="heat">'
        f"<caption>{escape(label)}</caption><thead><tr><td></td>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody></table></div>\n"
        + paragraph(_of(like))
    )


def _shade(depth: float) -> str:
    """Return the look of a cell: from pale to dark, which greyscale keeps, its text in whatever can be read on it."""
    pale, dark = (244, 248, 250), (6, 56, 78)
    mixed = ",".join(f"{round(a + (b - a) * depth)}" for a, b in zip(pale, dark, strict=True))
    return f"background:rgb({mixed});color:{'#fff' if depth > 0.45 else '#1c2127'}"


def pareto(swept: Swept, chosen: Sequence[Measure], by: Axis | None) -> str:
    """Draw the first two of ``chosen`` against each other, and list the settings that no other beats in all."""
    known = [one for one in swept.settings if all(measure.key in one.figures for measure in chosen)]
    if len(known) < 2 or len(chosen) < 2:
        return ""
    objectives = [Objective(measure.key, "max" if measure.more_is_better else "min") for measure in chosen]
    best = set(front([{m.key: one.figures[m.key].value for m in chosen} for one in known], objectives))
    across, up = chosen[:2]
    xs, ys = ([one.figures[m.key].value * m.scale for one in known] for m in (across, up))
    by = by if by is not None and len(by.values) <= _MOST_LINES else None
    plot = Plot(
        f"{capital(across.name)} against {up.name}",
        between(xs, f"{across.name} ({across.unit})"),
        between(ys, f"{up.name} ({up.unit})"),
        height=280,
    )
    ranked = sorted(best, key=lambda n: xs[n])
    if len(chosen) == 2:
        steps = [
            (xs[n], y) for k, n in enumerate(ranked) for y in ([ys[ranked[k - 1]]] if k else []) + [ys[n]]
        ]
        plot.line("no other setting beats these in both", steps, 5)
    for n in sorted(range(len(known)), key=lambda n: n in best):
        look = by.values.index(known[n].at[by.name]) if by else 0
        plot.dot(xs[n], ys[n], look, where(known[n], swept.axes), pale=n not in best)
    if by:
        plot.keys_are(by.name)
    for n, name in enumerate(by.values if by else ()):
        plot.key(name, n)
    shown = [known[n] for n in ranked[:_MOST_LISTED]]
    listed = [
        (*(escape(one.at[axis.name]) for axis in swept.axes), *(value(swept, one, m) for m in chosen))
        for one in shown
    ]
    head = (*(axis.name for axis in swept.axes), *(measure.name for measure in chosen))
    whole = " and ".join(measure.name for measure in chosen)
    more = f"{len(ranked)} settings are among them; the first {_MOST_LISTED} are listed."
    seeds = " Means over seeds, and no intervals." if any(one.done > 1 for one in known) else ""
    return (
        plot.html()
        + paragraph(f"Filled marks: settings that no other beats in {whole}.{seeds}")
        + table("Beaten by no other setting", head, listed)
        + paragraph(more if len(ranked) > _MOST_LISTED else "")
    )
