"""`recnmp report` on the command line."""

import json
from types import SimpleNamespace

import pytest
from builders import trace_of

from recnmp.cli import cli
from recnmp.report.result import FORMAT
from recnmp.trace.storage import read_header, save_trace


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = [(t, [[1, 2, 3], [2, 5]]) for _ in range(4) for t in (0, 1)]
    save_trace(trace_of([(50, 16), (50, 16)], calls, per_batch=2), tmp_path / "a.parquet")
    document = {
        "format": FORMAT,
        "config": {"model": "rm1", "trace": {"file": str(tmp_path / "a.parquet")}, "nmp": {"kind": "recnmp"}},
        "sls": {"host_ns": 3000.0, "nmp_ns": 1000.0, "speedup_over_host": 3.0},
        "provenance": {"trace_digest": read_header(tmp_path / "a.parquet").digest},
    } | {name: {} for name in ("memory", "nmp", "energy", "mlp", "end_to_end", "trace", "functional_check")}
    (tmp_path / "made").mkdir()

    def call(*args, **changed):
        (tmp_path / "made" / "result.json").write_text(json.dumps(document | changed))
        with pytest.raises(SystemExit) as ended:
            cli(["report", *map(str, args)], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=ended.value.code, out=out, err=err)

    return call


def test_a_folder_gets_its_report_beside_the_result(run, tmp_path):
    done = run("made")
    assert (done.code, done.out, done.err) == (0, "made/report.html\n", "")
    page = (tmp_path / "made" / "report.html").read_text()
    assert "3.00 x" in page
    assert "Misses of an exact LRU cache" in page
    assert run("made/result.json", "--out", "other.html").code == 0
    assert (tmp_path / "other.html").read_text() == page


def test_a_part_that_was_replayed_is_said_to_be_one(run, tmp_path):
    trace = {"file": str(tmp_path / "a.parquet"), "first_batch": 0, "batches": 1}
    assert run("made", config={"model": "rm1", "trace": trace}).code == 0
    assert "the run replayed a part of it" in (tmp_path / "made" / "report.html").read_text()


def test_a_trace_that_has_moved_can_be_named(run, tmp_path):
    (tmp_path / "a.parquet").rename(tmp_path / "b.parquet")
    page = tmp_path / "made" / "report.html"
    assert run("made").code == 0
    assert "not available. a.parquet: no such file" in page.read_text()
    assert run("made", "--trace", "b.parquet").code == 0
    assert "Misses of an exact LRU cache" in page.read_text()
    assert run("made", "--no-trace").code == 0
    assert "Misses of an exact LRU cache" not in page.read_text()


def test_another_trace_is_not_shown_as_the_one_replayed(run, tmp_path):
    calls = [(0, [[1, 2], [4]])]
    save_trace(trace_of([(50, 16), (50, 16)], calls, per_batch=1), tmp_path / "a.parquet")
    assert run("made").code == 0
    assert "not the trace that was replayed" in (tmp_path / "made" / "report.html").read_text()
    done = run("made", "--trace", "a.parquet")
    assert done.code == 2
    assert done.err == "recnmp: error: a.parquet: not the trace that was replayed, by its digest\n"


def test_a_damaged_trace_is_not_available(run, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    assert run("made").code == 0
    assert "not available." in (tmp_path / "made" / "report.html").read_text()


@pytest.mark.parametrize(
    ("args", "changed", "told"),
    [
        (["none"], {}, "none: no such result file"),
        (["made", "--out", "report.txt"], {}, "report.txt: a report is an .html file"),
        (
            ["made", "--out", "none/report.html"],
            {},
            "cannot write none/report.html: No such file or directory",
        ),
        (["made"], {"format": "other"}, "not a result: its format is 'other'"),
        (["made"], {"sls": {"host_ns": "fast"}}, "not a result: sls.host_ns is 'fast', expected a number"),
        (
            ["made"],
            {"config": {"trace": "a.parquet", "memory": 3}, "sls": {"host_ladder": [1]}},
            "not a complete result",
        ),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, args, changed, told):
    done = run(*args, **changed)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert told in done.err
    assert not (tmp_path / "made" / "report.html").exists()


def test_a_manifest_that_is_no_sweeps_is_one_line(run, tmp_path):
    (tmp_path / "swept").mkdir()
    (tmp_path / "swept" / "manifest.json").write_text("{}")
    done = run("swept")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "not a document of a sweep" in done.err


def test_a_trace_cannot_be_named_and_left_out(run):
    assert run("made", "--trace", "a.parquet", "--no-trace").code == 2
