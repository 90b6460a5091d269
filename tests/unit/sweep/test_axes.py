"""Points from the sweep section: what goes with what, and what is wrong with it, where."""

import textwrap
from pathlib import Path

import pytest

from recnmp.config.document import Document
from recnmp.config.schema import Config
from recnmp.errors import ConfigError
from recnmp.sweep.axes import SEEDS, expand, seeds_of

BASE = """\
model: rm1
trace: {file: t.parquet}
memory: {channels: 1}
cache: {rank: {size_bytes: 128 KiB}}
"""


def document(tmp_path: Path, sweep: str) -> Document:
    path = tmp_path / "s.yaml"
    path.write_text(BASE + "sweep:\n" + textwrap.indent(textwrap.dedent(sweep), "  "))
    return Document.read(path)


def points(tmp_path: Path, sweep: str) -> list[dict[str, object]]:
    return [{one.option: one.value for one in point} for point in expand(document(tmp_path, sweep))]


def test_a_grid_is_every_combination_and_its_last_option_varies_fastest(tmp_path):
    found = points(tmp_path, "axes: [{grid: {memory.channels: [1, 2], memory.refresh: [off, staggered]}}]")
    assert [tuple(point.values()) for point in found] == [
        (1, "off"),
        (1, "staggered"),
        (2, "off"),
        (2, "staggered"),
    ]


def test_zipped_options_go_side_by_side_and_axes_multiply(tmp_path):
    found = points(
        tmp_path,
        """\
        axes:
          - zip: {memory.dimms_per_channel: [1, 2], memory.ranks_per_dimm: [2, 4]}
          - list: [{cache.rank: null}, {cache.rank.size_bytes: 1 MiB, cache.rank.ways: 8}]
        """,
    )
    assert found == [
        {"memory.dimms_per_channel": 1, "memory.ranks_per_dimm": 2, "cache.rank": None},
        {
            "memory.dimms_per_channel": 1,
            "memory.ranks_per_dimm": 2,
            "cache.rank.size_bytes": "1 MiB",
            "cache.rank.ways": 8,
        },
        {"memory.dimms_per_channel": 2, "memory.ranks_per_dimm": 4, "cache.rank": None},
        {
            "memory.dimms_per_channel": 2,
            "memory.ranks_per_dimm": 4,
            "cache.rank.size_bytes": "1 MiB",
            "cache.rank.ways": 8,
        },
    ]


def test_an_axis_may_be_for_some_points_only(tmp_path):
    found = points(
        tmp_path,
        """\
        axes:
          - list: [{cache.rank: null}, {cache.rank.size_bytes: 1 MiB}, {cache.rank.size_bytes: 2 MiB}]
          - grid: {cache.rank.ways: [4, 8]}
            when: {cache.rank.size_bytes: [1 MiB, 2 MiB]}
            unless: {cache.rank.size_bytes: 2 MiB}
        """,
    )
    assert [list(point.values()) for point in found] == [[None], ["1 MiB", 4], ["1 MiB", 8], ["2 MiB"]]


def test_conditions_leave_points_out(tmp_path):
    grid = "axes: [{grid: {memory.channels: [1, 2, 4], memory.refresh: [off, staggered]}}]\n"
    left = points(tmp_path, grid + "unless: {memory.channels: 4, memory.refresh: off}")
    assert len(left) == 5
    assert {"memory.channels": 4, "memory.refresh": "off"} not in left
    assert len(points(tmp_path, grid + "when: {memory.channels: [1, 2]}")) == 4


def test_seeds_are_a_number_of_them_or_a_list(tmp_path):
    assert seeds_of(document(tmp_path, "seeds: 3")) == [1, 2, 3]
    assert seeds_of(document(tmp_path, "seeds: [7, 0]")) == [7, 0]
    assert seeds_of(document(tmp_path, "axes: [{grid: {memory.channels: [1]}}]")) == [None]


def test_a_sweep_sets_every_seed_that_a_configuration_has():
    assert set(SEEDS) == set(seeds_in(Config.model_json_schema()))


def seeds_in(schema: dict, node: dict | None = None, path: str = "") -> list[str]:
    node = schema if node is None else node
    name = node.get("$ref", "").removeprefix("#/$defs/")
    node = schema["$defs"][name] if name else node
    found = [path] if path.endswith(".seed") else []
    for key, inner in node.get("properties", {}).items():
        found += seeds_in(schema, inner, f"{path}.{key}".removeprefix("."))
    for inner in node.get("anyOf", []):
        found += seeds_in(schema, inner, path)
    return found


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (
            "axis: []",
            r"s\.yaml:6:3: sweep\.axis: unknown key; allowed: axes, seeds, unless, when; did you mean 'axes'",
        ),
        ("{}", r"s\.yaml:5:1: sweep: needs axes or seeds"),
        ("axes: []", r"s\.yaml:5:1: sweep: needs axes or seeds"),
        ("axes: [{gird: {a: [1]}}]", r"s\.yaml:6:11: .*gird: unknown key; .*did you mean 'grid'"),
        ("axes: [{when: {a: 1}}]", r"s\.yaml:6:\d+: sweep\.axes\[0\]: an axis is one of grid, zip and list"),
        ("axes: [{grid: {memory.channels: 1}}]", r"s\.yaml:6:\d+: .*memory\.channels: must be a list, got 1"),
        ("axes: [{grid: {memory.channels: []}}]", r"s\.yaml:6:\d+: .*at least 1 item"),
        ("seeds: 0", r"s\.yaml:6:10: sweep\.seeds: must be at least 1"),
        ("seeds: [1, -1]", r"s\.yaml:6:\d+: sweep\.seeds\[1\]: must be at least 0"),
        (
            "axes: [{zip: {memory.channels: [1, 2], memory.refresh: [off]}}]",
            r"one length: memory\.channels has 2, memory\.refresh has 1",
        ),
        (
            "axes: [{grid: {memory.channels: [1]}}, {grid: {memory.channels: [2]}}]",
            r"s\.yaml:6:50: memory\.channels: set twice, first at .*s\.yaml:6:18",
        ),
        (
            "axes: [{grid: {cache.rank.size_bytes: [1 MiB]}}, {list: [{cache.rank: null}]}]",
            r"cache\.rank: undoes cache\.rank\.size_bytes of .*; put it before that",
        ),
        (
            "axes: [{grid: {nmp.options.locality: [all], nmp.kind: [axdimm]}}]",
            r"nmp\.kind: undoes nmp\.options\.locality",
        ),
        ("axes: [{grid: {memory.channels: [1, 1]}}]", r"memory\.channels=1: this point is there twice"),
        (
            "axes: [{grid: {memory.channels: [1, 2]}}]\nwhen: {memory.channels: 3}",
            r"s\.yaml:7:\d+: sweep\.when\.memory\.channels: no point has 3 here; there is 1, 2",
        ),
        (
            "axes: [{grid: {memory.channels: [1, 2]}}]\nwhen: {memory.policy: frfcfs}",
            r"memory\.policy: neither what varies before it nor the configuration sets it",
        ),
        (
            "axes: [{grid: {memory.channels: [1, 2]}}]\nunless: {memory.channels: [1, 2]}",
            r"s\.yaml:5:1: sweep: no point is left",
        ),
        (
            "axes: [{grid: {a.a: [1, 2], a.b: [1, 2]}}]\nseeds: [" + ", ".join(map(str, range(30_000))) + "]",
            r"120,000 points; 100,000 are the most",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, sweep, message):
    with pytest.raises(ConfigError, match=message) as told:
        expand(document(tmp_path, sweep))
    assert "\n" not in str(told.value)
