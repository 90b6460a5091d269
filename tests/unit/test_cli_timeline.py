"""`simulate --timeline`: what it writes, says and refuses."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from reference.traffic import JITTED

from recnmp.cli import cli

SMALL = ["rank4", "--set", "trace.batches=1", "--set", "mlp.kind=none", "--set", "functional_check=off"]


def simulate(*args: object) -> Result:
    return CliRunner().invoke(cli, ["simulate", *map(str, args)])


@pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")
def test_a_timeline_is_written_beside_the_result_and_told_on_standard_error(tmp_path: Path):
    out = tmp_path / "run.json.gz"
    done = simulate(*SMALL, "--json", "--timeline", out, "--timeline-window", "packets=4")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith(f"timeline: {out}: 0.0 to ")
    assert len(done.stderr.splitlines()) == 1
    result, drawn = json.loads(done.stdout), json.loads(gzip.decompress(out.read_bytes()))
    assert result["config"]["memory"]["audit"] is True
    assert sum(event["ph"] == "f" for event in drawn["traceEvents"]) == 4
    assert drawn["otherData"]["clock_ps"] == 833


@pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")
def test_the_window_nobody_chose_stays_below_5_megabytes(tmp_path: Path):
    out = tmp_path / "run.json.gz"
    assert simulate(*SMALL, "--timeline", out).exit_code == 0
    assert out.stat().st_size < 5_000_000


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--timeline", "a.json.gz", "--timeline-window", "5"], "'5' is no window"),
        (["--timeline", "a.csv"], "must end in .json or .json.gz"),
        (["--timeline", "no/such/a.json"], "no such folder: no/such"),
        (["--timeline-window", "0:5"], "without --timeline nothing is written"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_before_the_run(args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = simulate("rank4", *args)
    assert done.exit_code == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
