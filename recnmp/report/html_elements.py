"""Pieces of HTML: escaped text, values that carry the key they come from, tables, sections."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

from recnmp.errors import ConfigError

Shown = Callable[[float], str]
SIDES = {"host": "host", "nmp": "near memory"}
"""Keys of both sides of a run, and what readers call them."""


class Source:
    """A document whose values are shown: by dotted key, list places as numbers.

    ``name`` stands before the keys of one that is not a result. What a document lacks is None, or an empty text.
    """

    def __init__(self, document: Mapping[str, Any], name: str = "") -> None:
        self._document, self._name = document, f"{name}:" if name else ""

    def at(self, key: str) -> Any:
        """Return the value of ``key``; None where there is none."""
        value: Any = self._document
        for part in key.split("."):
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, Sequence) and not isinstance(value, str) and part.isdigit():
                value = value[int(part)] if int(part) < len(value) else None
            else:
                return None
        return value

    def section(self, key: str) -> Mapping[str, Any]:
        """Return the mapping at ``key``; an empty one where there is none."""
        value = self.at(key)
        return value if isinstance(value, Mapping) else {}

    def number(self, key: str) -> float | None:
        """Return the number at ``key``; raises ConfigError for something else than a number or null."""
        value = self.at(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"not a result: {self._name}{key} is {value!r}, expected a number")
        return value

    def marks(self, key: str) -> str:
        """Return the attributes that say which value an element shows."""
        return f'data-key="{escape(self._name + key)}" data-value="{escape(repr(self.number(key)))}"'

    def shown(self, key: str, form: Shown) -> str:
        """Return the number at ``key`` as an element that carries it in full; empty where there is none."""
        value = self.number(key)
        if value is None:
            return ""
        return f'<data value="{escape(repr(value))}" {self.marks(key)}>{escape(form(value))}</data>'

    def text(self, key: str) -> str:
        """Return the value at ``key`` as escaped text; empty where there is none."""
        return plain_text(self.at(key))


def plain_text(value: Any) -> str:
    """Return a value of a configuration or a record as escaped text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plain_text(item) for item in value)
    return escape(str(value))


def plain_number(value: float) -> str:
    """Show a count or a measure with up to six digits, thousands apart."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def ratio(value: float) -> str:
    """Show a speed-up."""
    return f"{value:.2f} x"


def bytes_of(value: float) -> str:
    """Show a size in the largest binary unit that keeps it at one or more."""
    unit, size = next(
        (u, n) for u, n in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("B", 1)) if value >= n or n == 1
    )
    return f"{value / size:.6g} {unit}"


def share(value: float) -> str:
    """Show a share of one."""
    return f"{value:.1%}"


def table(label: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of escaped cells, the first of each row its heading; empty without rows.

    Columns without any value are left out, and rows that have none; columns with numbers end alike.
    """
    kept = [row for row in rows if any(row[1:])]
    if not kept:
        return ""
    columns = [n for n in range(len(head)) if n == 0 or any(row[n] for row in kept)]
    kinds = [
        ' class="number"' if n and any("<data" in row[n] for row in kept) else "" for n in range(len(head))
    ]
    top = "".join(f'<th scope="col"{kinds[n]}>{escape(head[n])}</th>' for n in columns)
    lines = [
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td{kinds[n]}>{row[n]}</td>" for n in columns[1:])
        + "</tr>"
        for row in kept
    ]
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}"><table>'
        f"<caption>{escape(label)}</caption><thead><tr>{top}</tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody></table></div>\n"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a list of what is called what; values are escaped already, and those that are empty left out."""
    lines = [f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in pairs if value]
    return f'<dl class="facts">{"".join(lines)}</dl>\n' if lines else ""


def section(name: str, title: str, *parts: str) -> str:
    """Return a section with its heading; empty where all parts are."""
    body = "".join(parts)
    return f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{body}</section>\n' if body else ""


def paragraph(text: str, kind: str = "note") -> str:
    """Return text, not yet escaped, as a paragraph."""
    return f'<p class="{kind}">{escape(text)}</p>\n' if text else ""


def flat(value: Any, key: str = "") -> Iterable[tuple[str, Any]]:
    """Yield every leaf of nested mappings with its dotted key; lists are leaves."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
