"""Side by side with Ramulator 2.1: the same requests on an installation that the user brings.

Nothing of Ramulator is bundled. Its trace front end stops when it has handed over the last request, with some
requests still under way, so both are counted up to that clock. It would feed several channels one request per
clock together, and a full one would hold up the others; here every channel is offered its own requests, so each
channel is a run of its own there, counted up to its own last request.

Not compared: times of arrival (its front end has none).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.dram import ALL_BANK_COMMANDS, COMMANDS, DramSpec
from recnmp.memory.formats import MemoryTrace, read_memory_trace
from recnmp.memory.options import REFRESHES
from recnmp.memory.replay import Timeline
from recnmp.memory.setup import Setup, make_requests

PRESETS = {
    "ddr4_2133": ("DDR4", "DDR4_8Gb_x8", "DDR4_2133P"),
    "ddr4_2400": ("DDR4", "DDR4_8Gb_x8", "DDR4_2400R"),
    "ddr4_2666": ("DDR4", "DDR4_8Gb_x8", "DDR4_2666V"),
    "ddr4_2933": ("DDR4", "DDR4_8Gb_x8", "DDR4_2933Y"),
    "ddr4_3200": ("DDR4", "DDR4_8Gb_x8", "DDR4_3200AA"),
    "ddr5_4800": ("DDR5", "DDR5_16Gb_x8", "DDR5_4800BN"),
    "ddr5_5600": ("DDR5", "DDR5_16Gb_x8", "DDR5_5600AN"),
}
"""Class, organisation and timing of Ramulator 2.1 for standards that have their like there."""

SCHEDULERS = {"frfcfs": "FRFCFS", "frfcfs_rowhit": "FRFCFSRowHit"}

_JOB = Path(__file__).with_name("_ramulator_job.py")
_STATS = {
    "row_hits": "row_hits",
    "row_misses": "row_misses",
    "row_conflicts": "row_conflicts",
    "reads forwarded": "num_read_reqs_forwarded",
    "writes absorbed": "num_write_reqs_coalesced",
}
_FIRST = {"ACT": "row_misses", "PRE": "row_conflicts", "RD": "row_hits", "WR": "row_hits"}


def compare(
    path: Path, kind: str, setup: Setup, ramulator: Path, *, limit: int | None = None
) -> dict[str, Any]:
    """Run the first ``limit`` requests of a trace on both; returns plain JSON data with both figures and ratios.

    ``ramulator`` is a folder that holds the ``ramulator`` Python package (or a checkout with ``python/ramulator``),
    or a program that runs Python files with that package at hand: an interpreter, a wrapper script.

    Raises ConfigError for what cannot be compared and RecnmpError when the peer fails.
    """
    if setup.standard not in PRESETS or setup.policy not in SCHEDULERS:
        raise ConfigError(
            f"a comparison needs a standard of {', '.join(PRESETS)} and a policy of "
            f"{', '.join(SCHEDULERS)}; this is {setup.standard}, {setup.policy}"
        )
    switches = (setup.page_policy, setup.row_hit_cap, setup.forward_writes, setup.merges)
    if switches != ("open", None, True, False) or setup.refresh not in REFRESHES:
        raise ConfigError(
            "a comparison needs open pages, no row-hit cap, writes forwarded, reads not merged and all banks "
            "refreshed at once, as in Ramulator"
        )
    command, environment = peer_command(ramulator)
    trace = read_memory_trace(path, kind, setup.spec, setup.memory, limit)
    timed = bool(trace.arrive.any())
    trace = MemoryTrace(np.zeros_like(trace.arrive), *_columns(trace))
    ours = run_ours(trace, setup)
    theirs = run_ramulator(trace, setup, command, environment)
    notes = ["times of arrival were dropped: Ramulator's front end has none"] if timed else []
    if setup.channels > 1:
        notes.append(
            "every channel is a run of its own in Ramulator, one after the other: wall seconds add up"
        )
    notes += _differing_timings(setup.spec_with_quirks, theirs["timings"])
    if trace.write.any() and setup.ranks > 1 and not setup.quirks:
        notes.append(
            "Ramulator lets a WR follow a RD of another rank after nBL + nRTRS, when their bursts can collide; "
            "--quirk ramulator-rd-wr-gap follows it"
        )
    return {
        "trace": str(path),
        "setup": setup.described | {"trace": str(path)},
        "requests": len(trace),
        "peer": {"name": "Ramulator 2.1", "path": str(ramulator)},
        "figures": [_figure(name, value, theirs["figures"][name]) for name, value in ours.items()],
        "notes": notes,
    }


def _columns(trace: MemoryTrace) -> tuple[Any, ...]:
    return trace.channel, trace.lane, trace.row, trace.column, trace.write


def _figure(name: str, ours: float, peer: float) -> dict[str, Any]:
    return {"name": name, "ours": ours, "peer": peer, "ratio": ours / peer if peer else None}


def run_ours(trace: MemoryTrace, setup: Setup) -> dict[str, float]:
    """Return our figures up to the clock at which the last request is accepted, and the time it took."""
    requests, _ = make_requests(trace, setup.channels)
    timeline = setup.replay(requests, record=True)  # also compiles before the clock runs
    cpu, wall = time.process_time(), time.perf_counter()
    setup.replay(requests)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return until_last_accepted(timeline, requests.start) | _speed(len(trace), cpu, wall)


def until_last_accepted(timeline: Timeline, start: NDArray[np.int64]) -> dict[str, float]:
    """Return a recorded run's figures by our names, each controller's up to the clock of its last acceptance.

    Controller u owns requests ``start[u] : start[u + 1]``; the cycles are those of the controller that is last.
    """
    counted = dict.fromkeys(("cycles", *ALL_BANK_COMMANDS, "row_hits", "row_misses", "row_conflicts"), 0)
    latency = 0
    for commands, first, after in zip(timeline.commands, start[:-1], start[1:], strict=True):
        end = int(timeline.accepted[first:after].max(initial=0))
        n = int(np.searchsorted(commands.cycle, end, "right"))
        kinds, request = commands.command[:n], commands.request[:n]
        counted["cycles"] = max(counted["cycles"], end)
        issued = np.bincount(kinds, minlength=len(ALL_BANK_COMMANDS))
        for name, count in zip(ALL_BANK_COMMANDS, issued, strict=True):
            counted[name] += int(count)
        number, at = np.unique(request, return_index=True)
        for kind in kinds[at[number >= 0]]:
            if (name := COMMANDS[kind]) in _FIRST:
                counted[_FIRST[name]] += 1
        accepted, depart = timeline.accepted[first:after], timeline.depart[first:after]
        done = (depart >= 0) & (depart <= end)
        latency += int((depart - accepted)[done].sum())
    counts = timeline.counts
    met = {"reads forwarded": counts["forwarded"], "writes absorbed": counts["absorbed"]}
    return counted | met | {"read latency, clocks": latency / max(counted["RD"], 1)}


def _speed(requests: int, cpu: float, wall: float) -> dict[str, float]:
    return {"CPU seconds": cpu, "wall seconds": wall, "requests per CPU second": requests / max(cpu, 1e-9)}


def run_ramulator(
    trace: MemoryTrace,
    setup: Setup,
    command: list[str],
    environment: Mapping[str, str],
    *,
    count_commands: bool = True,
    gap: int = 1,
) -> dict[str, Any]:
    """Return the peer's ``figures`` by our names and its ``timings``; raises RecnmpError when it fails.

    Counting commands is work that the peer's own statistics do not include; for timing alone, leave it out.
    Its front end offers a request every ``gap`` clocks, whatever the times of arrival; one that finds its queue
    full is offered again ``gap`` clocks later, and so is all behind it.
    """
    dram, organization, timing = PRESETS[setup.standard]
    settings: dict[str, Any] = {"dram": dram, "organization": organization, "timing": timing}
    settings |= {"ranks": setup.ranks, "scheduler": SCHEDULERS[setup.policy], "refresh": setup.refresh}
    settings |= {"read_queue": setup.read_queue, "write_queue": setup.write_queue, "gap": gap}
    settings |= {"count_commands": count_commands}
    answers = [
        _answer(load_store_text(one, setup), settings, command, environment) for one in _by_channel(trace)
    ]
    stats = [answer["stats"] for answer in answers]
    figures = {"cycles": max(one["cycles"] for one in stats)}
    for name in answers[0]["commands"]:
        figures[name] = sum(answer["commands"][name] for answer in answers)
    figures |= {ours: sum(one[theirs] for one in stats) for ours, theirs in _STATS.items()}
    latency, reads = (sum(one[name] for one in stats) for name in ("read_latency", "num_read_reqs_served"))
    figures["read latency, clocks"] = latency / max(reads, 1)
    cpu, wall = (sum(answer[name] for answer in answers) for name in ("cpu_s", "wall_s"))
    return {"figures": figures | _speed(len(trace), cpu, wall), "timings": answers[0]["timings"]}


def _by_channel(trace: MemoryTrace) -> Iterator[MemoryTrace]:
    """Yield the requests of each channel that has any."""
    for channel in np.unique(trace.channel):
        mine = trace.channel == channel
        yield MemoryTrace(*(getattr(trace, field.name)[mine] for field in fields(MemoryTrace)))


def _answer(
    requests: str, settings: dict[str, Any], command: list[str], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Run the peer on requests in its own format; raises RecnmpError when it fails."""
    with tempfile.TemporaryDirectory(prefix="recnmp-") as folder:
        text, job, answer = (Path(folder) / name for name in ("requests.trace", "job.json", "answer.json"))
        text.write_text(requests)
        job.write_text(json.dumps(settings | {"trace": str(text)}))
        done = subprocess.run(
            [*command, str(_JOB), str(job), str(answer)],
            env=dict(environment), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode or not answer.exists():
            lines = (done.stderr or done.stdout).strip().splitlines() or ["it gave no answer"]
            raise RecnmpError(f"Ramulator failed with exit code {done.returncode}: {lines[-1]}")
        found: dict[str, Any] = json.loads(answer.read_text())
        return found


def load_store_text(trace: MemoryTrace, setup: Setup) -> str:
    """Return a trace of one channel as Ramulator's LoadStoreTrace, by addresses that its RoBaRaCoCh decodes alike."""
    org = setup.spec.organization
    bank = trace.lane.astype(np.int64)
    bank, in_group = np.divmod(bank, org.banks_per_group.value)
    rank, group = np.divmod(bank, org.bank_groups.value)
    burst = trace.row.astype(np.int64) * org.banks_per_group.value + in_group
    burst = (burst * org.bank_groups.value + group) * setup.ranks + rank
    address = (burst * org.bursts_per_row.value + trace.column) * org.burst_bytes.value
    words = ("LD", "ST")
    pairs = zip(trace.write.tolist(), address.tolist(), strict=True)
    return "".join([f"{words[write]} {byte:#x}\n" for write, byte in pairs])


def peer_command(ramulator: Path) -> tuple[list[str], dict[str, str]]:
    """Return the program that runs Python files with ``ramulator``, and its environment; raises ConfigError."""
    environment = dict(os.environ)
    if ramulator.is_file() and os.access(ramulator, os.X_OK):
        return [str(ramulator.absolute())], environment
    for folder in (ramulator, ramulator / "python", ramulator.parent):
        if (folder / "ramulator" / "__init__.py").is_file() and ramulator.is_dir():
            paths = [str(folder.absolute()), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
            return [sys.executable], environment
    raise ConfigError(
        f"{ramulator}: neither a program nor a folder with the ramulator Python package; "
        "name a Python interpreter that can import ramulator, or the folder that holds the package"
    )


def _differing_timings(spec: DramSpec, theirs: Mapping[str, Any]) -> list[str]:
    """Name each timing that both have under the same name, underscores apart, with another value."""
    ours = {name.replace("_", ""): value for name, value in spec.cycles.items()}
    theirs = {name.replace("_", ""): value for name, value in theirs.items()}
    return [
        f"timings differ: {name} is {ours[name]} here and {theirs[name]} in Ramulator"
        for name in sorted(ours.keys() & theirs.keys())
        if ours[name] != theirs[name]
    ]
