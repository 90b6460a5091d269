"""The DRAM engine beside a live Ramulator 2.1, where RECNMP_RAMULATOR names one.

It is what `recnmp memory compare --ramulator` takes: an interpreter that can import ramulator, or the folder
that holds the package.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from reference.traffic import JITTED

from recnmp.memory.formats import MemoryTrace
from recnmp.memory.peer import PRESETS, compare, peer_command, run_ours, run_ramulator
from recnmp.memory.setup import Setup

RAMULATOR = os.environ.get("RECNMP_RAMULATOR", "")
TIMES = ("CPU seconds", "wall seconds", "requests per CPU second")

pytestmark = [
    pytest.mark.external("RECNMP_RAMULATOR"),
    pytest.mark.skipif(not JITTED, reason="ten thousand requests need compiled kernels"),
]


@pytest.fixture(scope="module")
def trace(tmp_path_factory) -> Path:
    """10,000 requests, a fifth of them writes, every second one in the row of the one before."""
    rng = np.random.default_rng(3)
    address = rng.integers(0, 1 << 27, 10_000) * 64
    address[1::2] = address[::2] ^ 64
    write = rng.random(len(address)) < 0.2
    pairs = zip(write.tolist(), address.tolist(), strict=True)
    file = tmp_path_factory.mktemp("trace") / "mixed.trace"
    file.write_text("".join(f"{'ST' if is_write else 'LD'} {a:#x}\n" for is_write, a in pairs))
    return file


@pytest.mark.parametrize("standard", PRESETS)
@pytest.mark.parametrize(
    ("ranks", "policy", "refresh"),
    [(1, "frfcfs", "simultaneous"), (2, "frfcfs_rowhit", "staggered"), (8, "frfcfs", "off")],
)
def test_every_figure_equals_ramulators(trace, standard, ranks, policy, refresh):
    setup = Setup(standard, ranks, 1, "RoBaBgRaCo", policy, refresh, quirks=("ramulator-rd-wr-gap",))
    assert_equal(compare(trace, "ramulator", setup, Path(RAMULATOR)))


@pytest.mark.parametrize("policy", ["frfcfs", "frfcfs_rowhit"])
def test_channels_by_themselves_equal_runs_of_their_own(trace, policy):
    setup = Setup("ddr4_2400", 2, 4, "RoBaBgRaCoCh", policy, quirks=("ramulator-rd-wr-gap",))
    document = compare(trace, "ramulator", setup, Path(RAMULATOR))
    assert document["notes"].pop(0).startswith("every channel is a run of its own")
    assert_equal(document)


@pytest.mark.parametrize("gap", [20, 50])
@pytest.mark.parametrize("ranks", [1, 4])
def test_requests_that_come_every_few_clocks_equal_ramulators(ranks, gap):
    """So rarely that they all find room, even after a refresh: the peer's front end would keep time otherwise."""
    setup, n = Setup(ranks=ranks), 5000
    rng = np.random.default_rng(4)
    org = setup.spec.organization
    limits = (ranks * setup.spec.banks_per_rank, org.rows.value, org.bursts_per_row.value)
    lane, row, column = (rng.integers(0, limit, n, np.int32) for limit in limits)
    trace = MemoryTrace(np.arange(n) * gap, lane * 0, lane, row, column, np.zeros(n, np.uint8))
    theirs = run_ramulator(trace, setup, *peer_command(Path(RAMULATOR)), gap=gap)["figures"]
    ours = run_ours(trace, setup)
    assert ours["cycles"] == (n - 1) * gap
    for name in ours.keys() - set(TIMES):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-12), name


def assert_equal(document) -> None:
    if document["notes"]:
        pytest.skip(f"this Ramulator has another standard: {'; '.join(document['notes'])}")
    figures = [figure for figure in document["figures"] if figure["name"] not in TIMES]
    assert len(figures) == 13
    assert {figure["name"]: figure["ours"] for figure in figures} == {
        figure["name"]: pytest.approx(figure["peer"], rel=1e-12) for figure in figures
    }
