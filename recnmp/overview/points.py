"""Settings of a sweep as tables: all of them, to be put in order without a script; what failed; what is to come."""

from collections.abc import Sequence
from html import escape

from recnmp.overview.figures import value, where
from recnmp.overview.measures import Measure
from recnmp.overview.swept import Setting, Swept
from recnmp.report.html_elements import paragraph, plain_text, table

SHOWN = 30
"""Settings that are shown at once; more are folded."""


def all_settings(swept: Swept, found: Sequence[Measure]) -> str:
    """Return every setting with its figures, in the order declared or of any figure, best first.

    Buttons above put the rows in order by style alone: each row carries its place in every order.
    """
    orders = [("declared", list(swept.settings)), *((m.name, m.best_first(swept.settings)) for m in found)]
    place = [{one.number: n for n, one in enumerate(order)} for _, order in orders]
    last = len(swept.settings)
    whole = not swept.errors and not swept.pending
    names = [*(axis.name for axis in swept.axes), *(m.name for m in found), *(() if whole else ("points",))]
    head = "".join(f'<th role="columnheader" scope="col">{escape(name)}</th>' for name in names)
    lines = []
    for one in swept.settings:
        at = ";".join(f"--o{n}:{of.get(one.number, last)}" for n, of in enumerate(place))
        cells = [escape(one.at[axis.name]) for axis in swept.axes]
        cells += [value(swept, one, measure) for measure in found]
        cells += [] if whole else [_state(one)]
        kinds = [""] * len(swept.axes) + [' class="number"'] * len(found) + ([] if whole else [""])
        body = "".join(f'<td role="cell"{kind}>{cell}</td>' for kind, cell in zip(kinds, cells, strict=True))
        lines.append(f'<tr role="row" style="{at}">{body}</tr>')
    buttons = "".join(
        f'<label><input type="radio" name="order" value="{n}"{" checked" * (n == 0)}> {escape(name)}</label>'
        for n, (name, _) in enumerate(orders)
    )
    listed = (
        f'<div class="orders"><fieldset><legend>Order</legend>{buttons}</fieldset>\n'
        '<div class="scroll" role="region" tabindex="0" aria-label="All settings">'
        f'<table class="ordered" role="table" style="--columns:{len(names)}"><thead role="rowgroup">'
        f'<tr role="row">{head}</tr></thead>\n<tbody role="rowgroup">\n'
        + "\n".join(lines)
        + "\n</tbody></table></div></div>\n"
    )
    if len(swept.settings) <= SHOWN:
        return listed
    return f"<details><summary>All {len(swept.settings):,} settings</summary>\n{listed}</details>\n"


def order_style(orders: int) -> str:
    """Return the style that puts rows in the order whose button is pressed."""
    return "".join(
        f'.orders:has(input[value="{n}"]:checked) tbody tr {{ order: var(--o{n}); }}\n' for n in range(orders)
    )


def _state(one: Setting) -> str:
    parts = [(one.done, "done"), (one.failed, "failed"), (one.pending, "to come")]
    return ", ".join(f"{n} {what}" for n, what in parts if n)


def extremes(swept: Swept, found: Sequence[Measure]) -> str:
    """Return the best, the middle and the worst setting by the main measure, side by side."""
    ranked = found[0].best_first(swept.settings)
    if not ranked:
        return paragraph("No point has a figure yet.")
    picked = {"best": ranked[0], "median": ranked[(len(ranked) - 1) // 2], "worst": ranked[-1]}
    if len(ranked) < 3:
        picked.pop("median")
    rows = [(escape(m.name), *(value(swept, one, m) for one in picked.values())) for m in found]
    rows += [
        (escape(axis.name), *(escape(one.at[axis.name]) for one in picked.values()))
        for axis in swept.axes
        if len({one.at[axis.name] for one in picked.values()}) > 1
    ]
    same = [axis for axis in swept.axes if len({one.at[axis.name] for one in picked.values()}) == 1]
    told = (
        f"Alike in all of these: {'; '.join(f'{a.name} {ranked[0].at[a.name]}' for a in same)}."
        if same
        else ""
    )
    return table(f"By {found[0].name}, and what they differ in", ("", *picked), rows) + paragraph(told)


def failed(swept: Swept) -> str:
    """Return what failed, with the line that said why and the file that has its traceback."""
    rows = [
        (where(one, swept.axes), plain_text(swept.errors[key]), f"<code>errors/{plain_text(key)}.txt</code>")
        for one in swept.settings
        for key in dict.fromkeys(one.keys)
        if key in swept.errors
    ]
    return table("Points that failed; the others went on", ("setting", "why", "traceback"), rows)


def to_come(swept: Swept) -> str:
    """Return which points are missing."""
    if not swept.pending:
        return ""
    rows = [(where(one, swept.axes), f"{one.pending}") for one in swept.settings if one.pending]
    listed = table("Settings that lack points", ("setting", "to come"), rows)
    told = paragraph(
        f"{len(swept.pending):,} points have not been run; the sweep's own command does. Figures are of the others."
    )
    return told + f"<details><summary>Which</summary>\n{listed}</details>\n"
