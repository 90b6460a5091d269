"""The page of a sweep: what it says is what the sweep's tables say, ended or not."""

import csv
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import some_trace, write_small_model
from html_pages import Page, chromium_finds, needs_chromium

from recnmp.cli import cli
from recnmp.overview.effects import alike, effect, strongest
from recnmp.overview.measures import measures
from recnmp.overview.page import sweep_page
from recnmp.overview.read import read_swept
from recnmp.overview.swept import axis_of
from recnmp.search.run import run_search
from recnmp.sweep.run import Where, run_sweep
from recnmp.trace.storage import save_trace

SWEEP = """\
model: small.yaml
trace: {file: small.parquet}
mlp: {kind: none}
memory: {dimms_per_channel: 1}
cache: {rank: {size_bytes: 4 KiB}}
sweep:
  axes:
    - zip: {memory.dimms_per_channel: [1, 1, 2], memory.ranks_per_dimm: [1, 2, 2]}
    - grid: {cache.rank.size_bytes: [4 KiB, 16 KiB]}
    - grid: {nmp.options.poolings_per_packet: [4, 8]}
      when: {cache.rank.size_bytes: 4 KiB}
  seeds: 2
"""
MAIN = "sls.speedup_over_host"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    write_small_model(folder)
    (folder / "small-sweep.yaml").write_text(SWEEP)
    run_sweep(folder / "small-sweep.yaml", folder / "out", where=Where("none"))
    return folder / "out"


@pytest.fixture
def damaged(ran, tmp_path):
    """The sweep with a point that failed and two that were not run."""
    out = tmp_path / "out"
    (out / "errors").mkdir(parents=True)
    (out / "points").mkdir()
    for file in ran.rglob("*.json"):
        (out / file.relative_to(ran)).write_bytes(file.read_bytes())
    manifest = json.loads((out / "manifest.json").read_text())
    keys = [point["key"] for point in manifest["points"]]
    for key in (keys[0], keys[2], keys[3]):
        (out / "points" / f"{key}.json").unlink()
    error = {"format": "recnmp-point-error-1", "error": "no <room> for it", "worker": None}
    (out / "errors" / f"{keys[0]}.json").write_text(json.dumps(error))
    return out


def page_of(folder: Path) -> str:
    return sweep_page(read_swept(folder), {})


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open() as file:
        return list(csv.DictReader(file))


def test_axes_are_those_declared(ran):
    swept = read_swept(ran)
    assert [(axis.name, axis.values) for axis in swept.axes] == [
        ("DIMMs of a channel x ranks of a DIMM", ("1 x 1", "1 x 2", "2 x 2")),
        ("RankCache", ("4 KiB", "16 KiB")),
        ("poolings of a packet", ("4", "8")),
    ]
    assert len(swept.settings) == len(rows(ran, "summary")) == 9
    assert [one.done for one in swept.settings] == [2] * 9


def test_every_figure_shown_is_that_of_the_table_of_means(ran):
    page = Page(page_of(ran))
    table = rows(ran, "summary")
    checked = set()
    for key, value, _ in page.values:
        place, _, column = key.partition(":")
        name, _, number = place.partition(".")
        assert name == "summary"
        assert float(value) == pytest.approx(float(table[int(number)][column]), rel=1e-8)
        checked.add((int(number), column))
    columns = {column for _, column in checked}
    assert {MAIN, "sls.nmp_ns", "energy.recnmp_isca20.nmp.total_nj_per_lookup"} <= columns
    assert {number for number, _ in checked} == set(range(9))


def test_effects_compare_like_with_like(ran):
    swept = read_swept(ran)
    ranks, cache, packet = swept.axes
    found = {tuple(one.at.values()): one.figures[MAIN].value for one in swept.settings}
    of_ranks = effect(ranks, swept.axes, swept.settings, MAIN)
    assert of_ranks.like.others == 3
    assert of_ranks.like.whole
    for ranks_are in ranks.values:
        values = [value for at, value in found.items() if at[0] == ranks_are]
        assert of_ranks.means[ranks_are] == pytest.approx(math.prod(values) ** (1 / 3))
    # there are packets of 4 poolings with the small cache alone, so only packets of 8 tell what a cache does
    base = {at: value for at, value in found.items() if at[2] == "8"}
    of_cache = effect(cache, swept.axes, swept.settings, MAIN)
    assert of_cache.like.others == 3
    small = math.prod(value for at, value in base.items() if at[1] == "4 KiB") ** (1 / 3)
    assert of_cache.means["4 KiB"] == pytest.approx(small)
    both = alike([ranks, cache], swept.axes, swept.settings, MAIN)
    assert (len(both.settings), both.fixed) == (6, "poolings of a packet 8")
    order = [one.ratio for one in strongest(swept.axes, swept.settings, MAIN)]
    assert order == sorted(order, reverse=True)
    assert {one.axis for one in strongest(swept.axes, swept.settings, MAIN)} == {ranks, cache, packet}


def test_axes_that_never_cross_are_said_to_be_unlike(ran):
    swept = read_swept(ran)
    ranks, cache, _ = swept.axes
    never = [
        one for one in swept.settings if (one.at[ranks.name] == "1 x 1") == (one.at[cache.name] == "4 KiB")
    ]
    assert not effect(cache, [ranks, cache], never, MAIN).like.whole


def test_best_and_worst_are_those_of_the_main_figure(ran):
    text = page_of(ran).partition("and what they differ in")[2]
    shown = [
        float(value) for value in re.findall(rf'data-key="summary\.\d+:{MAIN}" data-value="([^"]*)"', text)
    ][:3]
    means = sorted(float(row[MAIN]) for row in rows(ran, "summary"))
    assert shown == pytest.approx([means[-1], means[4], means[0]], rel=1e-8)


def test_each_row_knows_its_place_in_every_order(ran):
    page = page_of(ran)
    swept = read_swept(ran)
    found = measures(swept)
    assert page.count('type="radio"') == len(found) + 1
    styles = re.findall(r'<tr role="row" style="([^"]*)"', page)
    places = [dict(re.findall(r"--o(\d+):(\d+)", style)) for style in styles]
    assert [place["0"] for place in places] == [str(n) for n in range(9)]
    for n, measure in enumerate(found, 1):
        order = sorted(range(9), key=lambda row: int(places[row][str(n)]))
        values = [swept.settings[row].figures[measure.key].value for row in order]
        assert values == sorted(values, reverse=measure.more_is_better)
        assert f'input[value="{n}"]:checked) tbody tr {{ order: var(--o{n}); }}' in page


def test_the_pareto_front_is_what_no_other_setting_beats(ran):
    text = page_of(ran).partition("Beaten by no other setting")[2].partition("</table>")[0]
    shown = {int(number) for number in re.findall(r'data-key="summary\.(\d+):sls.nmp_ns"', text)}
    pairs = [
        (one.figures["sls.nmp_ns"].value, one.figures["energy.recnmp_isca20.nmp.total_nj_per_lookup"].value)
        for one in read_swept(ran).settings
    ]
    best = {
        n
        for n, (a, b) in enumerate(pairs)
        if not any((x <= a and y <= b) and (x, y) != (a, b) for x, y in pairs)
    }
    assert shown == best


def test_the_page_needs_nothing_else_and_repeats(ran):
    text = page_of(ran)
    page = Page(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "object", "embed", "base"})
    assert not re.search(r"url\(|@import|https?:", text)
    assert text == page_of(ran)
    assert len(page.ids()) == len(set(page.ids()))


def test_what_failed_and_what_is_to_come_is_told(damaged):
    page = Page(page_of(damaged))
    assert "no <room> for it" in page.words
    assert "2 points have not been run" in page.words
    assert "15 done, 1 failed, 2 to come" in page.words
    assert {"failed", "pending"} <= set(page.ids())
    swept = read_swept(damaged)
    assert (swept.settings[0].done, swept.settings[0].failed) == (1, 1)
    assert swept.settings[0].figures[MAIN].half is None
    assert MAIN not in swept.settings[1].figures


def test_a_sweep_of_which_nothing_is_done_has_a_page(damaged):
    for file in (damaged / "points").iterdir():
        file.unlink()
    page = Page(page_of(damaged))
    assert "No point has been done yet." in page.words
    assert {"effects", "axes", "pareto"}.isdisjoint(page.ids())


def test_random_indices_are_not_called_anything_else(ran):
    swept = read_swept(ran)
    checks = [{"name": "uniform indices", "raised": True, "value": 0.0, "limit": 0.1, "reason": "none"}]
    inspection = {"checks": checks, "flags": ["uniform indices: none"]}
    text = Page(sweep_page(swept, {swept.traces[0].digest: (inspection, "")})).words
    assert "random indices, which repeat no more than by chance" in text
    assert "uniform indices: none" in text


@pytest.fixture
def run(capsys):
    def call(*args):
        with pytest.raises(SystemExit) as ended:
            cli(["report", *map(str, args)], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=ended.value.code, out=out, err=err)

    return call


def test_the_command_takes_a_sweep_and_looks_at_its_traces(run, damaged):
    done = run(damaged)
    assert (done.code, done.err) == (0, "")
    page = (damaged / "report.html").read_text()
    assert "Sweep: small-sweep" in page
    assert "small.parquet" in page
    assert run(damaged / "manifest.json", "--no-trace", "--out", damaged / "other.html").code == 0
    assert (damaged / "other.html").is_file()


def test_a_trace_that_no_point_read_is_an_error(run, ran, tmp_path):
    save_trace(some_trace(seed=9), tmp_path / "b.parquet")
    done = run(ran, "--trace", tmp_path / "b.parquet", "--out", tmp_path / "a.html")
    assert (done.code, done.err) == (
        2,
        "recnmp: error: b.parquet: none of the traces that were replayed, by its digest\n",
    )


@needs_chromium
@pytest.mark.parametrize("width", [390, 1440])
def test_chromium_renders_it_without_scrolling_sideways(damaged, tmp_path, width):
    (tmp_path / "report.html").write_text(page_of(damaged))
    found = chromium_finds(tmp_path / "report.html", width)
    assert found.content <= found.inner <= width
    assert found.wide == ""
    assert found.sections == 11
    assert found.quiet


def test_a_section_is_told_by_what_differs_in_it():
    small, large = ({"kind": "lru", "size_bytes": size, "ways": 4} for size in (4096, 16384))
    rows = [{"cache.rank": value} for value in (None, small, json.dumps(large))]
    assert axis_of(["cache.rank"], rows).values == ("none", "4 KiB", "16 KiB")
    assert axis_of(["cache.rank"], rows[:2]).values == ("none", "lru, 4 KiB, 4")


def test_files_of_one_name_stay_apart():
    rows = [{"trace.file": f"{folder}/rm1.parquet"} for folder in ("a", "b")]
    assert len(axis_of(["trace.file"], rows).values) == 2


SEARCH = """\
model: small.yaml
trace: {file: small.parquet}
mlp: {kind: none}
memory: {dimms_per_channel: 1}
cache: {rank: {size_bytes: 4 KiB}}
search:
  space:
    memory.ranks_per_dimm: [1, 2]
    cache.rank: [null, {size_bytes: 4 KiB}, {size_bytes: 16 KiB}]
  objectives: {sls.nmp_ns_per_lookup: min, energy.idd.nmp.total_nj_per_lookup: min, nmp.rank_load_imbalance: min}
  sampler: grid
"""


def test_a_search_has_a_page_of_its_objectives(ran, tmp_path):
    for name in ("small.yaml", "small.parquet"):
        (tmp_path / name).write_bytes((ran.parent / name).read_bytes())
    (tmp_path / "s.yaml").write_text(SEARCH)
    run_search(tmp_path / "s.yaml", tmp_path / "out", where=Where("none"))
    page = Page(page_of(tmp_path / "out"))
    assert {"effects", "axes"}.isdisjoint(page.ids())
    table = rows(tmp_path / "out", "trials")
    for key, value, _ in page.values:
        place, _, column = key.partition(":")
        assert float(value) == pytest.approx(float(table[int(place.partition(".")[2])][column]), rel=1e-8)
    text = page_of(tmp_path / "out").partition("Beaten by no other setting")[2].partition("</table>")[0]
    shown = {int(n) for n in re.findall(r'data-key="trials\.(\d+):sls.nmp_ns_per_lookup"', text)}
    front = {n for n, row in enumerate(table) if row["front"] == "True"}
    assert shown >= front  # the configuration's own run may be there, too
    assert shown - front <= {0}
