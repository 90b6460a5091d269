"""`recnmp study cache` from the command line."""

import json

import pytest
from builders import trace_of

from recnmp.cli import cli
from recnmp.trace.storage import save_trace


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = [(t, [[1, 2, 3], [2, 5]]) for _ in range(4) for t in (0, 1)]
    save_trace(trace_of([(50, 16), (50, 16)], calls, per_batch=2), tmp_path / "a.parquet")

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            cli(["study", "cache", *map(str, args)], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return call


def test_a_study_tells_curve_tables_and_policies(run, tmp_path):
    code, out, err = run(
        "a.parquet", "--policy", "lru", "--policy", "sieve", "--size", "512 B", "--out", "made"
    )
    assert (code, err) == (0, "")
    assert out.startswith("a.parquet: 40 lookups of 2 tables\n")
    assert "512 B             8 entries   20.00%" in out
    assert "  table0                       20.0% shared    20.0% own\n" in out
    assert "hits, one cache, whole entries, full associativity, warm, the last 50% of the batches\n" in out
    assert " lru 100.0% sieve 100.0% 40.0% are first reads" in " ".join(out.split())
    assert {path.name for path in (tmp_path / "made").iterdir()} >= {"study.json", "grid.csv", "study.svg"}


def test_a_study_is_one_json_document(run):
    code, out, _ = run("a.parquet", "--policy", "lru", "--size", "256", "--ways", 2, "--line", 64, "--json")
    document = json.loads(out)
    assert (code, document["format"]) == (0, "recnmp-cache-study-1")
    assert document["request"]["ways"] == [2]
    assert {row["sets"] for row in document["grid"]} == {2}


def test_a_sampled_study_has_curves_with_errors_only(run):
    code, out, _ = run("a.parquet", "--sampled", 1, "--size", "512 B", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["grid"] == []
    assert {row["method"] for row in document["curves"]} <= {"sampled"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "12 kB"], "recnmp: error: not a size: '12 kB'"),
        (["--policy", "sive"], "did you mean 'sieve'"),
        (["--set", "memory.channels=2"], "--set is for the scopes llc, dimm and rank"),
        (["--scope", "rank", "--config", "rank9"], "did you mean 'rank8'"),
    ],
)
def test_what_cannot_be_studied_is_said_in_one_line(run, options, message):
    code, out, err = run("a.parquet", *options)
    assert (code, out) == (2, "")
    assert message in err


def test_placed_scopes_take_a_configuration_and_its_overrides(run):
    options = ["--policy", "lru", "--size", "4 KiB", "--scope", "rank", "--set", "memory.dimms_per_channel=1"]
    code, out, _ = run("a.parquet", *options, "--json")
    document = json.loads(out)
    assert (code, document["grid"][0]["caches"]) == (0, 2)
    assert document["placement"]["memory"]["dimms_per_channel"] == 1
