"""Tables go to ranks so that ranks have equal work, pages of a table to ranks in turn."""

import numpy as np
import pytest
from builders import placed_on, system_of, trace_of

from recnmp.config.schema import PlacementConfig
from recnmp.errors import ConfigError
from recnmp.placement.colours import balanced_colours

PLENTY = 1 << 20


def colours_of(lookups, pages, colours, room=PLENTY):
    return balanced_colours(np.array(lookups), np.array(pages), colours, room).tolist()


def rank_of_tables(placed, trace, ranks):
    """The rank over all channels that each table's lookups read."""
    rank = placed.channel * ranks + placed.rank
    found = [np.unique(rank[trace.table[placed.lookup] == t]) for t in range(len(trace.tables))]
    assert all(len(one) == 1 for one in found)
    return [int(one[0]) for one in found]


def test_the_busiest_table_comes_first_and_each_goes_to_the_idlest_rank():
    assert colours_of([4, 5, 7, 3, 3], [1] * 5, 2) == [1, 1, 0, 0, 1]


def test_ranks_of_equal_work_are_told_apart_by_the_pages_they_hold():
    assert colours_of([0, 0, 0, 0], [5, 1, 1, 1], 2) == [0, 1, 1, 1]


def test_a_rank_without_room_is_passed_over():
    assert colours_of([9, 5, 1], [4, 9, 6], 2, room=100) == [0, 1, 1]
    assert colours_of([9, 5, 1], [4, 9, 6], 2, room=10) == [0, 1, 0]


def test_a_table_that_no_rank_has_room_for_is_an_error_as_in_turn():
    gib = 1 << 30
    half = 8 * gib // 64 // 2  # entries of half a rank
    trace = trace_of([(half, 16), (half, 16), (half, 16), (half + 64, 16)], [(0, [[0]])])
    with pytest.raises(ConfigError, match="the tables of one rank need"):
        placed_on(system_of(), trace, pages="coloured", colours="balanced")


def test_a_skewed_trace_is_better_balanced_than_in_turn():
    system = system_of(dimms_per_channel=2, ranks_per_dimm=2)
    trace = trace_of(
        [(64, 16)] * 8, [(t, [list(range(n))]) for t, n in enumerate((50, 1, 2, 3, 49, 2, 1, 1))]
    )
    in_turn, balanced = (
        rank_of_tables(placed_on(system, trace, pages="coloured", colours=how), trace, 4)
        for how in ("in_turn", "balanced")
    )
    assert in_turn == [0, 1, 2, 3, 0, 1, 2, 3]
    assert balanced[0] != balanced[4]


def test_the_profile_and_not_the_replayed_batches_decides():
    system = system_of(dimms_per_channel=2, ranks_per_dimm=1)
    most, some, few = list(range(50)), list(range(20)), [1]
    whole = trace_of(
        [(64, 16)] * 3,
        [(0, [few]), (1, [some]), (2, [most]), (0, [most]), (1, [few]), (2, [some])],
        per_batch=3,
    )
    last = whole.select(1)
    options = {"pages": "coloured", "colours": "balanced"}
    trained = placed_on(system, last, whole, **options, profile={"batches": 1})
    assert rank_of_tables(trained, last, 2) == [1, 1, 0]
    assert rank_of_tables(placed_on(system, last, whole, **options), last, 2) == [0, 1, 1]


def test_a_profile_of_batches_that_the_trace_does_not_have_is_an_error():
    trace = trace_of([(64, 16)], [(0, [[1]])])
    with pytest.raises(ConfigError, match=r"placement.profile: the trace has 1 batches, not 3"):
        placed_on(
            system_of(), trace, pages="coloured", colours="balanced", profile={"first_batch": 1, "batches": 2}
        )


def test_interleaved_pages_of_a_table_are_in_all_ranks_in_turn():
    system = system_of(channels=2, dimms_per_channel=2, ranks_per_dimm=1)
    per_page = 4096 // 64
    trace = trace_of(
        [(per_page * 8, 16), (per_page * 8, 16)], [(t, [list(range(per_page * 8))]) for t in (0, 1)]
    )
    placed = placed_on(system, trace, pages="coloured", colours="page_interleaved")
    rank = placed.channel * 2 + placed.rank
    np.testing.assert_array_equal(rank, np.tile(np.repeat(np.arange(4), per_page), 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colours": "balanced"}, "colours: balanced needs pages: coloured, got random"),
        ({"colours": "page_interleaved"}, "colours: page_interleaved needs pages: coloured, got random"),
        ({"profile": {"batches": 1}}, "profile is for colours: balanced and for replicate"),
        ({"pages": "coloured", "profile": {}}, "profile is for colours: balanced and for replicate"),
        ({"replicate": {}}, "must have either entries or share"),
        ({"replicate": {"entries": 1, "share": 0.5}}, "must have either entries or share"),
        ({"replicate": {"share": 0}}, "greater than 0"),
    ],
)
def test_options_that_would_do_nothing_or_contradict_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PlacementConfig.model_validate(options)
