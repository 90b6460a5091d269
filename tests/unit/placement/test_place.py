"""Every burst of every lookup in its place."""

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of, trace_of

from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.placement.place import make_mapping

MAPPINGS = ["RoBaBgRaChCo", "RoBaRaChCoBgCo1", "RoCoBaBgRaChCo2"]


def burst_numbers(system, placed):
    org = system.spec.organization
    fields = {
        "Ch": placed.channel,
        "Ra": placed.rank,
        "Bg": placed.flat_bank // org.banks_per_group.value,
        "Ba": placed.flat_bank % org.banks_per_group.value,
        "Ro": placed.row,
        "Co": placed.column,
    }
    mapping = make_mapping(system.memory, system.spec)
    return mapping.encode({name: values.astype(np.int64) for name, values in fields.items()})


@pytest.mark.parametrize("pages", ["random", "coloured"])
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_each_entry_has_bursts_of_its_own_one_after_the_other(mapping, pages):
    system = system_of(mapping=mapping, channels=2, dimms_per_channel=2)
    trace = some_trace(1, dims=(16, 24, 64))
    page_bytes = 256 if mapping.endswith("Co2") else 4096
    placed = placed_on(system, trace, pages=pages, page_bytes=page_bytes)
    burst = burst_numbers(system, placed)
    lookup = placed.lookup
    np.testing.assert_array_equal(placed.entry_bursts, [1, 2, 4])
    np.testing.assert_array_equal(np.diff(placed.first), placed.entry_bursts[trace.table])
    part = np.arange(placed.bursts) - placed.first[lookup]
    np.testing.assert_array_equal(burst, burst[placed.first[lookup]] + part)
    owner = np.stack([trace.table[lookup], trace.entry[lookup], part], axis=1)
    # as many (entry, part) as addresses, and never two for one address
    assert len(np.unique(owner, axis=0)) == len(np.unique(burst)) == len(np.unique(
        np.column_stack([owner, burst]), axis=0))  # fmt: skip


def test_places_lie_within_the_memory():
    system = system_of(channels=2, dimms_per_channel=4, ranks_per_dimm=2)
    placed = placed_on(system, some_trace())
    org = system.spec.organization
    limits = {
        "channel": 2,
        "rank": 8,
        "flat_bank": system.spec.banks_per_rank,
        "row": org.rows.value,
        "column": org.bursts_per_row.value,
    }
    for name, limit in limits.items():
        values = getattr(placed, name)
        assert values.min() >= 0, name
        assert values.max() < limit, name


def test_coloured_tables_are_dealt_out_to_ranks_in_turn():
    system = system_of(channels=2, dimms_per_channel=1, ranks_per_dimm=2)
    trace = some_trace(2, dims=(16,) * 6)
    placed = placed_on(system, trace, pages="coloured")
    unit = placed.channel * 2 + placed.rank
    np.testing.assert_array_equal(unit, trace.table[placed.lookup] % 4)


def test_random_pages_use_every_rank():
    system = system_of(dimms_per_channel=4, ranks_per_dimm=2)
    trace = trace_of([(100_000, 16)], [(0, [list(range(0, 100_000, 100))])])
    share = np.bincount(placed_on(system, trace).rank, minlength=8) / trace.lookups
    assert share.min() > 0.05
    assert share.max() < 0.25


def test_the_place_of_an_entry_does_not_depend_on_what_else_is_read():
    system = system_of()
    tables = [(5000, 16), (5000, 32)]
    alone = placed_on(system, trace_of(tables, [(1, [[17]])]))
    among = placed_on(system, trace_of(tables, [(0, [[1, 2, 3]]), (1, [[4999, 17]])]))
    for name in ("channel", "rank", "flat_bank", "row", "column"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(among, name)[-2:])


def test_the_seed_chooses_the_frames():
    system, trace = system_of(), some_trace()
    rows = [placed_on(system, trace, seed=seed).row for seed in (1, 1, 2)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert np.any(rows[0] != rows[2])


def test_an_entry_wider_than_a_page_is_an_error():
    trace = trace_of([(4, 65)], [(0, [[0]])])  # 260 B, aligned to 512 B
    placed_on(system_of(), trace, page_bytes=512)
    with pytest.raises(
        ConfigError, match=r"cannot hold an entry of table 'table0' \(260 B, aligned to 512 B\)"
    ):
        placed_on(system_of(), trace, page_bytes=256)


@pytest.mark.parametrize("pages", ["random", "coloured"])
def test_tables_that_do_not_fit_are_an_error_whatever_is_read_of_them(pages):
    gib = 1 << 30
    fits, too_large = 16 * gib // 64, 16 * gib // 64 + 1  # two ranks of 8 GiB
    tables = {"random": (fits, too_large), "coloured": (fits // 2, fits // 2 + 1)}[pages]
    for entries, raises in zip(tables, (False, True), strict=True):
        trace = trace_of([(entries, 16)], [(0, [[0]])])
        if raises:
            with pytest.raises(ConfigError, match="pages"):
                placed_on(system_of(), trace, pages=pages)
        else:
            placed_on(system_of(), trace, pages=pages)


def test_no_lookup_has_no_burst():
    placed = placed_on(system_of(), trace_of([(4, 16)], [(0, [[], []])]))
    assert placed.bursts == 0
    assert placed.first.tolist() == [0]


@pytest.mark.parametrize("pages", ["random", "coloured"])
@pytest.mark.parametrize(
    ("dim", "dtype", "slot_bytes"),
    [(1, "fp32", 16), (4, "fp32", 16), (5, "fp32", 32), (8, "fp32", 32), (9, "fp32", 64), (17, "fp32", 128),
     (8, "int8_rowwise", 16), (9, "int8_rowwise", 32), (24, "int8_rowwise", 32), (56, "int8_rowwise", 64),
     (57, "int8_rowwise", 128)],
)  # fmt: skip
def test_an_entry_takes_the_next_power_of_two_of_its_bytes(dim, dtype, slot_bytes, pages):
    system = system_of(channels=2)
    trace = trace_of([(300, dim)], [(0, [list(range(300))])], dtypes=[dtype])
    placed = placed_on(system, trace, pages=pages)
    share = max(64 // slot_bytes, 1)
    assert placed.burst_slots.tolist() == [share]
    assert placed.entry_bursts.tolist() == [-(-trace.tables[0].entry_bytes // 64)]
    np.testing.assert_array_equal(placed.slot, np.arange(300) % share)
    burst = burst_numbers(system, placed)[placed.first[:-1]]
    # entries one after the other within a page
    for page in np.split(
        burst * 64 + placed.slot * slot_bytes, range(4096 // slot_bytes, 300, 4096 // slot_bytes)
    ):
        np.testing.assert_array_equal(page, page[0] + np.arange(len(page)) * slot_bytes)


def test_bursts_of_32_bytes_are_shared_by_two_entries_at_most():
    spec = load_standard("hbm2_2000")
    trace = trace_of([(100, 4), (100, 8)], [(0, [[0, 1, 2, 3]]), (1, [[0, 1, 2, 3]])])
    placed = placed_on(system_of(spec=spec, ranks_per_dimm=1), trace)
    assert placed.burst_slots.tolist() == [2, 1]
    assert placed.slot.tolist() == [0, 1, 0, 1, 0, 0, 0, 0]


def test_small_entries_take_a_quarter_of_the_memory():
    gib = 1 << 30
    trace = trace_of([(16 * gib // 16, 4)], [(0, [[0]])])  # two ranks of 8 GiB
    assert placed_on(system_of(), trace).bursts == 1
