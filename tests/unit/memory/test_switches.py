"""What a controller does besides its policy, as asked for on the command line."""

import json

import pytest
from click.testing import CliRunner

from recnmp.cli import cli

HOT = "LD 0x0\nLD 0x0\nLD 0x40\nST 0x80\nLD 0x80\nLD 0x100000\n"


@pytest.fixture
def replay(tmp_path):
    trace = tmp_path / "hot.trace"
    trace.write_text(HOT)

    def run(*options: str, command: str = "replay"):
        return CliRunner().invoke(cli, ["memory", command, str(trace), "--format", "ramulator", *options])

    return run


def figures(done):
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_replay_names_its_switches_and_what_they_spared(replay):
    plain = figures(replay("--json"))
    assert (plain["page_policy"], plain["row_hit_cap"]) == ("open", None)
    assert (plain["forward_writes"], plain["merge_reads"]) == (True, False)
    assert (plain["forwarded"], plain["merged"], plain["commands"]["RD"]) == (1, 0, 4)


def test_switches_reach_the_controller(replay):
    switches = (
        "--page-policy",
        "closed",
        "--row-hit-cap",
        "2",
        "--no-forward-writes",
        "--merge-reads",
        "--audit",
    )
    found = figures(replay("--json", *switches))
    assert (found["page_policy"], found["row_hit_cap"]) == ("closed", 2)
    assert (found["forward_writes"], found["merge_reads"]) == (False, True)
    assert (found["forwarded"], found["merged"], found["commands"]["RD"]) == (0, 1, 4)
    assert found["audit_violations"] == 0


def test_the_table_says_what_is_not_the_default(replay):
    assert "merged" not in replay().stdout
    lines = replay("--page-policy", "closed", "--row-hit-cap", "2", "--merge-reads").stdout
    assert "frfcfs, closed pages, row-hit cap 2, reads merged, refresh" in lines
    assert "moved no data of their own" in lines


def test_a_page_policy_that_does_not_exist_is_an_error(replay):
    done = replay("--page-policy", "shut")
    assert done.exit_code == 2
    assert "page policy 'shut' is not one of open, closed" in done.output


@pytest.mark.parametrize("switch", [("--page-policy", "closed"), ("--merge-reads",), ("--row-hit-cap", "4")])
def test_a_comparison_refuses_what_the_peer_does_otherwise(replay, switch, tmp_path):
    done = replay("--ramulator", str(tmp_path), *switch, command="compare")
    assert done.exit_code == 2
    assert "a comparison needs open pages" in done.output
