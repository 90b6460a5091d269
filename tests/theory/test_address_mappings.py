"""What an address mapping does to bandwidth, by arithmetic alone: streams, strides and random reads."""

import numpy as np
import pytest
from reference.traffic import size

from recnmp._registry import library_names
from recnmp.library.dram import load_standard
from recnmp.memory.audit import audit
from recnmp.memory.formats import MemoryTrace
from recnmp.memory.replay import Timeline, replay
from recnmp.memory.setup import Setup, make_requests
from recnmp.placement.place import make_mapping

STANDARDS = ("ddr4_2400", "ddr5_4800")
SYSTEMS = [(standard, ranks, channels) for standard in STANDARDS for ranks in (1, 2) for channels in (1, 2)]


def lanes(bursts, setup):
    """Channel, bank over all ranks of it, row and column of each burst."""
    org = setup.spec.organization
    fields = make_mapping(setup.memory, setup.spec).decode(np.asarray(bursts, np.int64))
    bank = (fields["Ra"] * org.bank_groups.value + fields["Bg"]) * org.banks_per_group.value + fields["Ba"]
    return fields["Ch"], bank, fields["Ro"], fields["Co"]


def read(bursts, setup) -> Timeline:
    """Read bursts by number, as fast as they are accepted; the audit passes judgement."""
    places = (values.astype(np.int32) for values in lanes(bursts, setup))
    n = len(bursts)
    trace = MemoryTrace(np.zeros(n, np.int64), *places, np.zeros(n, np.uint8))
    requests, _ = make_requests(trace, setup.channels)
    timeline = replay(requests, setup.spec, setup.controller, record=True)
    for commands in timeline.commands:
        assert audit(setup.spec, setup.ranks, commands, refresh=setup.refresh).count == 0
    return timeline


def bus_share(bursts, mapping, standard="ddr4_2400", ranks=1, channels=1, read_queue=32) -> float:
    """Return the share of the data buses' time that reading the bursts without refresh uses."""
    setup = Setup(standard, ranks, channels, mapping, refresh="off", read_queue=read_queue)
    return len(bursts) * setup.spec.cycles["nBL"] / (read(bursts, setup).cycles * channels)


@pytest.mark.parametrize(("standard", "ranks", "channels"), SYSTEMS)
def test_a_stream_over_bank_groups_reaches_the_peak(standard, ranks, channels):
    setup = Setup(standard, ranks, channels, "bg_interleaved", refresh="off")
    org, cycles = setup.spec.organization, setup.spec.cycles
    n = size(40_000, 4_000)
    timeline = read(np.arange(n * channels), setup)
    # Each channel transfers burst after burst without a gap, but for the turnaround when the stream leaves a rank.
    stripe = org.bank_groups.value * org.bursts_per_row.value * org.banks_per_group.value
    turns = (n - 1) // stripe if ranks > 1 else 0
    access = 1 + cycles["nRCD"] + cycles["nCL"]
    assert timeline.cycles == access + n * cycles["nBL"] + turns * cycles["nRTRS"]
    assert n * cycles["nBL"] / timeline.cycles > 0.97


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("standard", "read_queue"), [("ddr4_2400", 32), ("ddr5_4800", 8)])
def test_a_stream_under_a_plain_order_is_bound_by_nccd_l(standard, read_queue, channels):
    cycles = load_standard(standard).cycles
    bound = cycles["nBL"] / cycles["nCCD_L"]
    assert bound == pytest.approx(2 / 3)
    stream = np.arange(size(40_000, 4_000) * channels)
    share = bus_share(stream, "RoBaBgRaCoCh", standard, 2, channels, read_queue)
    assert share == pytest.approx(bound, rel=size(0.01, 0.03))


@pytest.mark.parametrize(("standard", "most"), [("ddr4_2400", 0.78), ("ddr5_4800", 0.93)])
def test_at_one_rank_a_plain_order_gains_only_where_the_queue_sees_the_end_of_a_row(standard, most):
    # 32 reads reach into the next row, of another bank group, over a quarter of a row of 128 or half a row of 64
    stream = np.arange(size(40_000, 4_000))
    assert 2 / 3 < bus_share(stream, "RoBaBgRaCo", standard) < most
    assert bus_share(stream, "RoBaBgRaCo", standard, read_queue=8) == pytest.approx(
        2 / 3, rel=size(0.03, 0.04)
    )


@pytest.mark.parametrize(("ranks", "channels"), [(1, 1), (2, 1), (2, 2)])
def test_a_stream_under_skylake_like_reaches_the_peak(ranks, channels):
    stream = np.arange(size(40_000, 4_000) * channels)
    assert bus_share(stream, "skylake_like", ranks=ranks, channels=channels) > size(0.99, 0.97)


@pytest.mark.parametrize("mapping", library_names("mappings"))
@pytest.mark.parametrize("ranks", [1, 2])
def test_random_reads_do_not_care_for_the_mapping(mapping, ranks):
    n = size(40_000, 4_000)
    bursts = np.random.default_rng(7).integers(0, ranks << 27, n)
    plain = bus_share(bursts, "RoBaBgRaCo", ranks=ranks)
    assert bus_share(bursts, mapping, ranks=ranks) == pytest.approx(plain, rel=size(0.01, 0.03))


@pytest.mark.parametrize(("mapping", "banks"), [("skylake_like", 8), ("permuted_banks", 16)])
def test_a_stride_that_hits_one_bank_is_spread_by_hashing(mapping, banks):
    stride = 1 << 11  # bursts: the next row of the same bank of DDR4 under the plain order
    bursts = np.arange(size(4000, 1600)) * stride
    plain, hashed = (Setup(mapping=name, refresh="off") for name in ("RoBaBgRaCo", mapping))
    assert len(np.unique(lanes(bursts, plain)[1])) == 1
    _, bank, _, _ = lanes(bursts, hashed)
    assert set(np.bincount(bank)[np.unique(bank)]) == {len(bursts) // banks}
    assert len(np.unique(bank)) == banks
    cycles = plain.spec.cycles
    one_bank = cycles["nBL"] / cycles["nRC"]
    assert bus_share(bursts, "RoBaBgRaCo") == pytest.approx(one_bank, rel=0.01)
    # 8 banks are 8 times as fast, 16 are held up by nFAW
    limit = min(banks * one_bank, 4 * cycles["nBL"] / cycles["nFAW"])
    assert bus_share(bursts, mapping) == pytest.approx(limit, rel=size(0.01, 0.05))
