"""Scoreboards: numbers side by side, reasons where they differ, pages that can be read."""

import csv
import json
import types
from pathlib import Path

import pytest

from recnmp.cli import cli
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.published import Published
from recnmp.report.charts import Chart, Series, draw
from recnmp.report.scoreboard import rows_json, scoreboard_lines, shown, trace_text, write_scoreboard
from recnmp.reproduce import scoreboard
from recnmp.reproduce.scoreboard import Experiment, Finding, Ours, check_name, names, reproduce

TRACE = {
    "trace": "some trace",
    "tables": 2,
    "entry_bytes": 64,
    "lookups": 100,
    "unique_share": 0.25,
    "lru_hit_share": {str(1 << 20): 0.5, str(8 << 20): 0.75},
}
CHART = Chart(
    "bars", "a chart", "x", "y", ("a", "b"), (Series("one", (1.0, 2.0)), Series("two", (None, 3.0)))
)
DOCS = Path(__file__).parents[3] / "docs"


def value(name: str, published: float | None = 2.0, **more: str) -> dict:
    return {
        "id": name,
        "what": f"the quantity called {name}",
        "value": published,
        "unit": "x",
        "certainty": "recalled medium",
        "source": "a figure",
        **more,
    }


@pytest.fixture
def paper(monkeypatch) -> types.ModuleType:
    """Make `a-paper` the one reproduction: an experiment without runs, whose findings are fixed."""
    found = {"near": 2.2, "far": 4.0, "unexplained": 1.0, "ours-alone": 7.0}
    finding = Finding(
        {name: Ours(number, TRACE) for name, number in found.items()},
        [{"a": 1.0, "b": "x, y"}, {"a": None, "b": "z"}],
        CHART,
        ["what the points say"],
    )
    experiment = Experiment(
        "first", "The first", {}, lambda *_: finding, {"far": "because | so", "near": "never shown"}
    )
    module = types.ModuleType("a_paper")
    module.ABOUT, module.experiments = "how ours was found.", lambda quick: [experiment]
    values = [value("near"), value("far"), value("unexplained"), value("ours-alone", None)]
    values += [value("absent"), value("left-out", not_run="there is no such hardware here")]
    published = Published.model_validate(
        {"title": "A paper", "source": "a paper of some length", "values": tuple(values)}
    )
    monkeypatch.setattr(scoreboard, "names", lambda: ["a-paper"])
    monkeypatch.setattr(scoreboard, "plugin", lambda package, name: module)
    monkeypatch.setattr(scoreboard, "load_published", lambda name: published)
    return module


def test_reasons_stand_where_ours_is_far_off_and_nowhere_else(paper):
    rows = {row["id"]: row for row in reproduce("a-paper", processes=1)["rows"]}
    assert (rows["near"]["ratio"], rows["near"]["note"]) == (pytest.approx(1.1), "")
    assert (rows["far"]["ratio"], rows["far"]["note"]) == (2.0, "because | so")
    assert rows["unexplained"]["note"] == "not explained"
    assert (rows["ours-alone"]["ours"], rows["ours-alone"]["ratio"], rows["ours-alone"]["note"]) == (
        7,
        None,
        "",
    )
    assert rows["absent"]["note"] == "not run: no experiment answers this"
    assert rows["left-out"]["note"] == "not run: there is no such hardware here"
    assert rows["left-out"]["experiment"] is None


def test_every_number_of_ours_has_the_reuse_of_its_trace_beside_it(paper):
    document = reproduce("a-paper", processes=1)
    text = "some trace, 2 tables of 64 B: 25 % unique, LRU 1/8 MiB 50/75 %"
    assert trace_text(TRACE) == text
    assert all(row["trace"] == TRACE for row in document["rows"] if row["ours"] is not None)
    assert any(text in line for line in scoreboard_lines(document))


def test_what_nobody_published_cannot_be_found_or_explained(paper):
    stray = Experiment("second", "", {}, lambda *_: Finding({"stray": Ours(1.0, None)}, []))
    paper.experiments = lambda quick: [stray]
    with pytest.raises(RecnmpError, match="stray"):
        reproduce("a-paper", processes=1)
    paper.experiments = lambda quick: [
        Experiment("third", "", {}, lambda *_: Finding({}, []), {"odd": "why"})
    ]
    with pytest.raises(RecnmpError, match="third explains what nobody published: odd"):
        reproduce("a-paper", processes=1)


def test_an_unknown_name_is_answered_with_the_closest_one():
    with pytest.raises(ConfigError, match="did you mean 'recnmp-isca20'"):
        check_name("recnmp-isca21")


def test_lines_fit_their_width(paper):
    lines = list(scoreboard_lines(reproduce("a-paper", processes=1), width=100))
    assert all(len(line) <= 100 for line in lines)
    assert any("2.00 x" in line and "4.00 x" in line and "recalled medium" in line for line in lines)


def test_what_is_written_is_complete_and_the_same_each_time(paper, tmp_path):
    document = reproduce("a-paper", processes=1)
    first, again = (write_scoreboard(document, tmp_path / name) for name in ("first", "again"))
    assert first.name == "scoreboard-a-paper.md"
    beside = {path.name: path.read_bytes() for path in (first.parent / first.stem).iterdir()}
    assert set(beside) == {"rows.csv", "rows.json", "first.csv", "first.png", "first.svg"}
    assert beside == {path.name: path.read_bytes() for path in (again.parent / again.stem).iterdir()}
    points = list(csv.DictReader(beside["first.csv"].decode().splitlines()))
    assert points == [{"a": "1", "b": "x, y"}, {"a": "", "b": "z"}]
    assert json.loads(beside["rows.json"]) == json.loads(rows_json(document))


def assert_is_a_page(page: Path) -> None:
    lines, columns = page.read_text().splitlines(), 0
    for line in lines:
        if not line.startswith("|"):
            assert len(line) <= 120
            columns = 0
            continue
        assert not columns or line.count("|") == columns
        columns = line.count("|")
    assert f"recnmp reproduce {page.stem.removeprefix('scoreboard-')}" in page.read_text()


def test_the_page_is_markdown_with_tables_of_even_width(paper, tmp_path):
    page = write_scoreboard(reproduce("a-paper", processes=1), tmp_path)
    assert_is_a_page(page)
    assert "because / so" in page.read_text()  # a bar would end the cell
    assert "![a chart](scoreboard-a-paper/first.png)" in page.read_text()


@pytest.mark.parametrize("name", names())
def test_the_page_in_the_documentation_explains_every_gap(name):
    page = DOCS / f"scoreboard-{name}.md"
    assert_is_a_page(page)
    assert "--quick" not in page.read_text()
    rows = json.loads((DOCS / page.stem / "rows.json").read_text())
    assert rows
    for row in rows:
        assert row["what"] in page.read_text()
        gap = row["ratio"] is not None and abs(row["ratio"] - 1) > 0.15
        gap |= row["difference"] is not None and abs(row["difference"]) > 0.15
        assert row["note"] not in ("", "not explained") if gap or row["ours"] is None else True, row["id"]


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [(None, "x", "-"), (0.125, "share", "12.5 %"), (1.5, "x", "1.50 x"), (250.0, "nJ", "250")],
)
def test_numbers_are_shown_in_their_unit(number, unit, text):
    assert shown(number, unit) == text


@pytest.mark.parametrize("kind", ["lines", "bars", "stacked"])
def test_charts_of_the_same_data_are_the_same_bytes(tmp_path, kind):
    chart = Chart(kind, "t", "x", "y", CHART.ticks, CHART.series, (("mark", 4.0),), "caption")
    for name in ("a.svg", "b.svg", "a.png"):
        draw(chart, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").stat().st_size > 1000
    with pytest.raises(ConfigError, match="svg"):
        draw(chart, tmp_path / "a.gif")


def call(capsys, *args: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as exit_:
        cli(["reproduce", *args], prog_name="recnmp")
    return exit_.value.code, *capsys.readouterr()


def test_the_command_prints_rows_as_json_and_writes_them(paper, tmp_path, capsys):
    code, out, err = call(capsys, "a-paper", "--json", "--processes", "1", "--out", str(tmp_path))
    assert (code, err) == (0, "")
    first = json.loads(out)[0]
    assert {"what", "published", "certainty", "ours", "ratio", "note"} <= set(first)
    assert first["reproduction"] == "a-paper"
    assert (tmp_path / "scoreboard-a-paper.md").is_file()


def test_without_a_name_everything_is_run(paper, capsys):
    code, out, _ = call(capsys, "--processes", "1")
    assert code == 0
    assert out.startswith("A paper: published and ours")


def test_the_command_refuses_an_unknown_name_before_anything_runs(capsys):
    code, out, err = call(capsys, "axdim-micro21")
    assert (code, out) == (2, "")
    assert "did you mean 'axdimm-micro21'?" in err


def test_a_folder_that_cannot_be_written_is_one_line(paper, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, err = call(capsys, "a-paper", "--processes", "1", "--out", str(tmp_path / "file" / "folder"))
    assert code == 1
    assert "cannot write the scoreboard" in err
