"""`recnmp plot` on the command line: from results and traces to files, and one line for what cannot be."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from builders import trace_of

from recnmp.cli import cli
from recnmp.study.cache.request import Request
from recnmp.study.cache.run import cache_study
from recnmp.trace.storage import save_trace

WHERE = ("--where", "nmp.options.scheduling=arrival")


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            cli(["plot", *map(str, args)], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=ended.value.code, out=out, err=err)

    return call


def test_a_source_alone_lists_what_it_can_show(run, sweep):
    done = run(sweep)
    assert done.code == 0
    assert "breakdown  stacked bars: where time, channel time or energy goes\n" in done.out
    assert (
        "heatmap    a figure by two options, its value in every cell (not by default: nmp.options" in done.out
    )
    assert run("list", sweep).out == done.out


def test_a_figure_and_its_numbers_are_written(run, sweep, tmp_path):
    asked = ("--x", "ranks", "--group", "cache.rank.size_bytes", *WHERE, "--ideal", "--width", "column")
    done = run("speedup", sweep, *asked, "--out", "a.svg", "--data", "a.csv")
    assert (done.code, done.out, done.err) == (0, "a.svg\na.csv\n", "")
    assert b'width="237.6pt"' in (tmp_path / "a.svg").read_bytes()  # 3.3 inches
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [(row["ranks"], row["sls.speedup_over_host"], row["replicates"]) for row in rows] == [
        ("2", "1.25", "2"),
        ("4", "5", "1"),
        ("2", "3", "2"),
        ("4", "8", "2"),
    ]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("breakdown", ("--of", "energy", "--share")),
        ("pareto", ("--objective", "sls.nmp_ns", "--objective", "energy.units.area_mm2_all_units:min")),
        ("imbalance", WHERE),
        ("heatmap", ("--metric", "sls.nmp_ns", "--x", "cache.rank.size_bytes", "--y", "ranks", *WHERE)),
    ],
)
def test_every_kind_is_of_a_sweep_by_its_options(run, sweep, tmp_path, kind, options):
    done = run(kind, sweep, *options, "--title", "Mine", "--out", "a.svg")
    assert (done.code, done.err) == (0, "")
    assert ">Mine</text>" in (tmp_path / "a.svg").read_text()


def test_latency_is_of_results_with_queries(run, result, tmp_path):
    result("served", served=True)
    done = run("latency", "served", "--percentile", "99", "--out", "a.svg")
    assert (done.code, done.err) == (0, "")
    text = (tmp_path / "a.svg").read_text()
    assert ">host, p99<" in text
    assert ">p95 target 4 ms<" in text
    assert "p50" not in text


def test_miss_ratios_are_of_a_study_with_its_policies(run, tmp_path):
    from recnmp.report.cache_study import write_cache_study

    calls = [(0, [[n % 9, n % 7, n % 5, n % 3] for n in range(b, b + 8)]) for b in range(0, 64, 8)]
    trace = replace(trace_of([(64, 16)], calls), meta={"indices": "by remainders"})
    save_trace(trace, tmp_path / "t.parquet")
    request = Request(("lru", "fifo"), (1024,), train=0.0)
    write_cache_study(cache_study(tmp_path / "t.parquet", request), tmp_path / "study")
    done = run("mrc", "study", "--out", "a.svg", "--data", "a.csv")
    assert (done.code, done.err) == (0, "")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert {row["curve"] for row in rows if row["kind"] == "policy"} == {"lru", "fifo"}
    assert "remainders," in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("speedup", "ranks", "--out", "a.gif"), "a.gif: a figure ends in .svg or .png or .pdf"),
        (
            ("speedup", "ranks", "--out", "a.svg", "--data", "a.txt"),
            "a.txt: the numbers of a figure end in .csv",
        ),
        (
            ("speedup", "ranks", "--metric", "sls.speedup_over_hos", "--out", "a.svg"),
            "did you mean 'sls.speedup_over",
        ),
        (
            ("speedup", "ranks", "--x", "rank", "--out", "a.svg"),
            "no option 'rank' varies; did you mean 'ranks'?",
        ),
        (
            ("mrc", "ranks", "--out", "a.svg"),
            "ranks: a sweep cannot show mrc; it can show speedup, breakdown,",
        ),
        (("latency", "ranks", "--out", "a.svg"), "no queries under load in it; end_to_end.serving sets them"),
        (("mrc", "absent", "--out", "a.svg"), "absent: no such file or folder"),
        (("speedup", "ranks", "--out", "no/a.svg"), "cannot write the figure"),
    ],
)
def test_what_cannot_be_is_one_line(run, sweep, args, told):
    done = run(*args)
    assert done.code == (1 if "cannot write" in told else 2)
    assert done.out == ""
    assert told in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "told"), [("speedups", "did you mean 'speedup'?"), ("x", "kinds: speedup, breakdown, latency")]
)
def test_an_unknown_kind_is_refused_with_those_there_are(run, word, told):
    done = run(word)
    assert done.code == 2
    assert told in done.err


def test_a_sweep_that_has_not_ended_says_so(run, sweep):
    (sweep / "results.parquet").unlink()
    done = run("speedup", sweep, "--out", "a.svg")
    assert (done.code, "the sweep has not ended yet; run it again" in done.err) == (2, True)


def test_a_search_shows_the_front_of_its_own_objectives(run, tmp_path):
    from recnmp.report.tidy import write_tidy
    from recnmp.sweep.store import SEARCH_FORMAT, Store

    told = {
        "space": {"ways": [1, 2, 4], "hits_wanted": [0, 1]},
        "objectives": {"sls.nmp_ns": "min", "hits": "max"},
    }
    rows = [
        {"trial": n, "point": None if n == 3 else f"{n:032x}", "status": "infeasible" if n == 3 else "done"}
        | {
            "repeats": 1 if n == 4 else None,
            "ways": ways,
            "hits_wanted": ways,
            "sls.nmp_ns": ns,
            "hits": hits,
        }
        for n, ways, ns, hits in (
            (0, 8, 1.0, 1.0),
            (1, 1, 20.0, 0.2),
            (2, 2, 30.0, 0.1),
            (3, 4, 1.0, 1.0),
            (4, 1, 20.0, 0.2),
        )
    ]
    folder = tmp_path / "found"
    Store(folder).write_manifest({}, SEARCH_FORMAT)
    write_tidy(rows, folder / "trials", {"search": told})
    done = run("pareto", "found", "--out", "a.svg", "--data", "a.csv")
    assert (done.code, done.err) == (0, "")
    # not the configuration itself, nothing that breaks a constraint, nothing twice
    assert [
        (row["ways"], row["front"]) for row in csv.DictReader((tmp_path / "a.csv").read_text().splitlines())
    ] == [
        ("1", "True"),
        ("2", "False"),
    ]
    assert "4 trials: 2 designs, 1 infeasible" in " ".join((tmp_path / "a.svg").read_text().split())
    # one option may follow from the other among so few designs; both are told
    assert "1: hits_wanted 1, ways 1." in (tmp_path / "a.svg").read_text()
    assert run("speedup", "found", "--out", "b.svg").code == 2


def test_a_file_of_something_else_is_refused(run, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"format": "other"}))
    done = run("a.json")
    assert (done.code, "neither a result nor a study nor a roofline" in done.err) == (2, True)
