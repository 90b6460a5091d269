"""Cells and rows of a result's table."""

_LABEL, _HOST, NMP, _RATIO = 24, 38, 64, 78  # columns at which each field ends
SHARE_LABELS = {
    "delivery": "instruction delivery",
    "return": "result return",
    "polling": "polling",
    "waiting": "waiting for ranks",
}
"""Of what the channel's bus did while near memory worked."""


def row(label: str, host: str = "", nmp: str = "", ratio: str = "", *, indent: bool = False) -> str:
    """Return one line: a label, and what stands below host, NMP and speed-up, ends aligned."""
    line = f"{'  ' * indent + label:<{_LABEL}}"
    for text, end in ((host, _HOST), (nmp, NMP), (ratio, _RATIO)):
        line += " " * max(1, end - len(line) - len(text)) + text if text else ""
    return line


def count(value: float | None) -> str:
    """Show a number of things, or of things per second."""
    return "" if value is None else f"{value:,.0f}"


def time(value: float | None) -> str:
    """Show a time to four digits in the unit that suits it."""
    if value is None:
        return ""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0)):
        if value >= size or size == 1.0:
            number = value / size
            return f"{number:.{1 if number >= 100 else 2 if number >= 10 else 3}f} {unit}"
    raise AssertionError("unreachable")
