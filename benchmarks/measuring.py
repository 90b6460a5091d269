"""Timing shared by the benchmarks: interleaved repeats in CPU time, medians and best."""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np

import recnmp
from recnmp._threads import available_cores
from recnmp.library.machine import cpu_model

Work = Callable[[], Callable[[], object]]
"""Prepares a run outside the clock and returns what is timed."""


def options(description: str, size: str, default: int, **more: int) -> argparse.Namespace:
    """Read ``--<size>``, the options of every benchmark, and ``more`` numbers from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(f"--{size}", type=int, default=default, help=f"per case (default {default})")
    parser.add_argument("--repeats", type=int, default=9, help="rounds over all cases (default 9)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--compile", action="store_true", help="also time a first call that has to compile")
    parser.add_argument("--first-call", action="store_true", help="only time this process's first call")
    for name, number in more.items():
        parser.add_argument(f"--{name}", type=int, default=number, help=f"(default {number})")
    chosen = parser.parse_args()
    if min(getattr(chosen, size), chosen.repeats) < 1:
        parser.error(f"--{size} and --repeats are at least 1")
    return chosen


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process, all threads, that ``work`` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compiling(script: str) -> dict[str, float]:
    """CPU seconds of a script's first call, without machine code on disk and with it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"RECNMP_CACHE_DIR": folder}
        command = [sys.executable, script, "--first-call"]
        empty, filled = (
            round(float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout), 2)
            for _ in range(2)
        )
    return {"compile_s": empty, "load_s": filled}


def interleaved(cases: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of every case in every round; all cases take their turn within a round."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(repeats):
        for name, prepare in cases.items():
            seconds[name].append(cpu_seconds(prepare()))
        if sys.stderr.isatty():
            print(f"round {repeat + 1} of {repeats}", file=sys.stderr)
    return seconds


def rates(seconds: list[float], count: int) -> dict[str, float]:
    """Millions per second: the median round, the best one, and the spread (worst to best) over the median."""
    middle = statistics.median(seconds)
    return {
        "median": count / middle / 1e6,
        "best": count / min(seconds) / 1e6,
        "spread": (max(seconds) - min(seconds)) / middle,
    }


def machine() -> dict[str, Any]:
    """Where and with what the figures were made."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": cpu_model(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "recnmp": recnmp.__version__,
    }


def report(title: str, unit: str, results: list[dict[str, Any]], as_json: bool, **facts: object) -> None:
    """Print all results, as a Markdown table or as JSON; ``facts`` go above it."""
    where = machine() | facts
    if as_json:
        print(json.dumps({"title": title, "unit": unit, "machine": where, "results": results}, indent=1))
        return
    print(f"{title}\n")
    print(", ".join(f"{name} {value}" for name, value in where.items()) + "\n")
    print(f"| case | {unit}, median | best | spread | target |\n|---|---|---|---|---|")
    for result in results:
        target = f">= {result['target']:g}" if result.get("target") else ""
        print(
            f"| {result['case']} | {result['median']:.2f} | {result['best']:.2f} "
            f"| {result['spread']:.0%} | {target} |"
        )
