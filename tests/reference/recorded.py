"""Recorded runs of Ramulator 2.1 (commit c5b1c3a478b6): what they were asked and how to ask the same again.

The traces are defined by their seeds, so they need no file; a trace is known by the SHA-1 of its requests as
(arrive, byte address in the mapping RoBaBgRaCo, is_write), int64 little endian.
"""

import hashlib
import zlib

import numpy as np

from recnmp.library.dram import SAME_BANK_COMMANDS, DramSpec
from recnmp.memory.replay import ControllerOptions, Timeline
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


def options(config: str, ranks: int, read_queue: int = 32) -> ControllerOptions:
    """The controller of a recorded configuration such as ``frfcfs.ref`` or ``rowhit.w32r.noref``."""
    words = config.removesuffix(".rtwfix").split(".")
    return ControllerOptions(ranks, POLICIES[words[0]], REFRESHES[words[-1]], read_queue)


def standard(spec: DramSpec, config: str) -> DramSpec:
    """The standard as the peer has it: its RD to a WR of another rank lets bursts collide, unless repaired."""
    if config.endswith(".rtwfix"):
        return spec
    document = spec.model_dump()
    for row in document["constraints"]:
        if (row["scope"], row["after"], row["before"]) == ("other_rank", ("RD",), ("WR",)):
            row["wait"] = "nBL + nRTRS"
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
