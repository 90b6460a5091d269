"""``simulate --timeline``: a window of a recorded run, host and near memory side by side, for Perfetto.

Only what the run recorded is drawn; ``docs/timeline.md`` says what each track is.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recnmp._files import packed_output, replacing
from recnmp.errors import ConfigError
from recnmp.library.dram import DramSpec
from recnmp.nmp._kernels import HEADER_AT, RETURNED_AT
from recnmp.nmp.base import SlsRun
from recnmp.report.timeline_dram import draw_bandwidth, draw_buses, draw_rank, draw_reads, of_rank
from recnmp.report.timeline_events import Events, joined
from recnmp.report.timeline_packets import draw_channel, draw_rank_unit

DEFAULT_COMMANDS = 50_000
"""DRAM commands of the window that nobody chose: a packed file of one to two megabytes."""
MOST_COMMANDS = 2_000_000
"""DRAM commands of the longest window that is drawn: what a viewer in a browser can still hold."""


@dataclass(frozen=True)
class Window:
    """What was asked for: a stretch of the run in us, or its first packets on every channel; None for a default."""

    us: tuple[float, float] | None = None
    packets: int | None = None


def parse_window(text: str | None) -> Window:
    """Return the window of START:END in us or packets=N; raises ConfigError for anything else."""
    if text is None:
        return Window()
    number = r"(\d+(?:\.\d*)?|\.\d+)"
    if match := re.fullmatch(rf"{number}:{number}", text):
        start, end = float(match[1]), float(match[2])
        if start < end:
            return Window((start, end))
    elif (match := re.fullmatch(r"packets=(\d+)", text)) and int(match[1]):
        return Window(packets=int(match[1]))
    raise ConfigError(
        f"--timeline-window: {text!r} is no window; write START:END in us, such as 0:5, or packets=8"
    )


def check_out(out: Path) -> None:
    """Raise ConfigError for a file that is not JSON, packed or not, or whose folder does not exist."""
    if not out.name.endswith((".json", ".json.gz")):
        raise ConfigError(f"--timeline: {out} must end in .json or .json.gz")
    if not out.parent.is_dir():
        raise ConfigError(f"--timeline: no such folder: {out.parent}")


def write_timeline(
    out: Path, window: Window, spec: DramSpec, host: SlsRun, near: SlsRun | None, kind: str
) -> str:
    """Write the window of two recorded runs into ``out``; returns what was written, in a line.

    ``kind`` names the near-memory architecture. The same runs give the same bytes. Raises ConfigError for a window
    in which there is nothing or too much, or that counts packets where none were recorded.
    """
    runs = {"host": host} if near is None else {"host": host, kind: near}
    start, end = _clocks(window, spec, runs)
    commands = sum(_commands_in(run, start, end) for run in runs.values())
    if commands > MOST_COMMANDS:
        raise ConfigError(
            f"--timeline-window: {commands:,} DRAM commands are more than a viewer holds; "
            f"choose a window of at most {MOST_COMMANDS:,}"
        )
    events = Events(spec.tCK_ps.value, start, end)
    for name, run in runs.items():
        _draw(events, name, spec, run)
    us = [round(clock * spec.tCK_ps.value / 1e6, 3) for clock in (start, end)]
    head: dict[str, Any] = {
        "displayTimeUnit": "ms",
        "otherData": {
            "time": "1 us shown is 1 ps of the run",
            "clock_ps": spec.tCK_ps.value,
            "window_us": us,
        },
    }
    with replacing(out) as temporary, packed_output(temporary, out) as file:
        file.write((json.dumps(head)[:-1] + ', "traceEvents": ').encode())
        for line in joined(events.in_order()):
            file.write(line.encode())
        file.write(b"}\n")
    return f"{out}: {us[0]} to {us[1]} us of the run, {commands:,} DRAM commands, {out.stat().st_size:,} B"


def _draw(events: Events, name: str, spec: DramSpec, run: SlsRun) -> None:
    """Draw one side: a process for each channel, and one for each rank."""
    end = int(str(run.memory["cycles"]))
    per_log = len(run.commands) // max(len(run.packet_logs), 1)
    for n, (ranks, commands) in enumerate(run.commands):
        channel, unit = divmod(n, per_log)
        title = f"{name}: channel {n}" if name == "host" else f"{name}: rank {n}"
        if run.packet_logs:
            title = f"{name}: channel {channel}, rank {unit}"
            if unit == 0:
                pid = events.process(f"{name}: channel {channel}")
                draw_channel(events, pid, run.packet_logs[channel], spec.cycles["nBL"])
                draw_bandwidth(events, pid, spec, [one for _, one in run.commands[n : n + per_log]])
        pid = events.process(title)
        draw_buses(events, pid, spec, commands)
        draw_bandwidth(events, pid, spec, [commands])
        if run.reads:
            draw_reads(events, pid, run.reads[n])
        if run.packet_logs:
            draw_rank_unit(events, pid, run.packet_logs[channel], unit)
        for rank in range(ranks):
            below = pid if name != "host" else events.process(f"{title}, rank {rank}")
            draw_rank(events, below, spec, of_rank(commands, rank), end)


def _commands_in(run: SlsRun, start: int, end: int) -> int:
    return sum(int(np.diff(np.searchsorted(one.cycle, (start, end)))[0]) for _, one in run.commands)


def _clocks(window: Window, spec: DramSpec, runs: dict[str, SlsRun]) -> tuple[int, int]:
    """Return the first clock of the window and the one behind its last."""
    last = max(int(str(run.memory["cycles"])) for run in runs.values())
    if window.packets is not None:
        return _clocks_of_packets(window.packets, runs)
    if window.us is None:
        cycles = np.sort(np.concatenate([one.cycle for run in runs.values() for _, one in run.commands]))
        return 0, last + 1 if len(cycles) <= DEFAULT_COMMANDS else int(cycles[DEFAULT_COMMANDS])
    start, end = (round(us * 1e6 / spec.tCK_ps.value) for us in window.us)
    if start >= last:
        raise ConfigError(
            f"--timeline-window: starts at {window.us[0]:g} us, but the run is over at "
            f"{last * spec.tCK_ps.value / 1e6:.3f} us"
        )
    return start, min(max(end, start + 1), last + 1)


def _clocks_of_packets(packets: int, runs: dict[str, SlsRun]) -> tuple[int, int]:
    logs = [log.clocks[:packets] for run in runs.values() for log in run.packet_logs if len(log.clocks)]
    if not logs:
        raise ConfigError("--timeline-window: this run has no packets to count; write START:END in us")
    return min(int(log[0, HEADER_AT]) for log in logs), max(int(log[-1, RETURNED_AT]) for log in logs) + 1
