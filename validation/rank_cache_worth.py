"""What a 128 KiB RankCache is worth on four real traces: runs everything and writes docs/rank-cache-worth.md.

python validation/rank_cache_worth.py FOLDER [--processes 2] [--write docs]

FOLDER has the four traces as docs/rank-cache-worth.md says how to import them. Without --write the page is printed.
Everything in it is simulated, so the same traces give the same page everywhere; it names their digests.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from recnmp.report.charts import Chart, Series, draw
from recnmp.report.energy import PAPER
from recnmp.report.result import write_whole
from recnmp.report.tidy import write_tidy
from recnmp.study.rankcache.request import Point
from recnmp.study.runs import Outcome, Run, config_with_trace, run_all
from recnmp.trace.inspect import inspect_trace

TRACES = {
    "criteo_kaggle_7k": "advertising log, 26 features",
    "talkingdata_100k": "advertising log, 5 features",
    "diginetica": "clicks of shop sessions",
    "retail_fimi": "baskets of a supermarket",
}
FOUR = ["arrival.threads=4", "arrival.order=random", "arrival.tables=separate"]
WORKLOADS = {
    "2 ranks": ("rank2", []),
    "8 ranks": ("rank8", []),
    "2 ranks, 4 models": ("rank2", FOUR),
}
OWN = Point()
STEPS = {
    "arrival order": OWN,
    "table-aware": Point(order="table_aware"),
    "table-aware, profiled": Point(order="table_aware", threshold="profiled"),
}
SIZES = {"8 KiB": 8 << 10, "32 KiB": 32 << 10, "128 KiB": 128 << 10, "256 KiB": 256 << 10, "1 MiB": 1 << 20}
POLICIES = ("lru", "fifo", "random_replacement", "lfu", "arc", "s3fifo", "sieve", "w_tinylfu")
PAGE = "rank-cache-worth"
TEXT = Path(__file__).with_suffix(".md")

Key = tuple[str, str, Point | None]
"""Trace, workload, and the RankCache; None is the host."""


def points() -> list[Point]:
    """Return every RankCache that is tried, those without one among them."""
    sized = [Point(size_bytes=size) for size in SIZES.values()]
    tried = [*STEPS.values(), *sized, *(Point(policy=policy) for policy in POLICIES)]
    return list(dict.fromkeys([*tried, *(point.without_cache() for point in tried)]))


def outcomes(folder: Path, processes: int) -> dict[Key, Outcome]:
    """Run every trace and workload with every RankCache, and on the host."""
    runs: dict[Key, Run] = {}
    for trace in TRACES:
        for workload, (config, options) in WORKLOADS.items():
            base = config_with_trace(folder / f"{trace}.parquet", config, options)
            runs[trace, workload, None] = Run.of(base, "host", {"cache.rank": None})
            for point in points():
                runs[trace, workload, point] = Run.of(base, "recnmp", point.changes())
    checked = [runs[trace, "8 ranks", OWN] for trace in TRACES]
    done = run_all(runs.values(), processes, checked, lambda text: print(text, file=sys.stderr, flush=True))
    return {key: done[run] for key, run in runs.items()}


def figures(done: dict[Key, Outcome]) -> list[dict[str, Any]]:
    """Return a flat record of every run near memory."""
    rows = []
    for (trace, workload, point), one in done.items():
        if point is None:
            continue
        bare, host = done[trace, workload, point.without_cache()], done[trace, workload, None]
        rows.append(
            {
                "trace": trace,
                "workload": workload,
                **{name: str(value) for name, value in vars(point).items()},
                "ns_per_lookup": one.ns / one.lookups,
                "time_saved": 1 - one.ns / bare.ns,
                "energy_saved": 1 - pj(one) / pj(bare),
                "hit_rate": one.details["cache_hit_rate"] or 0.0,
                "speedup_over_host": host.ns / one.ns,
                "energy_of_host": pj(one) / pj(host),
                **{f"{part}_share": share for part, share in one.details["time_share"].items()},
            }
        )
    return rows


def pj(outcome: Outcome) -> float:
    """Return the energy at RecNMP's prices."""
    return sum((outcome.energy_pj[PAPER] or {}).values())


def table(head: str, rows: list[list[str]]) -> str:
    """Return a table in Markdown, all but the first two columns to the right."""
    lines = [head, "|---|---|" + "--:|" * (head.count("|") - 3), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def pairs() -> Iterator[tuple[str, str]]:
    """Yield every trace with every workload."""
    return ((trace, workload) for trace in TRACES for workload in WORKLOADS)


def page(folder: Path, done: dict[Key, Outcome]) -> str:
    """Return the page: its text with every number in its place."""
    rows = figures(done)

    def at(trace: str, workload: str, point: Point) -> dict[str, Any]:
        wanted = {"trace": trace, "workload": workload, **{k: str(v) for k, v in vars(point).items()}}
        return next(row for row in rows if wanted.items() <= row.items())

    def cells(point: Point, *keys: str) -> list[list[str]]:
        return [[f"{at(t, w, point)[key]:.1%}" for key in keys] for t, w in pairs()]

    def wide(columns: dict[str, Point]) -> str:
        parts = [cells(point, "hit_rate", "time_saved") for point in columns.values()]
        body = [[t, w, *chain.from_iterable(part[n] for part in parts)] for n, (t, w) in enumerate(pairs())]
        return table("| trace | system | " + " | ".join(f"{c}: hits | saved" for c in columns) + " |", body)

    worth = []
    for trace, workload in pairs():
        bare, own = (at(trace, workload, point) for point in (OWN.without_cache(), OWN))
        worth.append(
            [
                trace,
                workload,
                f"{own['hit_rate']:.1%}",
                f"{bare['ns_per_lookup']:.2f}",
                f"{own['ns_per_lookup']:.2f}",
                f"{own['time_saved']:.1%}",
                f"{own['energy_saved']:.1%}",
                f"{bare['waiting_share']:.0%}",
                f"{bare['speedup_over_host']:.2f}",
                f"{own['speedup_over_host']:.2f}",
            ]
        )
    head = (
        "| trace | system | hits | none [ns] | 128 KiB [ns] | time saved | energy saved | ranks waited for | "
    )
    saved = {w: [at(t, w, OWN)["time_saved"] for t in TRACES] for w in WORKLOADS}
    every = [one for part in saved.values() for one in part]
    spent = [at(t, w, OWN)["energy_saved"] for t, w in pairs()]
    named = {
        "traces": table(
            "| trace | what | tables | lookups | bags | first reads | digest |", described(folder)
        ),
        "worth": table(head + "x host, none | x host, 128 KiB |", worth),
        "sizes": wide({name: Point(size_bytes=size) for name, size in SIZES.items()}),
        "steps": wide(STEPS),
        "policies": policies(at),
        "least": f"{min(every):.1%}",
        "most": f"{max(every):.1%}",
        "least_energy": f"{min(spent):.0%}",
        "most_energy": f"{max(spent):.0%}",
        "ranges": ", ".join(f"{min(s):.1%} to {max(s):.1%} of the time with {w}" for w, s in saved.items()),
        "files": " ".join(TRACES),
    }
    shown = {"hits": (OWN, "hit_rate", 1), "saved": (OWN, "time_saved", 1)}
    shown["w_tinylfu"] = (Point(policy="w_tinylfu"), "time_saved", 1)
    shown["doubled"] = (Point(size_bytes=SIZES["256 KiB"]), "time_saved", 1)
    shown["waiting"] = (OWN.without_cache(), "waiting_share", 0)

    def filled(place: re.Match[str]) -> str:
        key, *where = place[1].split(":")
        if not where:
            return named[key]
        point, figure, digits = shown[key]
        return f"{at(where[0], where[1], point)[figure]:.{digits}%}"

    return wrapped(re.sub(r"\{\{(.*?)\}\}", filled, TEXT.read_text()))


def wrapped(text: str) -> str:
    """Return the page with the lines of its paragraphs and lists as long as a screen is wide."""
    blocks = []
    for block in text.strip().split("\n\n"):
        if block.startswith(("#", "|", "!", "```", "<!--")):
            blocks.append(block)
            continue
        parts = re.split(r"\n(?=- )", block)
        filled = (
            textwrap.fill(
                part,
                118,
                subsequent_indent="  " * part.startswith("- "),
                break_long_words=False,
                break_on_hyphens=False,
            )
            for part in parts
        )
        blocks.append("\n".join(filled))
    return "\n\n".join(blocks) + "\n"


def policies(at: Any) -> str:
    """Return hits and time saved by every policy, with two ranks."""
    body = []
    for trace in TRACES:
        each = [at(trace, "2 ranks", Point(policy=policy)) for policy in POLICIES]
        body.append([trace, "hits", *(f"{row['hit_rate']:.1%}" for row in each)])
        body.append(["", "time saved", *(f"{row['time_saved']:.1%}" for row in each)])
    return table("| trace | | " + " | ".join(f"`{policy}`" for policy in POLICIES) + " |", body)


def described(folder: Path) -> list[list[str]]:
    """Return what the traces are."""
    found = []
    for name, what in TRACES.items():
        told = inspect_trace(folder / f"{name}.parquet")
        sizes = [f"{told[key]:,}" for key in ("lookups", "bags")]
        tables = str(len(told["tables"]))
        found.append([name, what, tables, *sizes, f"{told['unique_share']:.1%}", f"`{told['digest'][:12]}`"])
    return found


def chart(done: dict[Key, Outcome]) -> Chart:
    """Return the figure: time saved by trace and system."""
    rows = [
        row for row in figures(done) if row["policy"] == "lru" and row["size_bytes"] == str(OWN.size_bytes)
    ]
    rows = [row for row in rows if row["order"] == OWN.order]
    saved = {(row["trace"], row["workload"]): 100 * row["time_saved"] for row in rows}
    series = tuple(
        Series(
            w,
            tuple(saved[trace, w] for trace in TRACES),
        )
        for w in WORKLOADS
    )
    return Chart(
        "bars",
        "Time that a 128 KiB RankCache saves",
        "trace",
        "% of the time without it",
        tuple(TRACES),
        series,
    )


def main() -> None:
    """Run everything; print the page, or write it with its figure and its table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", type=Path, metavar="DOCS")
    asked = parser.parse_args()
    done = outcomes(asked.folder, asked.processes)
    text = page(asked.folder, done)
    if asked.write is None:
        print(text, end="")
        return
    write_whole(asked.write / f"{PAGE}.md", text)
    (asked.write / PAGE).mkdir(exist_ok=True)
    draw(chart(done), asked.write / PAGE / "saved.svg")
    write_tidy(figures(done), asked.write / PAGE / "points", {"script": "validation/rank_cache_worth.py"})


if __name__ == "__main__":
    main()
