"""What a result says about what was asked and where the time went, as sections of an HTML page."""

from pathlib import PurePath

from recnmp.report.cells import SHARE_LABELS, count, time
from recnmp.report.html_elements import (
    SIDES,
    Source,
    bytes_of,
    facts,
    flat,
    paragraph,
    plain_text,
    ratio,
    section,
    share,
    table,
)
from recnmp.report.html_svg import Bar, Segment, bars
from recnmp.report.tables import PART_LABELS, RUNG_LABELS

_RATES = ("queries", "samples", "lookups")
Row = tuple[str, ...]


def asked(doc: Source) -> str:
    """What was asked: the options that shape a run, and all of them folded away."""
    shape = (("channels", "channel"), ("dimms_per_channel", "DIMM"), ("ranks_per_dimm", "rank"))
    memory = [
        doc.shown(f"config.memory.{key}", lambda n, unit=unit: f"{n:,} {unit}{'s' * (n != 1)}")  # type: ignore[misc]
        for key, unit in shape
    ]
    llc, rank = (doc.shown(f"config.cache.{name}.size_bytes", bytes_of) for name in ("llc", "rank"))
    model, kind = doc.at("config.model"), doc.at("config.nmp.kind")
    trace = PurePath(str(doc.at("trace.file") or doc.at("config.trace.file") or "")).name
    replayed = [_counted(doc, key) for key in ("batches", "tables", "bags", "lookups")]
    pages = [doc.text("config.placement.pages"), doc.shown("config.placement.page_bytes", bytes_of)]
    pairs = [
        ("model", plain_text(model.get("name", "given in full") if isinstance(model, dict) else model)),
        ("near memory", "nothing" if kind == "host" else plain_text(kind)),
        ("trace", plain_text(trace)),
        ("replayed", ", ".join(filter(None, replayed))),
        ("batch", doc.shown("trace.batch_size", lambda n: f"{n:,} samples")),
        ("tables hold", doc.text("trace.table_dtypes")),
        ("memory", f"{doc.text('config.memory.standard')}: {' x '.join(filter(None, memory))}"),
        ("addresses", doc.text("config.memory.mapping")),
        ("pages", ", ".join(filter(None, pages))),
        ("last-level cache", llc or "none in the baseline"),
        ("RankCaches", rank or "none"),
        ("dense part", doc.text("config.mlp.kind")),
    ]
    options = [
        (f"<code>{plain_text(key)}</code>", plain_text(value) or "null")
        for key, value in flat(doc.section("config"))
    ]
    every = table("Options, with their values", ("option", "value"), options)
    folded = f"<details><summary>Every option</summary>\n{every}</details>\n"
    return section("asked", "What was asked", facts(pairs), folded)


def _counted(doc: Source, key: str) -> str:
    one = {"batches": "batch"}.get(key, key.removesuffix("s"))
    return doc.shown(f"trace.{key}", lambda n: f"{n:,} {one if n == 1 else key}")


def headline(doc: Source) -> str:
    """Speed-ups in large type, then latency and throughput."""
    cards = [
        ("SLS, near memory over host", "sls.speedup_over_host", ratio),
        ("end to end", "end_to_end.speedup_over_host", ratio),
        ("bound: if SLS took no time", "end_to_end.amdahl_bound", ratio),
        ("of that bound reached", "end_to_end.bound_reached", share),
    ]
    shown = [(name, doc.shown(key, form)) for name, key, form in cards]
    large = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown if value)
    rows: list[Row] = [
        (
            label,
            *(doc.shown(f"{part}.{side}_ns", time) for side in SIDES),
            doc.shown(f"{part}.speedup_over_host", ratio),
        )
        for label, part in (("SLS (gather-reduce)", "sls"), ("end to end", "end_to_end"))
    ]
    rates = [
        (f"{unit}/s", *(doc.shown(f"end_to_end.{unit}_per_s.{side}", count) for side in SIDES))
        for unit in _RATES
    ]
    return section(
        "headline",
        "The headline",
        f'<dl class="cards">{large}</dl>\n' if large else "",
        table("One batch, mean over the batches", ("", "host", "near memory", "speed-up"), rows),
        table("Throughput, a batch being a query", ("", "host", "near memory"), rates),
        paragraph(f"Host baseline: {doc.at('sls.host_baseline')}" if doc.at("sls.host_baseline") else ""),
        _served(doc),
    )


def _served(doc: Source) -> str:
    """Queries under load, where the run had them."""
    at = "end_to_end.serving"
    if not doc.section(at):
        return ""
    rows: list[Row] = [
        (
            "one query alone",
            *(doc.shown(f"{at}.{side}.query_alone_ns", time) for side in SIDES),
            doc.shown(f"{at}.speedup_over_host.query_alone", ratio),
        )
    ]
    near = bool(doc.section(f"{at}.nmp"))
    for n in range(len(doc.at(f"{at}.host.at") or [])):
        load = doc.shown(f"{at}.host.at.{n}.queries_per_s", count)
        p95 = [doc.shown(f"{at}.{side}.at.{n}.latency.p95_ns", time) or "too many" for side in SIDES]
        rows.append((f"95th percentile at {load} queries/s", p95[0], p95[1] if near else "", ""))
    for key, label in (
        ("throughput", "most queries/s"),
        ("within_p95", "most queries/s within the latency asked for"),
    ):
        rows.append(
            (
                label,
                *(doc.shown(f"{at}.{side}.{key}.queries_per_s", count) for side in SIDES),
                doc.shown(f"{at}.speedup_over_host.{key}", ratio),
            )
        )
    rows.append(("held longest", *(doc.text(f"{at}.{side}.bottleneck") for side in SIDES), ""))
    return table("Queries under load", ("", "host", "near memory", "speed-up"), rows)


def where_time_went(doc: Source) -> str:
    """One batch as stacked bars, host against near memory, and what its channel did."""
    at = "end_to_end.breakdown"
    hidden = doc.number(f"{at}.nmp.hidden_ns")
    drawn, rows = [], []
    for side, name in SIDES.items():
        if doc.section(f"{at}.{side}"):
            key = f"end_to_end.{side}_ns"
            total = doc.number(key)
            drawn.append(Bar(name, time(total), _parts(doc, side), doc.marks(key)))
    for part, label in [
        *PART_LABELS.items(),
        ("hidden", "hidden: runs beside the SLS"),
        ("exposed_sls", "SLS that is not hidden"),
    ]:
        if doc.number(f"{at}.host.{part}_ns") or doc.number(f"{at}.nmp.{part}_ns"):
            rows.append((label, *(doc.shown(f"{at}.{side}.{part}_ns", time) for side in SIDES)))
    rows.append(("SLS, share of the batch", *(doc.shown(f"{at}.{side}.sls_share", share) for side in SIDES)))
    return section(
        "time",
        "Where the time went",
        bars("One batch, end to end", drawn),
        paragraph(
            "Of the SLS near memory, only the part that no dense part hides is drawn." if hidden else ""
        ),
        table("Parts of one batch", ("", "host", "near memory"), rows),
        _channel(doc),
    )


def _parts(doc: Source, side: str) -> tuple[Segment, ...]:
    lengths = {part: doc.number(f"end_to_end.breakdown.{side}.{part}_ns") or 0.0 for part in PART_LABELS}
    exposed = doc.number(f"end_to_end.breakdown.{side}.exposed_sls_ns")
    if exposed is not None:
        lengths["sls"] = exposed
    return tuple(Segment(label, lengths[part]) for part, label in PART_LABELS.items())


def _channel(doc: Source) -> str:
    """What the channel's bus did, in shares of its time near memory."""
    labels = {key: SHARE_LABELS.get(key, key) for key in doc.section("nmp.time_share")}
    parts = tuple(Segment(label, doc.number(f"nmp.time_share.{key}") or 0.0) for key, label in labels.items())
    rows = [(plain_text(label), doc.shown(f"nmp.time_share.{key}", share)) for key, label in labels.items()]
    title = "What the channel did while near memory worked"
    return bars(title, [Bar("channel", "", parts)], whole=True) + table(
        "Shares of its time", ("", "share"), rows
    )


def ladder(doc: Source) -> str:
    """Speed-up over ever more real hosts; their times where there is nothing near memory."""
    drawn, rows = [], []
    near = doc.number("sls.host_ladder.0.speedup_over_host") is not None
    for n, rung in enumerate(doc.at("sls.host_ladder") or []):
        at = f"sls.host_ladder.{n}"
        label = RUNG_LABELS.get(rung["name"], str(rung["name"]))
        key, form = (f"{at}.speedup_over_host", ratio) if near else (f"{at}.host_ns", time)
        value = doc.number(key) or 0.0
        drawn.append(Bar(label, form(value), (Segment("host", value),), doc.marks(key)))
        rows.append(
            (
                plain_text(label),
                doc.shown(f"{at}.host_ns", time),
                doc.shown(f"{at}.speedup_over_host", ratio),
                doc.text(f"{at}.how"),
            )
        )
    title = "Speed-up of the SLS over each host" if near else "The host's SLS, one batch"
    return section(
        "ladder",
        "The host ladder",
        bars(title, drawn),
        table(
            "The same gather-reduce on ever more real hosts", ("host", "one batch", "speed-up", "how"), rows
        ),
    )
