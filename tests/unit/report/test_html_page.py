"""A result as one HTML file: sound, alone in the world, and showing what the document says."""

import copy
import itertools
import re
from typing import Any

import pytest
from html_pages import Page, chromium_finds, needs_chromium

from recnmp.errors import ConfigError
from recnmp.report.html_page import report_page, write_report
from recnmp.report.html_svg import Bar, Segment, bars

UNITS = {"": 1.0, "x": 1.0, "%": 0.01, "s": 1e9, "ms": 1e6, "µs": 1e3, "ns": 1.0, "KiB": 2**10, "MiB": 2**20}


@pytest.fixture
def full(document: dict[str, Any]) -> dict[str, Any]:
    """A run with near memory whose ledgers, caches and origin are known."""
    ledger = {
        side: {
            "dram_activate_uj_per_run": 100.5 * n,
            "io_data_uj_per_run": 20.25,
            "rank_adds_uj_per_run": 0.0,
            "total_uj_per_run": 100.5 * n + 20.25,
            "total_nj_per_lookup": 1.5 * n,
        }
        for n, side in enumerate(("nmp", "host"), 1)
    }
    sure = {"dram_constants": "a <source>", "dram_certainty": "derived", "io_and_logic_certainty": "recalled"}
    document["energy"] = {
        "covers": "DRAM",
        "not_counted": "cores",
        "idd_note": "no currents are known",
        "recnmp_isca20": ledger
        | sure
        | {"io_and_logic_constants": "a source", "saving_percent_against_host": 45.2},
        "idd": None,
    }
    document["config"]["cache"] = {"rank": {"kind": "lru", "size_bytes": 131072}, "llc": None}
    document["provenance"] |= {"trace_digest": "ab" * 32, "seeds": {"placement_seed": 1}}
    return document


@pytest.fixture
def inspection() -> dict[str, Any]:
    curve = {"entries": [1, 2, 4, 8], "miss_ratio": [1.0, 0.75, 0.5, 0.5]}
    return {
        "lookups": 12,
        "unique_share": 0.5,
        "top_1_percent_share": 0.25,
        "pooling_factor": {"mean": 2.5, "max": 4},
        "table_skew": {"busiest_over_mean": 1.5},
        "zipf": None,
        "checks": [
            {"name": "sorted bags", "raised": True, "value": 0.5, "limit": 0.1, "reason": "5 <of> 10"}
        ],
        "flags": ["sorted bags: 5 <of> 10"],
        "reuse_histogram": {"1": 0.25, "2": 0.75, "3-4": 0.0},
        "miss_ratio_curve": curve,
        "order": {"shuffled_miss_ratio_curve": curve},
    }


def test_sections_come_in_order(full, inspection):
    page = Page(report_page(full, inspection))
    order = [
        "asked",
        "headline",
        "time",
        "ladder",
        "ranks",
        "memory",
        "bandwidth",
        "energy",
        "trace",
        "check",
        "provenance",
    ]
    assert page.ids() == [*order, "notes"]


def test_the_page_needs_nothing_else(full, inspection):
    page = Page(report_page(full, inspection))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "object", "embed", "base"})
    asked_for = [value for _, found in page.tags for key, value in found.items() if key in ("src", "href")]
    assert asked_for == ["data:,"]
    assert not re.search(r"url\(|@import|https?:", report_page(full))
    assert any("default-src 'none'" in str(found.get("content")) for tag, found in page.tags if tag == "meta")


def test_every_value_shown_is_the_documents(full, inspection):
    page = Page(report_page(full, inspection))
    keys = {key for key, _, _ in page.values}
    assert {
        "sls.speedup_over_host",
        "end_to_end.amdahl_bound",
        "end_to_end.bound_reached",
        "end_to_end.host_ns",
        "sls.host_ladder.2.speedup_over_host",
        "nmp.rank_load_imbalance",
        "memory.nmp.row_conflicts",
        "nmp.cache_hit_rate",
        "energy.recnmp_isca20.nmp.total_uj_per_run",
        "trace:reuse_histogram.2",
    } <= keys
    for key, value, text in page.values:
        name, _, rest = key.rpartition(":")
        exact: Any = inspection if name else full
        for part in rest.split("."):
            exact = exact[int(part)] if isinstance(exact, list) else exact[part]
        assert value == repr(exact), key
        number, unit = re.fullmatch(r"([\d.,]+) ?(\D*)", text).groups()
        size = (
            0.01
            if unit == "%" and not key.endswith("percent_against_host")
            else UNITS.get(unit if unit != "%" else "", 1.0)
        )
        assert float(number.replace(",", "")) * size == pytest.approx(exact, rel=0.02, abs=0.0051), key


def test_bars_of_the_batch_end_where_its_time_does(full):
    text = report_page(full).partition('id="time"')[2].partition("</figure>")[0]
    drawn = re.findall(r'<rect x="([\d.]+)%" y="(\d+)" width="([\d.]+)%"', text)
    ends = {y: float(x) + float(width) for x, y, width in drawn}
    host, near = (full["end_to_end"][f"{side}_ns"] for side in ("host", "nmp"))
    assert list(ends.values()) == pytest.approx([100.0, 100.0 * near / host], abs=0.01)


def test_a_run_of_the_host_alone_has_no_speedups(host_document):
    for rung in host_document["sls"]["host_ladder"]:
        rung["speedup_over_host"] = None
    page = Page(report_page(host_document))
    assert "speed-up" not in page.words
    assert not [key for key, _, _ in page.values if "nmp" in key]
    assert "sls.host_ladder.0.host_ns" in {key for key, _, _ in page.values}


def test_queries_under_load_are_shown_where_there_are_some(full):
    assert "Queries under load" not in report_page(full)
    at = [
        {"queries_per_s": 200.0, "latency": {"p95_ns": 2_500_000.0}},
        {"queries_per_s": 500.0, "latency": None},
    ]
    side = {
        "query_alone_ns": 1_400_000.0,
        "throughput": {"queries_per_s": 796.0},
        "bottleneck": "memory",
        "at": at,
    }
    full["end_to_end"]["serving"] = {"host": side, "nmp": None, "speedup_over_host": None}
    alone = Page(report_page(full)).words.partition("Queries under load")[2].partition("Where the time")[0]
    assert "95th percentile at 200 queries/s2.500 ms" in alone
    assert "95th percentile at 500 queries/stoo many" in alone
    assert "near memory" not in alone
    full["end_to_end"]["serving"] |= {
        "nmp": side,
        "speedup_over_host": {"query_alone": 5.5, "throughput": 8.2},
    }
    both = Page(report_page(full)).words.partition("Queries under load")[2]
    assert "one query alone1.400 ms1.400 ms5.50 x" in both


def drawn(page: str, title: str) -> list[list[tuple[float, float]]]:
    """Lines of the figure with this title, places in shares of its width and height."""
    figure = page.partition(f"<figcaption>{title}</figcaption>")[2].partition("</figure>")[0]
    lines = re.findall(r'<polyline [^>]*points="([^"]*)"', figure)
    return [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in lines]


def test_bandwidth_is_drawn_as_bytes_over_the_time_they_took(full):
    page = report_page(full)
    moved = full["memory"]["nmp"]["over_time"]
    (line,) = drawn(page, "Bandwidth near memory, in its own time")
    first, end = moved["data_bytes"][0] / moved["step_ns"], full["memory"]["nmp"]["cycles"] * 0.833
    x, y = line[1]
    assert x == pytest.approx(100 * moved["step_ns"] / end, abs=0.01)
    scale = (100 - y) / first
    assert (100 - line[2][1]) / scale == pytest.approx(moved["data_bytes"][1] / moved["step_ns"], rel=1e-3)
    area = sum((b[0] - a[0]) * (100 - a[1]) for a, b in itertools.pairwise(line))
    assert area / 100 * end / scale == pytest.approx(sum(moved["data_bytes"]), rel=1e-3)


def test_both_sides_share_a_time_axis(full):
    host, near = drawn(report_page(full), "Bandwidth over the whole run")
    ends = [full["memory"][side]["cycles"] for side in ("host", "nmp")]
    assert [host[-1][0], near[-1][0]] == pytest.approx([100.0, 100 * ends[1] / ends[0]], abs=0.01)
    assert len(near) < len(drawn(report_page(full), "Bandwidth near memory, in its own time")[0])


def test_ranks_are_drawn_one_by_one(full):
    page = Page(report_page(full))
    shown = {key: text for key, _, text in page.values if "rank_loads" in key}
    assert shown["memory.host.rank_loads.lookups.1.0"] == "220"
    assert shown["memory.nmp.rank_loads.bursts_read.0.0"] == "399"
    assert "memory.nmp.rank_loads.lookups.0.0" not in shown  # the same as the host's
    full["memory"]["nmp"]["rank_loads"]["lookups"][0][0] = 100
    assert "memory.nmp.rank_loads.lookups.0.0" in report_page(full)


def test_a_result_of_an_earlier_version_says_what_it_lacks(full):
    for side in ("host", "nmp"):
        full["memory"][side].pop("over_time")
        full["memory"][side].pop("rank_loads")
    page = Page(report_page(full))
    assert page.words.count("of an earlier version, which did not keep that") == 2
    assert {"ranks", "bandwidth"} <= set(page.ids())


def test_a_trace_that_is_gone_is_said_to_be(full):
    assert "not available. rm1.parquet: no such file" in report_page(full, None, "rm1.parquet: no such file")


def test_raised_checks_and_flags_are_shown(full, inspection):
    page = Page(report_page(full, inspection))
    assert "raised" in page.words
    assert "sorted bags: 5 <of> 10" in page.words
    inspection["checks"][0] |= {"raised": False, "value": None}
    inspection["flags"] = []
    assert "cannot tell" in report_page(full, inspection)


def test_text_of_others_is_escaped(full, inspection):
    evil = "<script>alert('1')</script>\"&"
    full["config"]["model"] = evil
    full["sls"]["host_baseline"] = evil
    full["sls"]["host_ladder"][0] |= {"name": evil, "how": evil}
    full["nmp"]["time_share"][evil] = 0.5
    full["memory"]["host"]["commands"][evil] = 1
    full["provenance"][evil] = evil
    full["trace"]["file"] = evil
    inspection["flags"] = [evil]
    inspection["checks"][0]["name"] = evil
    text = report_page(full, inspection, evil)
    assert "<script" not in text.lower()
    assert evil in Page(text).words


def test_the_same_result_gives_the_same_bytes(full, inspection):
    again = report_page(copy.deepcopy(full), copy.deepcopy(inspection))
    assert report_page(full, inspection) == again


@pytest.mark.parametrize(
    ("key", "value"), [("host_ns", "fast"), ("host_ns", True), ("host_ladder", 3), ("host_ladder", [{}])]
)
def test_a_value_that_no_result_holds_is_one_line(full, key, value):
    full["sls"][key] = value
    with pytest.raises(ConfigError, match="not a") as caught:
        report_page(full)
    assert "\n" not in str(caught.value)


def test_a_bar_without_a_length_is_not_drawn():
    assert bars("nothing", [Bar("a", "0", (Segment("x", 0.0),))]) == ""
    assert bars("nothing", []) == ""


def test_parts_beyond_the_colours_look_different():
    parts = tuple(Segment(f"part {n}", 1.0) for n in range(12))
    drawn = re.findall(r'<rect x="[^>]*?(fill=[^>]*)>', bars("many", [Bar("a", "12", parts)]))
    assert len(set(drawn)) == 12


def test_a_report_is_an_html_file_in_a_folder_that_exists(tmp_path):
    with pytest.raises(ConfigError, match=r"a report is an \.html file"):
        write_report("", tmp_path / "report.pdf")
    with pytest.raises(ConfigError, match="cannot write"):
        write_report("", tmp_path / "none" / "report.html")
    write_report("new", tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "new"


@needs_chromium
@pytest.mark.parametrize("width", [390, 1440])
def test_chromium_renders_it_without_scrolling_sideways(full, inspection, tmp_path, width):
    write_report(report_page(full, inspection), tmp_path / "report.html")
    found = chromium_finds(tmp_path / "report.html", width)
    assert found.content <= found.inner <= width
    assert found.sections == 12
    assert found.wide == ""
    assert found.quiet
