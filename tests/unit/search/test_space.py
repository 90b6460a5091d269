"""The open options of a search: what is a point, and what cannot be meant."""

import itertools

import pytest
from searching import space_of, values

from recnmp.config.document import Document
from recnmp.config.search import SearchConfig
from recnmp.errors import ConfigError
from recnmp.search.request import make_request
from recnmp.search.space import Space


def test_every_point_is_there_once_and_closed_options_are_not_in_it(search):
    found = [values(point) for point in space_of(search()).every()]
    expected = []
    caches = [(None, None), ("4 KiB", 2), ("4 KiB", 4), ("64 KiB", 2), ("64 KiB", 4)]
    for ranks, (size, ways), refresh in itertools.product([1, 2], caches, ["off", "staggered"]):
        cache = {"cache.rank": size and {"size_bytes": size}} | ({"cache.rank.ways": ways} if ways else {})
        expected.append({"memory.ranks_per_dimm": ranks} | cache | {"memory.refresh": refresh})
    assert found == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{low: 2, high: 9, step: 3}", [2, 5, 8]),
        ("{low: 3, high: 5}", [3, 4, 5]),
        ("{low: 0.1, high: 0.45, step: 0.1}", [0.1, 0.2, 0.3, 0.4]),
        ("{low: 2, high: 5, log: true}", [2, 3, 4, 5]),
        ("{values: [7, 1]}", [7, 1]),
        ("[7, 1]", [7, 1]),
    ],
)
def test_a_range_has_these_values(search, written, expected):
    path = search(space=f"  space: {{memory.read_queue: {written}}}\n")
    assert [values(point)["memory.read_queue"] for point in space_of(path).every()] == expected


def test_numbers_and_sizes_that_rise_are_ordered_and_others_are_not(search):
    path = search(
        space="  space: {cache.rank.size_bytes: [4 KiB, 1 MiB], memory.read_queue: [8, 4],"
        " memory.refresh: [off, staggered], nmp.options.reorder_window: {low: 1, high: 4}}\n"
    )
    assert [one.ordered for one in space_of(path).dimensions] == [True, False, False, True]


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("{memory.read_queue: [8, 4, 8]}", "memory.read_queue: 8 is there twice"),
        ("{memory.read_queue: []}", "search.space.memory.read_queue: "),
        ("{memory.read_queue: 8}", "search.space.memory.read_queue: must be a section"),
        ("{memory.read_queue: {low: 4}}", "needs both low and high"),
        ("{memory.read_queue: {low: 4, high: 4}}", "low 4 is not below high 4"),
        ("{memory.read_queue: {low: 0, high: 4, log: true}}", "log needs low above 0"),
        ("{memory.read_queue: {low: 1, high: 4, step: 0.5}}", "between whole numbers must be one"),
        ("{memory.read_queue: {values: [1, 2], step: 1}}", "step and log are for low and high"),
        ("{memory.read_queue: {low: 1, high: 40000}}", "40,000 values; 10,000 are the most"),
        ("{memory.read_queue: {lo: 1, high: 4}}", "unknown key; allowed: high, log, low"),
        (
            "{nmp.options.reorder_window: [1, 4], nmp.kind: [recnmp, axdimm]}",
            "undoes nmp.options.reorder_window",
        ),
        (
            "{memory.read_queue: {values: [1], when: {memory.refresh: staggered}}}",
            "neither what varies before it",
        ),
        (
            "{memory.refresh: [off], memory.read_queue: {values: [1], when: {memory.refresh: staggered}}}",
            'no trial has "staggered" here; there is "off"',
        ),
        (
            "{memory.read_queue: {low: 1, high: 4}, memory.row_hit_cap: {values: [1], when: {memory.read_queue: 5}}}",
            "no trial has 5 here; there is 1, 2, 3, 4",
        ),
        ("{memory.reed_queue: [1, 2]}", "unknown key; .*did you mean 'read_queue'"),
        ("{nmp.options.reorder_windows: [1, 2]}", "unknown key; .*did you mean 'reorder_window'"),
        (
            "{memory.ranks_per_dimm: [3, 5]}",
            "none of 2 points of the space can be run: .*must be a power of two",
        ),
    ],
)
def test_a_space_that_cannot_be_meant_is_an_error_with_its_place(search, space, told):
    with pytest.raises(ConfigError, match=told) as caught:
        make_request(search("  sampler: random\n", space=f"  space: {space}\n"))
    assert "s.yaml:" in str(caught.value)


def test_a_range_without_steps_is_no_grid(search):
    path = search(space="  space: {memory.host_traffic.gb_per_s: {low: 0.5, high: 4}}\n")
    with pytest.raises(ConfigError, match="has no end of values; a grid needs step"):
        list(space_of(path).every())


def test_a_value_keeps_the_place_where_it_was_written(search):
    document = Document.read(search())
    point = next(iter(Space(document, SearchConfig(**document.data["search"])).every()))
    lines = (document.path).read_text().splitlines()
    for choice in point:
        assert lines[choice.place.line - 1].lstrip().startswith(choice.option + ":")
