"""The 500-point sweep of `sweep_points.py` killed twice and run again, and run by processes started by hand.

Each run is `recnmp sweep` in a process of its own. ``killed``: `kill -9` of a worker after a quarter of the points,
of the client after half; then the same command again, which must run exactly what is missing and touch nothing that
is there. ``remote``: a scheduler in one process, workers in two more. The tables of both must be, byte for byte,
those of a run that nobody disturbed.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from measuring import machine
from sweep_points import write_sweep

TABLES = ("results.csv", "results.parquet")
PYTHON = [sys.executable, "-m"]
PATIENCE_S = 600.0


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {PATIENCE_S:.0f} s")
        time.sleep(0.005)


def kept(out: Path) -> dict[str, tuple[int, bytes]]:
    """Return every point's file with when it was written and what is in it."""
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in (out / "points").glob("*.json")}


def count(out: Path) -> int:
    return len(list((out / "points").glob("*.json")))


def worker_pids(out: Path) -> set[int]:
    return {json.loads(content)["worker"]["pid"] for _, content in kept(out).values()}


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def command(sweep: Path, out: Path, where: list[str]) -> list[str]:
    return [*PYTHON, "recnmp", "sweep", str(sweep), "--out", str(out), *where]


def run(sweep: Path, out: Path, where: list[str]) -> int:
    """Run the sweep to its end; returns how many points this run had to run."""
    done = subprocess.run(command(sweep, out, where), capture_output=True, text=True, check=False)
    told = re.search(r"points: (\d+) run now", done.stdout)
    if done.returncode or not told:
        raise SystemExit(f"{done.stdout}{done.stderr}")
    return int(told[1])


def killed(sweep: Path, out: Path, points: int) -> dict[str, Any]:
    """Kill a worker, then the client, and run what is left; returns what was seen."""
    where = ["--workers", "2"]
    with subprocess.Popen(
        command(sweep, out, where), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        wait_for(lambda: count(out) >= points // 4, "a quarter of the points")
        before = worker_pids(out)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        at_first = count(out)
        wait_for(lambda: count(out) >= points // 2, "half of the points")
        client.kill()
    wait_for(lambda: not any(map(alive, worker_pids(out))), "the workers' end")
    left = kept(out)
    again = run(sweep, out, where)
    after = kept(out)
    return {
        "points_when_worker_died": at_first,
        "points_when_client_died": len(left),
        "workers_seen": len({json.loads(content)["worker"]["pid"] for _, content in left.values()}),
        "run_again": again,
        "missing_before": points - len(left),
        "kept_untouched": all(after[name] == was for name, was in left.items()),
    }


@contextlib.contextmanager
def started(*module_and_options: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [*PYTHON, *module_and_options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def remote(sweep: Path, out: Path, folder: Path) -> dict[str, Any]:
    """Run the same sweep on a scheduler and two workers that are processes of their own."""
    file = folder / "scheduler.json"
    told = ["--scheduler-file", str(file), "--no-dashboard"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *told]
    worker = ["distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *told]
    with started(*scheduler), started(*worker) as one, started(*worker) as other:
        wait_for(file.exists, "the scheduler's address")
        ran = run(sweep, out, ["--cluster", json.loads(file.read_text())["address"]])
        seen = worker_pids(out)
        return {"run": ran, "workers_were_those_started": seen == {one.pid, other.pid}}


def digests(out: Path) -> dict[str, str]:
    return {table: hashlib.sha256((out / table).read_bytes()).hexdigest() for table in TABLES}


def proofs(folder: Path, traces: int) -> dict[str, Any]:
    """Run everything in ``folder``; returns what was seen, and whether all of it is as it must be."""
    sweep, points = write_sweep(folder, traces), 100 * traces
    undisturbed, broken, far = (folder / name for name in ("undisturbed", "killed", "remote"))
    ran = run(sweep, undisturbed, ["--workers", "2"])
    of_killed, of_remote = killed(sweep, broken, points), remote(sweep, far, folder)
    expected = digests(undisturbed)
    seen = {
        "undisturbed": {"run": ran, **expected},
        "killed": of_killed | {"tables_identical": digests(broken) == expected},
        "remote": of_remote | {"tables_identical": digests(far) == expected},
    }
    holds = (
        ran == of_remote["run"] == points
        and of_killed["run_again"] == of_killed["missing_before"] > 0
        and all(value for part in seen.values() for value in part.values() if isinstance(value, bool))
    )
    return {"points": points, **seen, "holds": holds}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument(
        "--traces", type=int, choices=range(1, 6), default=5, help="of each size: 100 points each"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        seen = proofs(Path(name), chosen.traces)
    if chosen.json:
        print(json.dumps({"machine": machine(), **seen}, indent=1))
    else:
        print(f"{seen['points']} points, 2 workers; recnmp {machine()['recnmp']}")
        for part in ("undisturbed", "killed", "remote"):
            print(f"\n{part}")
            for key, value in seen[part].items():
                print(f"  {key.replace('_', ' '):<28} {value}")
        print("\nholds" if seen["holds"] else "\nDOES NOT HOLD")
    raise SystemExit(not seen["holds"])


if __name__ == "__main__":
    main()
