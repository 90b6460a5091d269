"""Queries under load as rows of a result's table."""

from collections.abc import Iterator, Mapping
from typing import Any

from recnmp.report.cells import count, row, time
from recnmp.report.notes import given

Json = Mapping[str, Any]

_UNITS = ("queries", "samples", "lookups")


def served(document: Json) -> Iterator[str]:
    """Yield latencies and throughput of queries; nothing for a result without them."""
    serving = document.get("end_to_end", {}).get("serving")
    if not serving:
        return
    host, near = serving["host"], serving["nmp"] or {}
    gain: Json = serving["speedup_over_host"] or {}
    threads = serving["threads"]
    who = f"{threads} thread{'s' * (threads != 1)}, {serving['query_samples_mean']:.0f} samples"
    yield row("queries under load", "host", "NMP" if near else "", "speed-up" if near else "")
    yield row(who, indent=True)
    cells = time(host["query_alone_ns"]), time(near.get("query_alone_ns"))
    yield row("one query alone", *cells, given(gain, "query_alone", "{:.2f} x"), indent=True)
    yield from _at_loads(host, near)
    yield from _rates(
        "most", host["throughput"], near.get("throughput"), given(gain, "throughput", "{:.2f} x")
    )
    yield row("held longest", host["bottleneck"], near.get("bottleneck", ""), indent=True)
    if host["within_p95"]:
        target = f"p95 <= {serving['p95_target_ns'] / 1e6:g} ms"
        yield from _rates(
            target, host["within_p95"], near.get("within_p95"), given(gain, "within_p95", "{:.2f} x")
        )
    bound = serving["throughput_without_sls"]
    ratio = f"{bound['queries_per_s'] / host['throughput']['queries_per_s']:.2f} x"
    yield row("if SLS took no time", "", f"{count(bound['queries_per_s'])} queries/s", ratio, indent=True)


def _at_loads(host: Json, near: Json) -> Iterator[str]:
    for n, at in enumerate(host["at"]):
        sides = [at, *(near["at"][n : n + 1] if near else [])]
        cells = [time(side["latency"]["p95_ns"]) if side["latency"] else "too many" for side in sides]
        yield row(f"p95 at {count(at['queries_per_s'])} queries/s", *cells, indent=True)


def _rates(label: str, host: Json, near: Json | None, ratio: str) -> Iterator[str]:
    for unit in _UNITS:
        key = f"{unit}_per_s"
        cells = count(host[key]), count(near[key] if near else None)
        yield row(f"{label}: {unit}/s", *cells, ratio if unit == "queries" else "", indent=True)
