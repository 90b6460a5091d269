"""`recnmp study hot` and `recnmp study rankcache` from the command line."""

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
            cli(["study", *map(str, args)], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return call


def test_hot_tells_shares_ages_and_the_reply(run, tmp_path):
    options = ["--budget", "256 B", "--budget", "10%", "--windows", 2, "--tier", "near_cache", "--replicate"]
    code, out, err = run("hot", "a.parquet", *options, "--config", "rank2", "--out", "made")
    assert (code, err) == (0, "")
    assert out.startswith("a.parquet: 40 lookups, 8 samples, 2 tables of 6.25 KiB\n")
    # entry 2 of both tables is read most, 1 and 3 of the first come before others that are read as often
    assert " 256 B 4.00% 4 judged part 60.0% 0.0% " in " ".join(out.split())
    assert " 256 B copies in every rank recnmp 60.0% " in " ".join(out.split())
    assert {path.name for path in (tmp_path / "made").iterdir()} >= {"study.json", "reply.csv", "study.svg"}


def test_hot_without_a_tier_asks_no_memory(run):
    code, out, _ = run("hot", "a.parquet", "--json", "--train", 0, "--windows", 0, "--profiler", "fae")
    document = json.loads(out)
    assert (code, document["format"]) == (0, "recnmp-hot-study-1")
    assert (document["system"], document["reply"], document["ageing"]) == (None, [], [])
    assert document["request"]["profiler"] == "fae"


def test_rankcache_takes_a_trace_and_a_grid(run, tmp_path):
    options = ["--grid", "--size", "4 KiB", "--size", "8 KiB", "--policy", "sieve", "--threshold", 2]
    code, out, err = run(
        "rankcache",
        "a.parquet",
        *options,
        "--config",
        "rank2",
        "--set",
        "memory.refresh=off",
        "--out",
        "made",
    )
    assert (code, err) == (0, "")
    assert out.startswith("a.parquet: 40 lookups of 2 tables, 1 x 1 x 2 ranks of ddr4_2400\n")
    assert "\n  8 KiB 4 sieve arrival 2 8 " in out
    assert json.loads((tmp_path / "made" / "study.json").read_text())["system"]["memory"]["refresh"] == "off"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["hot", "a.parquet", "--tier", "hbm"],
            "tier 'hbm' is neither a YAML file nor one of gpu_a100, hbm2_stack",
        ),
        (["hot", "a.parquet", "--set", "memory.channels=2"], "--set is for --tier and --replicate"),
        (["hot", "a.parquet", "--budget", "0%"], "a budget is a size, or a share above 0 %"),
        (["hot", "a.parquet", "--windows", "9"], "the trace has 8 samples, not 9 windows of them"),
        (["rankcache", "b.parquet"], "b.parquet: no such file; did you mean 'a.parquet'?"),
        (["rankcache", "rank9"], "did you mean 'rank8'"),
        (["rankcache", "a.parquet", "--ways", "0"], "ways: a number from 1 on, or full; got '0'"),
        (
            ["rankcache", "a.parquet", "--threshold", "most"],
            "a threshold: a number from 1 on, or all or profiled",
        ),
        (["rankcache", "a.parquet", "--policy", "belady"], "policy belady is not one of arc"),
    ],
)
def test_what_cannot_be_studied_is_said_in_one_line(run, args, message):
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert message in err
