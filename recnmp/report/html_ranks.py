"""What a result says about its ranks, and about bandwidth over time, as sections of an HTML page."""

from itertools import accumulate

from recnmp.report.cells import SHARE_LABELS
from recnmp.report.html_elements import (
    SIDES,
    Source,
    bytes_of,
    paragraph,
    plain_number,
    plain_text,
    section,
    share,
    table,
)
from recnmp.report.html_plot import Plot, Point, Scale, from_zero, of_names, until

Row = tuple[str, ...]
_PEAK_OF = {"host": "the channels", "nmp": "all ranks"}
_UNKNOWN = "This result is of an earlier version, which did not keep that."


def rank_loads(doc: Source) -> str:
    """How evenly ranks, packets and copies share the work."""
    rows: list[Row] = [
        (
            "ranks, whole run",
            doc.shown("memory.host.rank_load_imbalance", _two),
            doc.shown("nmp.rank_load_imbalance", _two),
        ),
        ("ranks, within a packet", "", doc.shown("nmp.packet_load_imbalance", _two)),
        ("ranks, within a batch", "", doc.shown("nmp.batch_load_imbalance", _two)),
    ]
    copies: list[Row] = [
        (label, doc.shown(f"nmp.replication.{key}", form))
        for key, label, form in (
            ("entries", "entries with copies", plain_number),
            ("copies", "copies of each", plain_number),
            ("bytes", "memory for them", bytes_of),
            ("table_share", "of the tables", share),
            ("lookup_share", "lookups that read a copy", share),
        )
    ]
    sent: list[Row] = [
        (label, doc.shown(f"nmp.{key}", plain_number))
        for key, label in (
            ("packets", "packets"),
            ("executions", "executions"),
            ("instructions", "instructions"),
            ("instruction_bits", "bits of an instruction"),
            ("table_copies", "copies of whole tables"),
        )
    ]
    return section(
        "ranks",
        "Rank loads",
        *_loads(doc),
        table("Busiest rank over the mean rank, in lookups", ("", "host", "near memory"), rows),
        table("Sent to near memory, whole run", ("", "count"), sent),
        table("Copies of hot entries", ("", "near memory"), copies),
    )


def _two(value: float) -> str:
    return f"{value:.2f}"


def _loads(doc: Source) -> list[str]:
    """Draw the lookups of each rank, host and near memory apart where they differ, and what ranks read."""
    at = {side: f"memory.{side}.rank_loads" for side in SIDES}
    known = {side: name for side, name in SIDES.items() if doc.section(at[side])}
    if not known:
        return [paragraph(f"Rank by rank: {_UNKNOWN}")]
    one = known
    if doc.at(f"{at['host']}.lookups") == doc.at(f"{at['nmp']}.lookups"):
        one = {"host": "host and near memory"}
    return [
        _columns(doc, "Lookups of each rank", "lookups", one),
        _columns(doc, "Bursts that each rank read", "bursts_read", known),
    ]


def _columns(doc: Source, title: str, key: str, sides: dict[str, str]) -> str:
    every = {
        side: [
            (doc.number(at) or 0, doc.marks(at), f"channel {c}, rank {r}")
            for c, channel in enumerate(doc.at(f"memory.{side}.rank_loads.{key}"))
            for r in range(len(channel))
            for at in [f"memory.{side}.rank_loads.{key}.{c}.{r}"]
        ]
        for side in sides
    }
    ranks = len(next(iter(every.values())))
    names = [where.partition("rank ")[2] for _, _, where in next(iter(every.values()))]
    channels = len(doc.at(f"memory.{next(iter(sides))}.rank_loads.{key}"))
    label = "rank" if channels == 1 else f"rank of each of {channels} channels"
    most = max(value for loads in every.values() for value, _, _ in loads)
    plot = Plot(title, of_names(names, label), from_zero(most, key.replace("_", " ")), height=150)
    for n, (side, name) in enumerate(sides.items()):
        loads = every[side]
        tops = [(place, value, marks, f"{value:,}") for place, (value, marks, _) in enumerate(loads)]
        plot.columns(name, tops, n, len(sides))
    if len(sides) == 1 and most:
        mean = sum(value for value, _, _ in every[next(iter(sides))]) / ranks
        plot.level(mean, f"mean {plain_number(mean)}")
    return plot.html()


def bandwidth(doc: Source) -> str:
    """What was read when, both sides on one axis; and what the channels did while near memory worked."""
    at = {side: f"memory.{side}.over_time" for side in SIDES if doc.section(f"memory.{side}")}
    known = {side: key for side, key in at.items() if doc.section(key)}
    if not known:
        return section("bandwidth", "Bandwidth over time", paragraph(_UNKNOWN)) if at else ""
    rows: list[Row] = [
        (label, *(doc.shown(f"memory.{side}.{key}", form) for side in SIDES))
        for label, key, form in (
            ("peak of all data buses", "over_time.peak_gb_per_s", _gb),
            ("mean of the run, other traffic included", "gb_per_s", _gb),
            ("kept in steps of", "over_time.step_ns", lambda ns: f"{ns / 1e3:.3g} µs"),
        )
    ]
    return section(
        "bandwidth",
        "Bandwidth over time",
        _rates(doc, known),
        table("All data buses together", ("", "host", "near memory"), rows),
        _channel(doc),
    )


def _gb(value: float) -> str:
    return f"{value:.2f} GB/s"


def _rates(doc: Source, known: dict[str, str]) -> str:
    """Draw both sides in steps of one width, and near memory's own time in the steps that are kept."""
    coarse = max(doc.number(f"{key}.step_ns") or 1.0 for key in known.values())
    both = _lines(doc, known, coarse)
    if set(known) != {"host", "nmp"}:
        return both
    title = "Bandwidth near memory, in its own time"
    return both + _lines(doc, {"nmp": known["nmp"]}, 1.0, title)


def _lines(
    doc: Source,
    known: dict[str, str],
    coarse_ns: float,
    title: str = "Bandwidth over the whole run",
) -> str:
    peaks = {side: doc.number(f"{key}.peak_gb_per_s") or 0.0 for side, key in known.items()}
    lines = {}
    for n, side in enumerate(SIDES):
        for m, what in enumerate(("data_bytes", "traffic_bytes") if side in known else ()):
            found = doc.at(f"{known[side]}.{what}")
            if found:
                name = f"other traffic beside {SIDES[side]}" if m else SIDES[side]
                lines[n + 2 * m] = name, _steps(doc, side, [value / 1e3 for value in found], coarse_ns)
    most = max(*peaks.values(), *(y for _, line in lines.values() for _, y in line))
    end = max(_end_us(doc, side) for side in known)
    plot = Plot(title, until(end, "µs of the run"), from_zero(most, "GB/s"))
    for side, peak in peaks.items():
        plot.level(peak, f"{_gb(peak)}, peak of {_PEAK_OF[side]}", doc.marks(f"{known[side]}.peak_gb_per_s"))
    for n, (name, line) in lines.items():
        plot.area("", [(0.0, 0.0), (line[-1][0], 0.0)], line, n, pale=True)
        plot.line(name if len(lines) > 1 else "", line, n, dashed=n >= 2)
    return plot.html()


def _end_us(doc: Source, side: str) -> float:
    at = f"memory.{side}.over_time"
    step, cycles = doc.number(f"{at}.step_ns") or 1.0, doc.number(f"{at}.step_cycles") or 1
    return (doc.number(f"memory.{side}.cycles") or 0) * step / cycles / 1e3


def _steps(doc: Source, side: str, amounts: list[float], coarse_ns: float = 1.0) -> list[Point]:
    """Return ``amounts`` of each step per µs as the corners of a line, in steps of ``coarse_ns`` or more.

    A short last step is one with that before.
    """
    width, end = (doc.number(f"memory.{side}.over_time.step_ns") or 1.0) / 1e3, _end_us(doc, side)
    merged = max(1, round(coarse_ns / 1e3 / width))
    amounts = [sum(amounts[n : n + merged]) for n in range(0, len(amounts), merged)]
    edges = [n * width * merged for n in range(len(amounts))] + [end]
    if len(amounts) > 1 and end - edges[-2] < width * merged / 2:
        amounts, edges = [*amounts[:-2], amounts[-2] + amounts[-1]], [*edges[:-2], end]
    corners = []
    for n, amount in enumerate(amounts):
        rate = amount / (edges[n + 1] - edges[n])
        corners += [(edges[n], rate), (edges[n + 1], rate)]
    return corners


def _channel(doc: Source) -> str:
    """Draw the channels' uses near memory as layers, in shares of their time."""
    at = "memory.nmp.over_time"
    uses = [key for key in doc.section(f"{at}.channel_cycles") if any(doc.at(f"{at}.channel_cycles.{key}"))]
    channels, clock_ns = doc.number("config.memory.channels") or 1, (doc.number(f"{at}.step_ns") or 1.0)
    clock_ns /= doc.number(f"{at}.step_cycles") or 1
    if not uses:
        return ""
    busy = [
        _steps(doc, "nmp", [n * clock_ns / 10 / channels for n in doc.at(f"{at}.channel_cycles.{key}")])
        for key in uses
    ]
    layers = list(
        accumulate(busy, lambda low, high: [(x, a + b) for (x, a), (_, b) in zip(low, high, strict=True)])
    )
    y = Scale(0.0, 100.0, "share of the channels' time", tuple((n, f"{n} %") for n in (0, 25, 50, 75, 100)))
    plot = Plot(
        "What the channels did while near memory worked",
        until(_end_us(doc, "nmp"), "µs of the run"),
        y,
        height=150,
    )
    lower = [(x, 0.0) for x, _ in layers[0]]
    for n, (key, upper) in enumerate(zip(uses, layers, strict=True)):
        plot.area(SHARE_LABELS.get(key, plain_text(key)), lower, upper, n)
        lower = upper
    return plot.html()
