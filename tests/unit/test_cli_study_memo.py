"""`recnmp study memo` from the command line."""

import json

import pytest
from builders import trace_of

from recnmp.cli import cli
from recnmp.trace.storage import load_trace, save_trace


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = [(t, [[1, 2, 3], [2, 3], [7, 1]]) for _ in range(4) for t in (0, 1)]
    save_trace(trace_of([(50, 16), (50, 16)], calls, per_batch=2), tmp_path / "a.parquet")

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            cli(["study", "memo", *map(str, args)], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return call


def test_a_study_tells_reads_time_and_energy(run, tmp_path):
    code, out, err = run("a.parquet", "--memory", "1.1,2", "--out", "made")
    assert (code, err) == (0, "")
    assert out.startswith("a.parquet: 28 lookups in 12 bags that sums may serve\n")
    assert "learnt from 12 bags of a.parquet: 8 entries in 2 parts (greedy)\n100.0% of the judged bags" in out
    plain, memo = (" ".join(line.split()) for line in out.splitlines()[5:7])
    assert plain == "1x 1.000x 6.25 KiB 2.33 100.0% 0.0% 0 1 28.6%"
    assert memo.startswith("1.1x 1.")
    assert "every sum of 28 lookups adds what it replaces; 12 bags added up both ways are equal" in out
    assert load_trace(tmp_path / "made" / "memo_2x.parquet").lookups < 28


def test_a_study_is_one_json_document(run):
    code, out, _ = run("a.parquet", "--memory", 2, "--train", 0.25, "--no-simulate", "--json")
    document = json.loads(out)
    assert (code, document["format"], document["runs"]) == (0, "recnmp-memo-study-1", [])
    assert document["train"]["batches"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--memory", "two"], "memory is numbers parted by commas, such as 1.25,2,9; got 'two'"),
        (["--train", "b.txt"], "b.txt: no such file"),
        (["--partition", "patoh"], "partition 'patoh' is neither"),
        (["--config", "rank9"], "did you mean 'rank8'"),
        (["--batches", "9"], "the trace has 2 batches, not 9"),
    ],
)
def test_what_cannot_be_studied_is_said_in_one_line(run, options, message):
    code, out, err = run("a.parquet", *options)
    assert (code, out) == (2, "")
    assert message in err
