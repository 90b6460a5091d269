"""Formulas as MathML: browsers draw it by themselves, so a page needs no script and no fonts from elsewhere."""

import html
import re

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def with_mathml(page: str) -> str:
    """Return the HTML of a page with every formula that the Markdown extension has marked as MathML."""
    return _FORMULA.sub(lambda found: mathml(html.unescape(found[3]), block=found[2] == "["), page)


def mathml(latex: str, *, block: bool) -> str:
    """Return one formula, as a block of its own or within a line."""
    from latex2mathml.converter import convert

    made = convert(latex.strip(), display="block" if block else "inline")
    return f'<div class="formula">{made}</div>' if block else str(made)
