"""A trace replayed as it is read is the one that is held whole, to the last request, command and figure."""

import csv
import json
import tracemalloc
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.traffic import JITTED, size

from recnmp.library.dram import COMMANDS
from recnmp.memory import formats, spool
from recnmp.memory.formats import read_memory_trace
from recnmp.memory.run import replay_trace
from recnmp.memory.setup import Setup, make_requests

few = settings(deadline=None, max_examples=8 if numba.config.DISABLE_JIT else 60, derandomize=True)
setups = st.builds(
    Setup,
    ranks=st.sampled_from([1, 2]),
    channels=st.sampled_from([1, 2, 4]),
    mapping=st.sampled_from(["RoBaBgRaCoCh", "ChRoBaBgRaCo"]),
    policy=st.sampled_from(["frfcfs", "frfcfs_rowhit"]),
    refresh=st.sampled_from(["off", "simultaneous", "staggered"]),
    read_queue=st.sampled_from([1, 32]),
    page_policy=st.sampled_from(["open", "closed"]),
    merge_reads=st.booleans(),
)


def write_trace(path: Path, seed: int, n: int, writes: float, gap: int) -> None:
    """Random requests near each other, in DRAMsim3's format; ``gap`` clocks apart at most."""
    rng = np.random.default_rng(seed)
    address = rng.integers(0, 1 << 12, n) * 64 | rng.integers(0, 4, n) << 31
    clock = np.cumsum(rng.integers(0, gap + 1, n))
    words = np.where(rng.random(n) < writes, "WRITE", "READ")
    lines = zip(address.tolist(), words.tolist(), clock.tolist(), strict=True)
    path.write_text("".join(f"{a:#x} {word} {t}\n" for a, word, t in lines))


def rows_of(path: Path) -> list[list[int | str]]:
    names, *rows = csv.reader(path.read_text().splitlines())
    assert names
    return [[value if value in COMMANDS else int(value) for value in row] for row in rows]


def logged_whole(trace, setup: Setup) -> tuple[list, list]:
    """Rows of the two logs from a replay of the whole trace."""
    requests, order = make_requests(trace, setup.channels)
    timeline = setup.replay(requests, record=True)
    commands = []
    for channel, c in enumerate(timeline.commands):
        request = np.where(c.request < 0, -1, order[c.request])
        columns = (c.cycle, c.command, c.rank, c.bank_group, c.bank, c.row, c.column, request)
        more = [channel] if setup.channels > 1 else []
        rows = zip(*(column.tolist() for column in columns), strict=True)
        commands += [[row[0], COMMANDS[row[1]], *row[2:], *more] for row in rows]
    commands.sort(key=lambda row: (row[0], row[8:]))
    accepted, depart = np.empty((2, len(trace)), np.int64)
    accepted[order], depart[order] = timeline.accepted, timeline.depart
    columns = (np.arange(len(trace)), trace.write, accepted, depart)
    return commands, [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


@few
@given(
    setups,
    st.integers(0, 1000),
    st.integers(1, 300),
    st.sampled_from([0.0, 0.0, 0.4]),
    st.sampled_from([0, 3, 60]),
    st.integers(30, 2000),
    st.none() | st.integers(1, 300),
)
def test_a_trace_in_pieces_of_any_size_is_one_replay(
    tmp_path_factory, setup, seed, n, writes, gap, block, limit
):
    folder = tmp_path_factory.mktemp("pieces", numbered=True)
    file, commands, requests = (folder / name for name in ("t", "c.csv", "r.csv"))
    write_trace(file, seed, n, writes, gap)
    whole = replay_trace(file, "dramsim3", setup, limit=limit, judge=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "BLOCK_BYTES", block)
        patch.setattr(spool, "ROWS", 50)
        pieces = replay_trace(
            file, "dramsim3", setup, limit=limit, judge=True, commands=commands, requests=requests
        )
    assert json.dumps(pieces.document) == json.dumps(whole.document)
    trace = read_memory_trace(file, "dramsim3", setup.spec, setup.memory, limit)
    assert (rows_of(commands), rows_of(requests)) == logged_whole(trace, setup)
    told = setup.replay(make_requests(trace, setup.channels)[0]).statistics(setup.spec, setup.channels)
    assert {name: pieces.document[name] for name in told} == told
    assert pieces.document["writes"] == trace.write.sum()
    assert pieces.document["audit_violations"] == 0


@pytest.mark.skipif(not JITTED, reason="two hundred thousand requests need compiled kernels")
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("logs", [False, True])
def test_memory_does_not_grow_with_the_trace(tmp_path, monkeypatch, channels, logs):
    monkeypatch.setattr(formats, "BLOCK_BYTES", 1 << 15)
    monkeypatch.setattr(spool, "ROWS", 2048)
    setup = Setup(channels=channels, mapping="ChRoBaBgRaCo")
    how = {"commands": tmp_path / "c.csv", "requests": tmp_path / "r.csv", "judge": True} if logs else {}
    peaks = []
    for n in (2_000, 10_000, 80_000):  # the first compiles and fills caches
        write_trace(tmp_path / "t", 1, n, 0.3, 0)
        tracemalloc.start()
        replay_trace(tmp_path / "t", "dramsim3", setup, **how)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.3 * peaks[1]


def test_a_channel_that_waits_for_the_end_of_the_trace_holds_nothing_up(tmp_path, monkeypatch):
    """Channel 1 has the first request and none after it: when it may go on is known at the end only."""
    monkeypatch.setattr(formats, "BLOCK_BYTES", 100)
    setup = Setup(channels=2, refresh="off")
    n = size(500, 50)
    (tmp_path / "t").write_text("LD 64\n" + "".join(f"LD {128 * k}\n" for k in range(n)))
    replay_trace(tmp_path / "t", "ramulator", setup, commands=tmp_path / "c.csv", requests=tmp_path / "r.csv")
    trace = read_memory_trace(tmp_path / "t", "ramulator", setup.spec, setup.memory)
    assert (rows_of(tmp_path / "c.csv"), rows_of(tmp_path / "r.csv")) == logged_whole(trace, setup)
