"""Runs of Ramulator 2.1 (commit c5b1c3a478b6) and DRAMsim3 (commit 2981759): what was asked and what came of it.

Some traces are defined by their seeds, so they need no file; a trace is known by the SHA-1 of its requests as
(arrive, byte address in the mapping RoBaBgRaCo, is_write), int64 little endian. Others stand in a folder of recorded
runs: request traces ``traces/<standard>_<family>_R<ranks>.npz``, command and request logs
``cmdtraces/<trace>_n<requests>__<peer>_<configuration>.{cmd,req}.csv.gz``, and run totals ``golden.csv``.
"""

import csv
import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np
from builders import DDR4
from numpy.typing import NDArray

from recnmp.library.dram import COMMANDS, SAME_BANK_COMMANDS, DramSpec
from recnmp.memory.commands import Commands
from recnmp.memory.replay import ControllerOptions, Timeline
from recnmp.memory.setup import with_colliding_writes
from reference.traffic import Stream

POLICIES = {"frfcfs": "frfcfs", "rowhit": "frfcfs_rowhit"}
REFRESHES = {"ref": "simultaneous", "noref": "off", "refstag": "staggered"}
FAMILIES = ("a_rand", "b_seq", "b2_seq_bgil", "d_bankconf", "f_mix7030", "g_lowint", "w_randwr")
"""Traces that are made here: random, streams (within a bank group or over them), bank conflicts, 30 % writes,
random with gaps, all writes."""

PARTS = {"DDR4": (4, 4, 65536, 128), "DDR5": (8, 4, 65536, 64)}
"""Bank groups, banks of a group, rows and bursts of a row: 8 Gb x8, and 16 Gb x8 on half a channel."""


def make(family: str, ranks: int, n: int, kind: str = "DDR4") -> Stream:
    """The recorded trace of this name as an array of shape (n, 7), fields as in ``reference.traffic``."""
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(f"{family}|{kind}|R{ranks}|v1".encode())))
    groups, banks, rows, columns = PARTS[kind]
    number, zero = np.arange(n), np.zeros(n, np.int64)
    arrive = write = zero
    if family == "b_seq":
        rest, column = np.divmod(number, columns)
        rest, rank = np.divmod(rest, ranks)
        rest, group = np.divmod(rest, groups)
        row, bank = np.divmod(rest, banks)
    elif family == "b2_seq_bgil":
        rest, group = np.divmod(number, groups)
        rest, column = np.divmod(rest, columns)
        rest, bank = np.divmod(rest, banks)
        row, rank = np.divmod(rest, ranks)
    elif family == "d_bankconf":
        row, rank = np.divmod(number, ranks)
        group = bank = column = zero
    else:
        rank, group, bank, row, column = (
            rng.integers(0, limit, n) for limit in (ranks, groups, banks, rows, columns)
        )
        if family == "f_mix7030":
            write = rng.random(n) < 0.3
        elif family == "w_randwr":
            write = zero + 1
        elif family == "g_lowint":
            arrive = np.cumsum(np.floor(rng.exponential(100.0, n)).astype(np.int64))
        elif family != "a_rand":
            raise ValueError(family)
    return np.column_stack([arrive, write, rank, group, bank, row % rows, column])


def fingerprint(stream: Stream, ranks: int, kind: str = "DDR4") -> str:
    """The first 12 hex digits of a trace's SHA-1."""
    groups, banks, _, columns = PARTS[kind]
    arrive, write, rank, group, bank, row, column = stream.T
    burst = (((row * banks + bank) * groups + group) * ranks + rank) * columns + column
    return hashlib.sha1(np.column_stack([arrive, burst * 64, write]).astype("<i8").tobytes()).hexdigest()[:12]


def load(folder: str | Path, trace: str, count: int | None = None) -> Stream:
    """The first ``count`` requests of a trace of the folder, or all."""
    columns = np.load(Path(folder) / "traces" / f"{trace}.npz")
    fields = [columns[name][:count].astype(np.int64) for name in ("wr", "ra", "bg", "ba", "row", "col")]
    return np.column_stack([np.cumsum(columns["dt"][:count].astype(np.int64)), *fields])


def of_log(log: Path) -> tuple[Stream, str, int]:
    """The requests, configuration and ranks of a command log."""
    trace, run = log.name.removesuffix(".cmd.csv.gz").split("__")
    trace, count = trace.rsplit("_n", 1)
    stream = load(log.parents[1], trace, int(count))
    return stream, run.partition("_")[2], int(trace.rsplit("_R", 1)[1])


def logged_commands(log: Path) -> Commands:
    """The commands of a log; DRAMsim3 does not tell which request one serves, -1."""
    rows = [(cycle, COMMANDS.index(name), *rest) for cycle, name, *rest in _lines(log)]
    return Commands(*np.array(rows, np.int64).T)


def logged_requests(log: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """When the requests of a command log were accepted and when they departed, each of shape (L,)."""
    columns = np.array(_lines(log.with_name(log.name.replace(".cmd.", ".req."))), np.int64)
    return columns[:, 2], columns[:, 3]


def _lines(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))[1:]


def rows_of(folder: str | Path, peer: str) -> list[dict[str, str]]:
    """The runs of ``ramulator2`` or ``dramsim3`` in the folder's table; none where no folder is named."""
    if not folder:
        return []
    with (Path(folder) / "golden.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["sim"] == peer]
    assert len(rows) > 100
    return rows


def logs_of(folder: str | Path, run: str) -> list[Path]:
    """The folder's command logs of DDR4 of runs whose name begins with ``run``; none where no folder is named."""
    return sorted(Path(folder).glob(f"cmdtraces/DDR4_*__{run}*.cmd.csv.gz")) if folder else []


def name_of_log(log: Path) -> str:
    return log.name.removesuffix(".cmd.csv.gz")


def options(config: str, ranks: int, read_queue: int = 32) -> ControllerOptions:
    """Ramulator's controller in a recorded configuration such as ``frfcfs.ref`` or ``rowhit.w32r.noref``."""
    words = config.removesuffix(".rtwfix").split(".")
    return ControllerOptions(ranks, POLICIES[words[0]], REFRESHES[words[-1]], read_queue)


def standard(spec: DramSpec, config: str) -> DramSpec:
    """The standard as Ramulator has it: its RD to a WR of another rank lets bursts collide, unless repaired."""
    return spec if config.endswith(".rtwfix") else with_colliding_writes(spec)


def dramsim3_standard(config: str) -> DramSpec:
    """DDR4-2400 as ours, or, in a configuration ``stock``, as in DRAMsim3's ``DDR4_8Gb_x8_2400.ini``."""
    if not config.startswith("stock"):
        return DDR4
    document = DDR4.model_dump()
    document["tCK_ps"]["value"] = 830
    faster = {"nRTRS": 1, "nRFC": 420, "nREFI": 9360}
    for name, value in {**dict.fromkeys(("nCL", "nRCD", "nRP"), 17), "nRC": 56, **faster}.items():
        document["timings"][name]["value"] = value
    for row in document["constraints"]:
        if (row["scope"], row["after"], row["before"]) == ("rank", ("RD",), ("WR",)):
            row["wait"] = "nCL + nBL + nRTRS - nCWL"
    return DramSpec.model_validate(document)


def figures(timeline: Timeline) -> dict[str, float]:
    """The totals that were recorded of a run, by the names they were recorded under."""
    # nothing was recorded of a peer that merges reads or refreshes sets of banks
    unrecorded = ("merged", *SAME_BANK_COMMANDS)
    assert not any(timeline.counts[name] for name in unrecorded)
    latency = (timeline.depart - timeline.accepted)[timeline.depart >= 0]
    counts = timeline.counts
    names = {"row_hits": "native_hits", "row_misses": "native_misses", "row_conflicts": "native_conflicts"}
    names |= {"forwarded": "rd_forwarded", "absorbed": "wr_merged"}
    return {
        "cycles_drain": timeline.cycles,
        "last_inject": int(timeline.accepted[-1]),
        "lat_avg": timeline.read_latency_avg_cycles,
        "lat_min": int(latency.min()) if len(latency) else -1,
        "lat_max": int(latency.max(initial=-1)),
        **{names.get(name, f"cmd_{name}"): count for name, count in counts.items() if name not in unrecorded},
    }
