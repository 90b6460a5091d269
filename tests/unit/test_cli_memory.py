"""`recnmp memory`: replays, curves and comparisons from the command line."""

import csv
import hashlib
import json
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import trace_of
from reference.traffic import JITTED

from recnmp.cli import cli
from recnmp.errors import ConfigError
from recnmp.memory import peer
from recnmp.memory.curve import REQUESTS, closed_forms, make_traffic, measure_curve
from recnmp.memory.dramsim3 import Dramsim3Options, replay_dramsim3
from recnmp.memory.formats import read_memory_trace
from recnmp.memory.setup import Setup, make_requests, with_colliding_writes
from recnmp.trace.storage import save_trace

KEYS = [
    *("cycles", "requests", "reads", "writes", "forwarded", "absorbed", "row_hits", "row_misses"),
    *("row_conflicts", "commands", "gb_per_s", "bus_utilization", "read_latency_avg_cycles"),
    *("audit_violations", "policy", "refresh", "standard", "mapping", "ranks", "channels", "read_queue"),
    *("write_queue", "trace_sha256", "quirks", "page_policy", "row_hit_cap", "forward_writes", "merge_reads"),
    *("energy", "energy_note", "read_latency_max_cycles"),
]
needs_speed = pytest.mark.skipif(not JITTED, reason="a curve needs compiled kernels")


@pytest.fixture
def run(capsys):
    def call(*args):
        with pytest.raises(SystemExit) as ended:
            cli([str(arg) for arg in args], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return call


@pytest.fixture
def random_trace(tmp_path):
    """300 requests, a third of them writes, as Ramulator text in the mapping RoBaBgRaCo of two ranks."""
    rng = np.random.default_rng(5)
    file = tmp_path / "random.trace"
    lines = [f"{'LD' if n % 3 else 'ST'} {a * 64:#x}\n" for n, a in enumerate(rng.integers(0, 1 << 27, 300))]
    file.write_text("".join(lines))
    return file


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


def replayed(run, *args) -> dict:
    code, out, err = run("memory", "replay", *args, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_two_reads_of_one_row_take_what_the_standard_says(run, tmp_path):
    (tmp_path / "t").write_text("LD 0\nLD 64\n")
    options = ["--format", "ramulator", "--mapping", "RoBaBgRaCo", "--refresh", "off", "--audit"]
    found = replayed(run, tmp_path / "t", *options)
    # ACT in clock 1, RD after nRCD = 16, the next after nCCD_L = 6; the last beat nCL + nBL = 20 later
    assert found["cycles"] == 1 + 16 + 6 + 20
    assert found["commands"] == {"ACT": 1, "PRE": 0, "RD": 2, "WR": 0, "REF": 0, "PREA": 0}
    assert found["read_latency_avg_cycles"] == ((1 + 16 + 20) + (1 + 16 + 6 + 20 - 1)) / 2
    assert found["bus_utilization"] == 2 * 4 / 43
    assert found["gb_per_s"] == pytest.approx(2 * 64 / (43 * 0.833))
    assert (found["row_hits"], found["row_misses"], found["row_conflicts"]) == (1, 1, 0)
    assert found["audit_violations"] == 0


def test_the_document_has_every_key_and_names_its_policy_and_trace(run, random_trace):
    found = replayed(run, random_trace, "--format", "ramulator", "--ranks", 2, "--policy", "frfcfs_rowhit")
    assert set(KEYS) <= set(found)
    assert (found["policy"], found["refresh"], found["ranks"]) == ("frfcfs_rowhit", "simultaneous", 2)
    assert (found["requests"], found["reads"], found["writes"]) == (300, 200, 100)
    assert found["commands"]["RD"] + found["forwarded"] == 200
    assert found["commands"]["WR"] + found["absorbed"] == 100
    assert found["audit_violations"] is None
    assert found["trace_sha256"] == hashlib.sha256(random_trace.read_bytes()).hexdigest()
    assert replayed(run, random_trace, "--format", "ramulator", "--limit", 7)["requests"] == 7


def test_sets_of_banks_are_refreshed_where_the_standard_has_it(run, random_trace, tmp_path):
    base = ["--format", "ramulator", "--standard", "ddr5_4800", "--audit"]
    log = tmp_path / "commands.csv"
    found = replayed(run, random_trace, *base, "--refresh", "same_bank", "--commands", log)
    assert found["commands"]["REFsb"] > 0
    assert (found["commands"]["REF"], found["audit_violations"]) == (0, 0)
    rows = [line.split(",") for line in log.read_text().splitlines() if ",REFsb," in line]
    assert [row[1:5] for row in rows[:5]] == [["REFsb", "0", "-1", str(n % 4)] for n in range(len(rows[:5]))]
    code, _, err = run(
        "memory",
        "replay",
        random_trace,
        "--format",
        "ramulator",
        "--policy",
        "dramsim3",
        "--refresh",
        "same_bank",
    )
    assert (code, len(err.splitlines())) == (2, 1)


def test_every_option_reaches_the_engine(run, random_trace):
    base = ["--format", "ramulator", "--mapping", "RoBaBgRaCo", "--ranks", 2]
    plain = replayed(run, random_trace, *base)
    for extra in (
        ["--refresh", "off", "--read-queue", 1],
        ["--write-queue", 2],
        ["--policy", "frfcfs_rowhit", "--mapping", "RoCoBaBgRa"],
        ["--mapping", "RoCoBaBgRaCh"],
        ["--quirk", "ramulator-rd-wr-gap"],
        ["--ranks", 4],
        ["--channels", 2, "--mapping", "RoBaBgRaCoCh"],
    ):
        other = replayed(run, random_trace, *base, *extra)
        assert other["cycles"] != plain["cycles"], extra


def test_what_cannot_be_is_one_line_and_exit_code_2(run, random_trace):
    for extra, message in (
        (["--format", "litex"], "format 'litex' is not one of ramulator, dramsim3, recnmp"),
        (["--standard", "ddr4_2401"], "did you mean 'ddr4_2400'?"),
        (["--ranks", 3], "ranks is 3; it must be a power of two"),
        (["--channels", 6], "channels is 6; it must be a power of two"),
        (["--policy", "frfcs"], "policy 'frfcs' is not one of frfcfs, "),
        (["--refresh", "never"], "refresh 'never' is not one of off, simultaneous, staggered, same_bank"),
        (["--refresh", "same-bank"], "did you mean 'same_bank'?"),
        (
            ["--refresh", "same_bank"],
            "refresh 'same_bank': DDR4-2400 8Gb x8 has no same-bank refresh (REFsb)",
        ),
        (["--mapping", "RoBaCo"], "must name Bg"),
        (["--quirk", "all"], "quirk 'all' is not one of ramulator-rd-wr-gap"),
        (["--format", "dramsim3"], "random.trace:1: found 'ST 0x"),
    ):
        code, out, err = run("memory", "replay", random_trace, "--format", "ramulator", *extra)
        assert (code, out) == (2, ""), extra
        assert message in err
        assert len(err.splitlines()) == 1
    assert run("memory", "replay", random_trace)[0] == 2


def test_a_table_for_people_is_printed_without_json(run, random_trace):
    code, out, err = run("memory", "replay", random_trace, "--format", "ramulator", "--audit", "--ranks", 2)
    assert (code, err) == (0, "")
    assert "random.trace on ddr4_2400: 1 channel, 2 ranks a channel" in out
    assert "0 violations in" in out
    assert max(map(len, out.splitlines())) <= 110
    energy = replayed(run, random_trace, "--format", "ramulator", "--ranks", 2)["energy"]
    cells = {line.split("  ")[1]: line.split() for line in out.splitlines() if "rank" in line[:20]}
    for name, scope in (("channel 0 rank 1", "per_rank"), ("all 2 ranks", "all_ranks")):
        for place, figure in ((-2, f"total_pj_{scope}"), (-1, f"mean_power_mw_{scope}")):
            value = energy[figure][0][1] if scope == "per_rank" else energy[figure]
            assert float(cells[name][place]) == pytest.approx(value, rel=1e-3)
    assert "DRAM devices' supply VDD; not their I/O drivers" in out


def test_energy_that_is_not_known_is_null_and_says_why(run, random_trace):
    options = [random_trace, "--format", "ramulator", "--standard", "lpddr5_6400", "--channels", 8]
    found = replayed(run, *options)
    assert found["energy"] is None
    assert found["energy_note"].startswith("there are no supply currents of lpddr5_6400")
    _, out, _ = run("memory", "replay", *options)
    assert "energy: there are no supply currents of lpddr5_6400, so its energy is not known" in out
    assert max(map(len, out.splitlines())) <= 110


def test_many_ranks_are_summed_up_on_the_terminal(run, random_trace):
    _, out, _ = run("memory", "replay", random_trace, "--format", "ramulator", "--ranks", 8, "--channels", 4)
    assert "all 32 ranks" in out
    assert "channel 0 rank 0" not in out


def test_the_figures_go_to_a_line_of_names_and_a_line_of_values(run, random_trace, tmp_path):
    table = tmp_path / "f.csv"
    options = ["--format", "ramulator", "--ranks", 2, "--quirk", "ramulator-rd-wr-gap", "--csv", table]
    found = replayed(run, random_trace, *options)
    (row,) = rows_of(table)
    assert int(row["cycles"]) == found["cycles"]
    assert int(row["commands.ACT"]) == found["commands"]["ACT"]
    assert float(row["energy.read_pj_per_rank[0][1]"]) == found["energy"]["read_pj_per_rank"][0][1]
    assert (row["quirks"], row["row_hit_cap"], row["policy"]) == ("ramulator-rd-wr-gap", "", "frfcfs")
    assert row["energy.currents"] == "DDR4-2400 8Gb x8, eight devices per rank"
    assert not [value for value in row.values() if value.startswith(("[", "{"))]


def test_a_log_that_cannot_be_written_is_said_before_the_run(run, random_trace, tmp_path):
    for option in ("--commands", "--requests"):
        code, out, err = run(
            "memory", "replay", random_trace, "--format", "ramulator", option, tmp_path / "no" / "l.csv"
        )
        assert (code, out) == (1, "")
        assert "No such file or directory" in err


def test_violations_end_with_exit_code_1_and_the_first_of_them(run, tmp_path):
    rng = np.random.default_rng(1)
    words = ("LD", "ST")
    lines = [f"{words[k % 2]} {a * 64:#x}\n" for k, a in enumerate(rng.integers(0, 1 << 28, 2000))]
    (tmp_path / "t").write_text("".join(lines))
    options = [tmp_path / "t", "--format", "ramulator", "--ranks", 4, "--audit", "--json"]
    assert run("memory", "replay", *options)[0] == 0
    code, out, err = run("memory", "replay", *options, "--quirk", "ramulator-rd-wr-gap")
    found = json.loads(out)
    assert code == 1
    assert found["audit_violations"] > 0
    assert found["quirks"] == ["ramulator-rd-wr-gap"]
    assert err.startswith(
        f"recnmp: error: audit: {found['audit_violations']} violations of ddr4_2400: cycle "
    )


def test_the_logs_name_requests_by_their_line(run, tmp_path):
    (tmp_path / "t").write_text("LD 64\nST 0\nLD 192\nLD 128\n")
    logs = [tmp_path / "c.csv", tmp_path / "r.csv"]
    options = ["--format", "ramulator", "--channels", 2, "--commands", logs[0], "--requests", logs[1]]
    replayed(run, tmp_path / "t", *options, "--refresh", "off")
    commands, requests = (rows_of(log) for log in logs)
    assert logs[0].read_text().startswith("cycle,cmd,rank,bankgroup,bank,row,col,req,channel\n")
    assert [(c["cycle"], c["cmd"], c["req"], c["channel"]) for c in commands[:2]] == [
        ("1", "ACT", "1", "0"),
        ("1", "ACT", "0", "1"),
    ]
    served = {c["req"]: (c["cmd"], c["col"], c["channel"]) for c in commands if c["cmd"] in ("RD", "WR")}
    assert served == {
        "0": ("RD", "0", "1"),
        "1": ("WR", "0", "0"),
        "2": ("RD", "1", "1"),
        "3": ("RD", "1", "0"),
    }
    assert [tuple(r.values()) for r in requests] == [
        ("0", "0", "0", "37"),
        ("1", "1", "0", "-1"),
        ("2", "0", "1", "43"),
        ("3", "0", "1", "62"),  # RD waits nCWL + nBL + nWTR_L = 25 after the WR of clock 17
    ]


def test_one_channel_has_no_channel_column_and_dramsim3_clocks_hold_requests_back(run, tmp_path):
    (tmp_path / "t").write_text("0 READ 100\n40 READ 100\n")
    logs = [tmp_path / "c.csv", tmp_path / "r.csv"]
    options = ["--format", "dramsim3", "--commands", logs[0], "--requests", logs[1]]
    assert replayed(run, tmp_path / "t", *options)["cycles"] == 100 + 43
    assert logs[0].read_text().splitlines()[:2] == [
        "cycle,cmd,rank,bankgroup,bank,row,col,req",
        "101,ACT,0,0,0,0,-1,0",
    ]
    assert logs[1].read_text() == "req,is_write,arrive,depart\n0,0,100,137\n1,0,101,143\n"


def test_an_embedding_trace_is_replayed_burst_by_burst(run, tmp_path):
    save_trace(trace_of([(1000, 32)], [(0, [[1, 2, 3]])]), tmp_path / "t.parquet")
    found = replayed(run, tmp_path / "t.parquet", "--format", "recnmp", "--ranks", 8, "--audit")
    assert (found["requests"], found["commands"]["RD"]) == (6, 6)


def test_the_quirk_loosens_one_gap_alone():
    spec = Setup().spec
    loose = with_colliding_writes(spec)
    changed = np.argwhere(spec.gaps != loose.gaps).tolist()
    assert changed == [[2, 3, 3]]  # RD to WR of another rank
    assert (spec.gaps[2, 3, 3], loose.gaps[2, 3, 3]) == (10, 6)
    document = spec.model_dump()
    document["constraints"] = [row for row in document["constraints"] if row["scope"] != "other_rank"]
    with pytest.raises(ConfigError, match="means nothing for DDR4-2400"):
        with_colliding_writes(type(spec).model_validate(document))


@needs_speed
def test_a_curve_lies_between_the_closed_forms(run, tmp_path):
    options = ["--ranks", 2, "--points", 4, "--refresh", "off", "--csv", tmp_path / "c.csv"]
    code, out, err = run("memory", "curve", *options, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    forms, points = found["closed_forms"], found["points"]
    assert forms["closed_bank_ns"] == pytest.approx((1 + 16 + 16 + 4) * 0.833)
    assert forms["peak_gb_per_s"] == pytest.approx(64 / (4 * 0.833))
    for traffic, lone in (("random", "row_conflict_ns"), ("stream", "row_hit_ns")):
        curve = [point for point in points if point["traffic"] == traffic]
        latency = [point["read_latency_mean_ns"] for point in curve]
        assert len(curve) == 4
        assert latency == sorted(latency)
        assert 0.97 * forms[lone] < latency[0] < 1.2 * forms[lone]
        assert all(point["read_latency_p99_ns"] >= point["read_latency_mean_ns"] for point in curve)
        assert all(point["gb_per_s"] == pytest.approx(point["offered_gb_per_s"], rel=0.03) for point in curve)
        assert curve[-1]["gb_per_s"] < forms["peak_gb_per_s"]
    assert points[-1]["gb_per_s"] > 0.9 * forms["peak_gb_per_s"]
    rows = rows_of(tmp_path / "c.csv")
    assert [row["traffic"] for row in rows] == ["random"] * 4 + ["stream"] * 4
    assert float(rows[3]["gb_per_s"]) == round(points[3]["gb_per_s"], 4)


def test_closed_forms_of_one_rank_are_limited_by_its_act_window():
    spec = Setup().spec
    assert closed_forms(spec, 1)["activate_limit_gb_per_s"] == pytest.approx(spec.peak_gb_per_s * 16 / 26)
    assert closed_forms(spec, 2)["activate_limit_gb_per_s"] == spec.peak_gb_per_s


def test_traffic_has_the_load_and_the_reads_that_were_asked_for():
    trace = make_traffic(Setup(ranks=2), "random", 0.7, 6.0, seed=1)
    clocks = int(trace.arrive[-1])
    assert 64 * REQUESTS / (clocks * 0.833) == pytest.approx(6.0, rel=1e-3)
    assert trace.write.mean() == pytest.approx(0.3, abs=0.01)
    gaps = np.diff(trace.arrive)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert np.bincount(trace.lane, minlength=32).min() > 0.8 * REQUESTS / 32
    with pytest.raises(ConfigError, match="read share"):
        measure_curve(Setup(), read_share=0)


@needs_speed
def test_figures_are_the_same_bytes_every_time_and_of_three_kinds(run, tmp_path):
    for name in ("a.svg", "b.svg", "c.png"):
        code, out, _ = run("memory", "curve", "--points", 2, "--figure", tmp_path / name, "--read-share", 0.5)
        assert code == 0
        assert "50% reads" in out
        assert max(map(len, out.splitlines())) <= 110
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run("memory", "curve", "--figure", "x.gif")
    assert (code, err) == (2, "recnmp: error: x.gif: a figure ends in .svg or .png or .pdf\n")


STAND_IN = """#!{python}
import json, sys
job, answer = json.load(open(sys.argv[2])), sys.argv[3]
lines = open(job["trace"]).read().splitlines()
n, first = len(lines), int(lines[0].split()[1], 16)
names = "row_hits row_misses row_conflicts num_read_reqs_forwarded num_write_reqs_coalesced".split()
stats = dict.fromkeys(names, 0)
stats.update(cycles=1000, read_latency=50 * n, num_read_reqs_served=n)
commands = dict(ACT=first, PRE=0, PREA=0, RD=n, WR=job["ranks"] * 100 + job["read_queue"], REF=0)
timings = dict(nCL=17, nCCDS=4, tCK_ps=833)
done = dict(stats=stats, commands=commands, timings=timings, cpu_s=1.0, wall_s=2.0)
json.dump(done, open(answer, "w"))
"""


@pytest.fixture
def stand_in(tmp_path):
    """A program in the place of a Python interpreter that can import ramulator."""

    def make(text=STAND_IN) -> Path:
        file = tmp_path / "peer"
        file.write_text(text.format(python=sys.executable))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return file

    return make


def test_a_comparison_gives_the_peer_the_same_requests_and_shows_both(run, tmp_path, stand_in):
    (tmp_path / "t").write_text("R 0,1,2,3,4,5\nR 0,1,2,3,4,6\n")
    options = [tmp_path / "t", "--format", "ramulator", "--ranks", 2, "--mapping", "RoRaBaBgCo"]
    code, out, err = run("memory", "compare", *options, "--ramulator", stand_in(), "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    figures = {figure["name"]: figure for figure in document["figures"]}
    assert (
        figures["ACT"]["peer"] == ((((4 * 4 + 3) * 4 + 2) * 2 + 1) * 128 + 5) * 64
    )  # by the peer's own mapping
    assert figures["RD"]["peer"] == 2
    assert figures["WR"]["peer"] == 2 * 100 + 32
    assert figures["cycles"] == {
        "name": "cycles",
        "ours": 1,
        "peer": 1000,
        "ratio": 0.001,
    }  # second one accepted
    assert figures["read latency, clocks"]["peer"] == 50
    assert figures["CPU seconds"]["peer"] == 1.0
    assert document["notes"] == ["timings differ: nCL is 16 here and 17 in Ramulator"]
    code, out, _ = run("memory", "compare", *options, "--ramulator", stand_in())
    assert code == 0
    assert "Ramulator 2.1" in out
    assert "note: timings differ" in out


def test_a_comparison_says_what_it_cannot_do(run, tmp_path, stand_in, random_trace):
    options = [random_trace, "--format", "ramulator", "--ramulator"]
    (tmp_path / "empty").mkdir()
    code, _, err = run("memory", "compare", *options, tmp_path / "empty")
    assert code == 2
    assert "neither a program nor a folder with the ramulator Python package" in err
    failing = stand_in("#!/bin/sh\necho one >&2\necho no module named ramulator >&2\nexit 3\n")
    code, _, err = run("memory", "compare", *options, failing)
    assert (code, err) == (1, "recnmp: error: Ramulator failed with exit code 3: no module named ramulator\n")
    code, _, err = run("memory", "compare", *options, stand_in("#!/bin/sh\nexit 0\n"))
    assert (code, err) == (1, "recnmp: error: Ramulator failed with exit code 0: it gave no answer\n")
    with pytest.raises(ConfigError, match="a comparison needs a standard of"):
        peer.compare(random_trace, "ramulator", Setup(policy="dramsim3", refresh="off"), stand_in())


def test_every_channel_is_a_run_of_its_own_on_the_peer(run, tmp_path, stand_in):
    """Of four channels one has no request, and so no run."""
    lines = ["R 0,0,0,0,0,1", "R 1,0,0,0,0,2", "R 3,0,0,0,0,3", "W 0,0,0,0,0,4", "R 0,0,0,0,0,5"]
    (tmp_path / "t").write_text("\n".join(lines))
    options = [tmp_path / "t", "--format", "ramulator", "--channels", 4, "--refresh", "off"]
    code, out, err = run("memory", "compare", *options, "--ramulator", stand_in(), "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    figures = {figure["name"]: (figure["ours"], figure["peer"]) for figure in document["figures"]}
    assert figures["RD"] == (0, 3 + 1 + 1)  # the stand-in reads all of a channel's lines
    assert figures["ACT"][1] == (1 + 2 + 3) * 64  # and gives the address of the first as ACT
    assert figures["WR"][1] == 3 * (100 + 32)
    assert figures["cycles"] == (2, 1000)  # channel 0 accepts its third in clock 2
    assert figures["read latency, clocks"][1] == 50
    assert figures["CPU seconds"][1] == 3.0
    assert document["notes"][0].startswith("every channel is a run of its own in Ramulator")


def test_dropped_clocks_and_a_known_difference_are_noted(tmp_path, stand_in):
    (tmp_path / "t").write_text("0 READ 50\n40 WRITE 60\n")
    setup = Setup(ranks=2)
    notes = peer.compare(tmp_path / "t", "dramsim3", setup, stand_in())["notes"]
    assert notes[0] == "times of arrival were dropped: Ramulator's front end has none"
    assert "--quirk ramulator-rd-wr-gap follows it" in notes[-1]


def test_a_folder_with_the_package_runs_on_this_python(tmp_path):
    package = tmp_path / "python" / "ramulator"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for path in (tmp_path, tmp_path / "python", package):
        command, environment = peer.peer_command(path)
        assert command == [sys.executable]
        assert environment["PYTHONPATH"].split(":")[0] == str(tmp_path / "python")


def test_figures_up_to_the_last_acceptance_add_up(random_trace):
    setup = Setup(ranks=2, read_queue=4)
    trace = read_memory_trace(random_trace, "ramulator", setup.spec, setup.memory)
    ours = peer.run_ours(trace, setup)
    requests, _ = make_requests(trace, 1)
    whole = setup.replay(requests, record=True)
    commands, end = whole.commands[0], whole.accepted.max()
    assert ours["cycles"] == end < whole.cycles
    assert ours["RD"] == ((commands.command == 2) & (commands.cycle <= end)).sum() < whole.counts["RD"]
    touched = {request for request in commands.request[commands.cycle <= end].tolist() if request >= 0}
    assert ours["row_hits"] + ours["row_misses"] + ours["row_conflicts"] == len(touched)
    assert 37 <= ours["read latency, clocks"] < 1000


def test_the_policy_dramsim3_is_that_engine_with_its_own_queues(run, random_trace):
    asked = ("--format", "ramulator", "--policy", "dramsim3", "--refresh", "staggered", "--ranks", "2")
    document = replayed(run, random_trace, *asked, "--mapping", "RoBaBgRaCo", "--command-queue-per", "rank")
    setup = Setup(ranks=2, mapping="RoBaBgRaCo")
    trace = read_memory_trace(random_trace, "ramulator", setup.spec, setup.memory, None)
    requests, _ = make_requests(trace, 1)
    timeline = replay_dramsim3(requests, setup.spec, Dramsim3Options(2, per="rank"))
    assert document["cycles"] == timeline.cycles
    assert document["commands"] == {name: timeline.counts[name] for name in document["commands"]}
    assert (document["policy"], document["merge_reads"], document["command_queue"]) == ("dramsim3", True, 8)
    assert document["merged"] == timeline.counts["merged"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--policy", "dramsim3"], "simultaneous"),
        (["--policy", "dramsim3", "--refresh", "off", "--page-policy", "closed"], "page_policy"),
        (["--policy", "dramsim3", "--refresh", "off", "--read-queue", "8"], "write_queue"),
        (["--command-queue", "4"], "frfcfs has no command queues"),
        (["--policy", "frfcfs_rowhit", "--command-queue-per", "rank"], "has no command queues"),
    ],
)
def test_an_option_that_a_policy_does_not_have_is_an_error(run, random_trace, options, said):
    code, out, err = run("memory", "replay", random_trace, "--format", "ramulator", *options)
    assert (code, out) == (2, "")
    assert said in err
