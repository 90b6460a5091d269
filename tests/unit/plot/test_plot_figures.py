"""Every kind of figure: its numbers by hand, and nothing that is cut off, whatever the width."""

import json
import math
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from builders import trace_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from recnmp.errors import ConfigError
from recnmp.plot import bars, fronts, heat, loads, misses, ranks, stacks
from recnmp.plot.kinds import listing, roofline
from recnmp.plot.sources import find_source, table_of
from recnmp.report.style import blank, styled
from recnmp.trace.storage import save_trace

ORDER = "nmp.options.scheduling"
SIZE = "cache.rank.size_bytes"


@pytest.fixture
def table(sweep):
    return table_of([find_source(sweep)])


@pytest.fixture
def trace(tmp_path):
    # four reads of one entry in each bag: 1 miss of 4 with any cache; 64-byte entries
    calls = [(0, [[n, n, n, n] for n in range(b, b + 8)]) for b in range(0, 64, 8)]
    save_trace(trace_of([(64, 16)], calls), tmp_path / "t.parquet")
    return find_source(tmp_path / "t.parquet")


ROOF = {
    "machine": "a CPU",
    "backend": "torch 2",
    "threads": 1,
    "clock": "cpu",
    "measured_on": "2026-01-01",
    "roofs": {"gflop_per_s": 100.0, "dram_gb_per_s": 10.0, "cache_gb_per_s": 50.0},
    "memory": {
        "standard": "ddr4_2400",
        "ranks": 8,
        "entry_bytes": 128,
        "host_gb_per_s": 18.0,
        "near_memory_gb_per_s": 140.0,
    },
    "points": [
        {"model": "rm1", "operator": "sls", "batch_size": n, "flop_per_byte": 0.25, "gflop_per_s": g}
        for n, g in ((1, 1.0), (64, 2.0), (256, None))
    ],
}


@pytest.fixture
def plots(table, trace, result, tmp_path):
    (tmp_path / "roof.json").write_text(json.dumps(ROOF))
    one = table_of([find_source(result("served", served=True))])
    small = table.where([f"{ORDER}=arrival"])
    return {
        "speedup": bars.speedup(table, ideal=True),
        "speedup of one option": bars.speedup(small.where([f"{SIZE}=32 KiB"])),
        "breakdown": stacks.breakdown(table),
        "breakdown of energy": stacks.breakdown(small, "energy", share=True),
        "breakdown of one": stacks.breakdown(one, "channel"),
        "latency": loads.latency(one),
        "mrc": misses.misses([trace]),
        "roofline": roofline([tmp_path / "roof.json"]),
        "pareto": fronts.pareto(table),
        "pareto of two": fronts.pareto(table, ["sls.nmp_ns", "nmp.rank_load_imbalance"]),
        "pareto of three": fronts.pareto(
            table, ["sls.nmp_ns", "nmp.packet_load_imbalance", "energy.units.area_mm2_all_units"]
        ),
        "imbalance": ranks.imbalance(small),
        "imbalance of one": ranks.imbalance(one),
        "heatmap": heat.heatmap(small, "sls.nmp_ns"),
    }


def cut_off(figure):
    """Texts that reach beyond the figure, by their words."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    edge, never = figure.bbox.padded(1.5), set(beyond(figure))
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and text not in never:
            box = text.get_window_extent(canvas.get_renderer())
            if not (edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1):
                yield text.get_text(), box.bounds


def beyond(figure):
    """Labels of ticks outside the axes' limits, which are never drawn."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            yield tick.label2
            if not low <= tick.get_loc() <= high:
                yield tick.label1


def overlapping(figure):
    """Neighbours among the labels of an x axis that touch."""
    renderer, never = FigureCanvasAgg(figure).get_renderer(), set(beyond(figure))
    for axes in figure.axes:
        for labels in (axes.get_xticklabels(), axes.get_xticklabels(minor=True)):
            shown = [t for t in labels if t.get_text() and t.get_rotation() in (0, 90) and t not in never]
            boxes = sorted((t.get_window_extent(renderer) for t in shown), key=lambda box: box.x0)
            yield from (pair for pair in pairwise(boxes) if pair[0].x1 > pair[1].x0)


@pytest.mark.parametrize("width", ["page", "column"])
def test_nothing_is_cut_off_and_no_label_covers_another(plots, width):
    for name, plot in plots.items():
        with styled(width):
            figure, axes = blank(plot.sheet, width)
            plot.draw(axes)
            assert list(cut_off(figure)) == [], name
            assert list(overlapping(figure)) == [], name
            assert figure.get_figwidth() == {"page": 7.0, "column": 3.3}[width]


@pytest.mark.parametrize(
    ("name", "suffix"), [("speedup", ".svg"), ("mrc", ".svg"), ("pareto", ".png"), ("heatmap", ".pdf")]
)
def test_the_same_source_gives_the_same_bytes(plots, name, suffix, tmp_path):
    for turn in "ab":
        plots[name].write(tmp_path / f"{turn}{suffix}", "column")
    written = [(tmp_path / f"{turn}{suffix}").read_bytes() for turn in "ab"]
    assert written[0] == written[1]
    assert b"CreationDate" not in written[0]


def test_svg_holds_words_as_words_and_every_bar(table, tmp_path):
    bars.speedup(table).write(tmp_path / "a.svg")
    root = ElementTree.fromstring((tmp_path / "a.svg").read_bytes())
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "SLS speed-up over DRAM-bound host by ranks of a channel, RankCache and order of poolings" in texts
    assert [text for text in texts if text in ("none, arrival", "32 KiB, table-aware")]
    assert texts.count("\N{MULTIPLICATION SIGN}") == 1
    assert any("t.parquet: synthetic indices" in text for text in texts)
    hatched = re.findall(r"fill: url\(#h\w+\)", (tmp_path / "a.svg").read_text())
    # of 6 bars those of the first series have no hatch; neither has its name, the first of 4
    assert len(hatched) == 4 + 3


def test_bars_are_means_of_their_points(table):
    plot = bars.speedup(table)
    found = {(row["ranks"], row[SIZE], row[ORDER]): row["sls.speedup_over_host"] for row in plot.rows}
    assert found == {
        (2, None, "arrival"): 1.25,
        (4, None, "arrival"): 5.0,
        (2, None, "table_aware"): None,
        (4, None, "table_aware"): None,
        (2, 32768, "arrival"): 3.0,
        (4, 32768, "arrival"): 8.0,
        (2, 32768, "table_aware"): 2.5,
        (4, 32768, "table_aware"): 10.0,
    }
    notes = " ".join(plot.sheet.notes)
    assert "3 of 14 points failed" in notes
    assert "Gaps, no points of the sweep: 1." in notes
    assert "With the axis and series vary memory.dimms_per_channel" in notes


def test_bars_stand_on_zero(plots):
    for name in ("speedup", "breakdown", "imbalance", "imbalance of one"):
        with styled("page"):
            _, axes = blank(plots[name].sheet, "page")
            plots[name].draw(axes)
            assert [one.get_ylim()[0] for one in axes] == [0.0] * len(axes)


def test_stacks_add_up_to_latency_and_energy(table):
    total = {}
    for row in stacks.breakdown(table).rows:
        at = row["ranks"], row[SIZE], row[ORDER], row["side"]
        total[at] = total.get(at, 0.0) + row["µs per batch"]
    assert math.isclose(total[4, 32768, "arrival", "host"], 1.3)
    # SLS takes 125 ns, 100 of them beside the bottom MLP
    assert math.isclose(total[4, 32768, "arrival", "nmp"], 0.325)
    energy = [
        row for row in stacks.breakdown(table, "energy").rows if row["side"] == "host" and row["ranks"] == 2
    ]
    parts = {row["part"]: row["nJ per lookup"] for row in energy}
    assert parts == {"DRAM reads and writes": 20.0, "data on the channel": 10.0}


def test_shares_are_of_a_hundred(table):
    for of in ("time", "channel", "energy"):
        total = {}
        for row in stacks.breakdown(table, of, share=True).rows:
            at = row["ranks"], row[SIZE], row[ORDER], row["side"]
            total[at] = total.get(at, 0.0) + row["% of the whole"]
        assert all(math.isclose(value, 100.0) for value in total.values()), of


def test_latencies_end_where_the_server_no_longer_keeps_up(result):
    plot = loads.latency(table_of([find_source(result("served", served=True))]))
    found = {(row["side"], row["percentile"], row["queries_per_s"]): row["latency_ms"] for row in plot.rows}
    assert math.isclose(found["host", 95, 200.0], 0.95 * (1 + 200 / 300))
    assert found["host", 95, 400.0] is None
    assert math.isclose(found["nmp", 95, 400.0], 0.95 * (1 + 400 / 300) / 4)


def test_a_curve_of_misses_is_the_traces_own(trace):
    rows = [row for row in misses.misses([trace]).rows if row["curve"] == "t"]
    assert rows[0]["bytes"] == 64
    assert all(row["miss_ratio"] == 0.25 for row in rows)


def test_a_trace_of_random_indices_is_called_that(tmp_path):
    import numpy as np

    draw = np.random.default_rng(1).integers(0, 2000, (200, 20))
    save_trace(
        trace_of([(2000, 16)], [(0, draw[b : b + 10].tolist()) for b in range(0, 200, 10)]),
        tmp_path / "u.parquet",
    )
    notes = " ".join(misses.misses([find_source(tmp_path / "u.parquet")]).sheet.notes)
    assert "u.parquet: random indices, which repeat no more than by chance" in notes


def test_a_front_leaves_out_what_another_point_beats(table):
    plot = fronts.pareto(table, ["sls.nmp_ns", "energy.units.area_mm2_all_units:min"])
    best = {(row["ranks"], row["sls.nmp_ns"]) for row in plot.rows if row["front"]}
    # the fastest of each area: 375 = (500 + 250) / 2 against 400 at two ranks, 100 at four
    assert best == {(2, 375.0), (4, 100.0)}


def test_loads_of_ranks_are_those_of_the_result(result):
    plot = ranks.imbalance(table_of([find_source(result("a"))]))
    assert [row["load"] for row in plot.rows if (row["count"], row["side"]) == ("lookups", "nmp")] == [60, 40]
    assert "Within packets, on average, over the mean: 1.50." in plot.sheet.notes


def test_cells_of_a_map_are_means(table):
    small = table.where([f"{ORDER}=arrival"])
    found = {(row["ranks"], row[SIZE]): row["sls.nmp_ns"] for row in heat.heatmap(small, "sls.nmp_ns").rows}
    assert found == {(2, None): 800.0, (4, None): 200.0, (2, 32768): 375.0, (4, 32768): 125.0}


def test_numbers_on_a_shade_can_be_read():
    for k in range(101):
        shade = heat._SHADES(k / 100)
        assert _contrast(shade, heat.readable(shade)) >= 4.5, k


def _contrast(shade, text):
    from matplotlib.colors import to_rgb

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(shade), luminance(to_rgb(text))))
    return (high + 0.05) / (low + 0.05)


def test_points_without_a_time_are_not_on_the_roofline(plots):
    assert [row["gflop_per_s"] for row in plots["roofline"].rows] == [1.0, 2.0]
    assert "Not shown, for want of arithmetic or of a time: 1." in plots["roofline"].sheet.notes


def test_what_a_figure_cannot_be_of_is_refused(table, result):
    one = table_of([find_source(result("a"))])
    for call, told in (
        (lambda: bars.speedup(one), "nothing varies in it"),
        (lambda: bars.speedup(table, x="ranks", group=["ranks"]), "both --x and --group"),
        (lambda: bars.speedup(table, "sls.nmp_ns", ideal=True), "--ideal is of speed-ups along numbers"),
        (lambda: loads.latency(table), "no queries under load"),
        (lambda: heat.heatmap(one), "of two options that vary"),
        (lambda: heat.heatmap(table), "scheduling varies, too"),
        (lambda: fronts.pareto(table, ["sls.nmp_ns"]), "two or three objectives"),
        (lambda: fronts.pareto(table, ["sls.nmp_ns:low", "sls.lookups"]), "best is min or max"),
        (lambda: fronts.pareto(one), "no two of latency, energy and area vary"),
    ):
        with pytest.raises(ConfigError, match=told):
            call()


def test_a_source_lists_what_it_can_show(sweep, trace, tmp_path):
    (tmp_path / "roof.json").write_text(json.dumps(ROOF))
    can = dict(listing([sweep]))
    assert [kind for kind, why in can.items() if not why] == ["speedup", "breakdown", "pareto", "imbalance"]
    assert "scheduling varies, too" in can["heatmap"]
    assert dict(listing([trace.path])) == {"mrc": ""}
    assert dict(listing([tmp_path / "roof.json"])) == {"roofline": ""}
    with pytest.raises(ConfigError, match=r"no figure is of all of these: .* is a sweep, .* is a trace"):
        list(listing([sweep, trace.path]))


def test_numbers_over_bars_are_in_the_axis_unit(table):
    rows = tuple({**row, "long_ns": n * 20_000.0} for n, row in enumerate(table.rows, 1))
    plot = bars.speedup(replace(table, rows=rows).where([f"{ORDER}=arrival", f"{SIZE}=32 KiB"]), "long_ns")
    with styled("page"):
        _, axes = blank(plot.sheet, "page")
        plot.draw(axes)
        # rows 1, 2 and 9, 10, in us
        assert [text.get_text() for text in axes[0].texts] == ["30.0", "190"]
        assert axes[0].get_ylabel() == "long_ns (\N{MICRO SIGN}s)"


def test_long_names_below_bars_are_slanted_and_not_cut_off(table):
    names = {2: "a long name of a policy or a trace", 4: "another name that is as long as the first"}
    rows = tuple({**row, "result": names[row["ranks"]]} for row in table.rows)
    for n in range(1, 4):
        rows += tuple({**row, "result": f"{row['result']} {n}"} for row in rows[: len(table.rows)])
    small = replace(table, rows=rows, options=("result", *table.options))
    small = small.where([f"{ORDER}=arrival", f"{SIZE}=32 KiB"])
    plot = bars.speedup(small, x="result")
    with styled("column"):
        figure, axes = blank(plot.sheet, "column")
        plot.draw(axes)
        assert axes[0].get_xticklabels()[0].get_rotation() == 30
        assert list(cut_off(figure)) == []
