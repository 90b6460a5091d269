"""Timelines: the events are what the format asks for, and as many as the run counted."""

import gzip
import itertools
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import DDR4, DDR5, by_hand, placed_on, some_trace, system_of

from recnmp.config.schema import CacheConfig, HostTrafficConfig
from recnmp.errors import ConfigError
from recnmp.nmp import _kernels as kernel
from recnmp.nmp import axdimm, host, recnmp
from recnmp.report.timeline import Window, check_out, parse_window, write_timeline
from recnmp.report.timeline_dram import draw_rank
from recnmp.report.timeline_events import Events

NEEDED = {
    "M": {"pid", "name", "args"},
    "X": {"pid", "tid", "name", "ts", "dur"},
    "i": {"pid", "tid", "name", "ts", "s"},
    "C": {"pid", "name", "ts", "args"},
    "s": {"pid", "tid", "name", "cat", "ts", "id"},
    "t": {"pid", "tid", "name", "cat", "ts", "id", "bp"},
    "f": {"pid", "tid", "name", "cat", "ts", "id", "bp"},
}
WHOLE = Window((0, 1e6))
CACHE = CacheConfig(kind="lru", size_bytes=4096, ways=4)

Drawn = list[dict[str, Any]]


def runs_of(near=recnmp, trace=None, cache=CACHE, options=None, **memory: object):
    """A small run on the host and near memory, recorded, on the same system."""
    trace = trace or some_trace()
    memory = {"dimms_per_channel": 2, "ranks_per_dimm": 2, "audit": True} | memory
    spec = memory.pop("spec", None)
    system = system_of(rank_cache=cache, **({"spec": spec} if spec else {}), **memory)
    placed = placed_on(system, trace)
    return (
        system.spec,
        host.run(trace, placed, system, host.Options()),
        near.run(trace, placed, system, near.Options(**(options or {}))),
    )


@pytest.fixture(scope="module")
def runs():
    return runs_of()


@pytest.fixture(scope="module")
def drawn(runs, tmp_path_factory) -> Drawn:
    return draw(tmp_path_factory.mktemp("timeline") / "a.json.gz", *runs)


def draw(out: Path, spec, on_host, near, window: Window = WHOLE, kind: str = "recnmp") -> Drawn:
    write_timeline(out, window, spec, on_host, near, kind)
    events = json.loads(gzip.decompress(out.read_bytes()))["traceEvents"]
    check_schema(events)
    return events


def check_schema(events: Drawn) -> None:
    """Fail where a viewer would: keys, order of time, names, arrows without an end, slices that cross."""
    named = {(e["pid"], e.get("tid")) for e in events if e["ph"] == "M"}
    tracks, arrows = defaultdict(list), defaultdict(list)
    for event in events:
        assert event["ph"] in NEEDED, event
        assert set(event) >= NEEDED[event["ph"]], event
        assert (event["pid"], None) in named
        if event["ph"] == "C":
            assert all(isinstance(value, int | float) for value in event["args"].values())
        elif event["ph"] != "M":
            assert (event["pid"], event["tid"]) in named
        if event["ph"] == "X":
            assert isinstance(event["dur"], int)
            assert event["dur"] > 0
            tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        if event["ph"] in "stf":
            arrows[event["id"]].append(event)
    times = [event["ts"] for event in events if event["ph"] != "M"]
    assert all(isinstance(at, int) and at >= 0 for at in times)
    assert times == sorted(times)
    for slices in tracks.values():
        check_nested(slices)
    for arrow in arrows.values():
        assert [event["ph"] for event in arrow] == ["s", "t", "f"]
        for event in arrow:
            assert any(a <= event["ts"] < b for a, b in tracks[event["tid"]])


def check_nested(slices: list[tuple[int, int]]) -> None:
    around: list[int] = []
    for begin, end in slices:
        while around and around[-1] <= begin:
            around.pop()
        assert not around or end <= around[-1], "two slices of one track cross"
        around.append(end)


def names(events: Drawn, what: str) -> dict[Any, str]:
    key = "pid" if what == "process_name" else "tid"
    return {e[key]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == what}


def on(events: Drawn, process: str, track: str, phase: str = "X") -> Drawn:
    """Events of one phase on the tracks and processes whose names begin so."""
    processes, tracks = names(events, "process_name"), names(events, "thread_name")
    return [
        e
        for e in events
        if e["ph"] == phase and processes[e["pid"]].startswith(process) and tracks[e["tid"]].startswith(track)
    ]


def counted(slices: Drawn) -> dict[str, int]:
    return dict(Counter(e["name"] for e in slices))


def issued(run) -> dict[str, int]:
    total: Counter[str] = Counter()
    for _, commands in run.commands:
        total.update(commands.counts())
    return {name: count for name, count in total.items() if count}


@pytest.mark.parametrize(
    "options", [{}, {"channels": 2}, {"refresh": "staggered"}, {"page_policy": "closed"}]
)
def test_a_whole_window_has_as_many_slices_as_there_were_commands(options, tmp_path):
    spec, on_host, near = runs_of(**options)
    events = draw(tmp_path / "a.json.gz", spec, on_host, near)
    assert counted(on(events, "host: channel", "C/A")) == issued(on_host)
    of_ranks = [
        e for c in range(2) for r in range(4) for e in on(events, f"recnmp: channel {c}, rank {r}", "C/A")
    ]
    assert counted(of_ranks) == issued(near)
    for name in ("ACT", "PRE", "RD"):
        assert counted(of_ranks).get(name, 0) == near.memory["commands"][name]
        assert counted(on(events, "host", "C/A")).get(name, 0) == on_host.memory["commands"][name]


def test_banks_have_every_command_and_a_slice_for_every_row_opened(drawn, runs):
    for process, run in (("host", runs[1]), ("recnmp", runs[2])):
        found = counted(on(drawn, process, "bank") + on(drawn, process, "all banks"))
        rows = sum(count for name, count in found.items() if name.startswith("row "))
        assert {name: n for name, n in found.items() if not name.startswith("row ")} == issued(run)
        assert rows == run.memory["commands"]["ACT"]


def test_rows_are_open_until_whatever_closes_their_bank():
    commands = by_hand(
        (10, "ACT", 0, 0, 1, 5),
        (20, "ACT", 0, 2, 1, 6),
        (30, "ACT", 0, 0, 2, 7),
        (40, "ACT", 0, 3, 3, 8),
        (50, "PREsb", 0, -1, 1, -1),
        (60, "PRE", 0, 0, 2, -1),
        (70, "ACT", 0, 0, 0, 9),
        (80, "PREA", 0, -1, -1, -1),
        (90, "ACT", 0, 0, 0, 4),
    )
    events = Events(1, 0, 1000)
    draw_rank(events, events.process("rank"), DDR4, commands, 100)
    rows = [e for e in events.in_order() if e["ph"] == "X" and e["name"].startswith("row")]
    assert {e["name"]: (e["args"]["from_clock"], e["args"]["to_clock"]) for e in rows} == {
        "row 5": (10, 50),
        "row 6": (20, 50),
        "row 7": (30, 60),
        "row 8": (40, 80),
        "row 9": (70, 80),
        "row 4": (90, 100),
    }


def test_every_read_lies_in_an_open_row(drawn):
    by_track = defaultdict(list)
    for e in on(drawn, "", "bank"):
        by_track[e["tid"]].append(e)
    reads = 0
    for slices in by_track.values():
        rows = [(e["ts"], e["ts"] + e["dur"]) for e in slices if e["name"].startswith("row ")]
        for e in slices:
            if e["name"] == "RD":
                assert any(a <= e["ts"] < b for a, b in rows)
                reads += 1
    assert reads


def test_the_data_bus_is_busy_as_long_as_the_result_says(drawn, runs):
    spec, on_host, near = runs
    for process, run in (("host", on_host), ("recnmp: channel 0, rank", near)):
        data = [e for e in on(drawn, process, "DQ") if e["name"] == "read data"]
        assert (
            sum(e["dur"] for e in data)
            == run.memory["commands"]["RD"] * spec.cycles["nBL"] * spec.tCK_ps.value
        )


def test_data_end_when_their_request_departs(drawn, runs):
    spec, on_host, _ = runs
    ends = {e["args"]["request"]: e["ts"] + e["dur"] for e in on(drawn, "host", "DQ")}
    depart = on_host.reads[0].depart * spec.tCK_ps.value
    assert {request: int(depart[request]) for request in ends} == ends


def test_bandwidth_adds_up_to_the_bytes_that_were_read(drawn, runs):
    spec, on_host, _ = runs
    names_of = names(drawn, "process_name")
    samples = [
        e
        for e in drawn
        if e["ph"] == "C" and e["name"] == "bandwidth" and names_of[e["pid"]] == "host: channel 0"
    ]
    last = (max(run.memory["cycles"] for run in runs[1:]) + 1) * spec.tCK_ps.value
    ts = [e["ts"] for e in samples] + [last]
    total = sum(
        e["args"]["GB/s"] * (b - a) / 1000 for e, (a, b) in zip(samples, itertools.pairwise(ts), strict=True)
    )
    assert total == pytest.approx(on_host.memory["commands"]["RD"] * 64, rel=1e-3)


def test_rank_cache_hits_are_those_of_the_result(drawn, runs):
    near = runs[2]
    hits = sum(e["args"]["bursts"] for e in on(drawn, "recnmp", "RankCache", "i"))
    all_bursts = hits + near.memory["requests"]
    assert hits
    assert hits / all_bursts == pytest.approx(near.details["cache_hit_rate"])


def test_instructions_are_received_when_the_channel_says_so(runs):
    trace, system = some_trace(), system_of(rank_cache=CACHE, ranks_per_dimm=2, audit=True)
    options = recnmp.Options(rank_cache_cycles=0)
    log = recnmp.run(trace, placed_on(system, trace), system, options).packet_logs[0]
    assert log.hits is not None
    delivered = log.clocks[:, kernel.DELIVERED_AT]
    of_packet = np.searchsorted(delivered, log.hits[:, 0])
    assert (log.hits[:, 0] > log.clocks[of_packet, kernel.INSTRUCTIONS_AT]).all()
    assert len(np.intersect1d(log.hits[:, 0], delivered))  # some packet's last instruction hits


def test_buses_carry_deliveries_and_results_for_the_shares_of_the_result(drawn, runs):
    spec, _, near = runs
    busy = counted(on(drawn, "recnmp: channel 0", "DQ"))
    assert busy["instructions"] == busy["results"] == near.details["packets"]
    results = sum(e["dur"] for e in on(drawn, "recnmp: channel 0", "DQ") if e["name"] == "results")
    cycles = near.memory["cycles"] * spec.tCK_ps.value
    assert results / cycles == pytest.approx(near.details["time_share"]["return"])


def test_every_packet_has_an_arrow_from_its_instructions_over_the_adders_to_its_result(drawn, runs):
    packets = runs[2].details["packets"]
    assert [sum(e["ph"] == phase for e in drawn) for phase in "stf"] == [packets] * 3


def test_ddr_commands_are_on_the_command_bus_alone(tmp_path):
    spec, on_host, near = runs_of(options={"delivery": "ddr_commands"})
    events = draw(tmp_path / "a.json.gz", spec, on_host, near)
    assert counted(on(events, "recnmp: channel 0", "C/A"))["instructions"] == near.details["packets"]
    assert "instructions" not in counted(on(events, "recnmp: channel 0", "DQ"))


def test_a_rank_holds_no_more_packets_than_it_has_buffers(drawn):
    tracks = set(names(drawn, "thread_name").values())
    assert {name for name in tracks if name.startswith("psum")} == {"psum buffer 0", "psum buffer 1"}


def test_a_window_shows_what_is_in_it_and_nothing_else(tmp_path, runs):
    spec = runs[0]
    events = draw(tmp_path / "a.json.gz", *runs, window=Window((0.5, 1.0)))
    slack = 30 * spec.tCK_ps.value  # data follow their command
    timed = [e for e in events if e["ph"] != "M"]
    assert timed
    assert all(500_000 - spec.tCK_ps.value <= e["ts"] < 1_000_000 + slack for e in timed)
    cycle = runs[1].commands[0][1].cycle
    first, last = (round(us * 1e6 / spec.tCK_ps.value) for us in (0.5, 1.0))
    assert len(on(events, "host", "C/A")) == np.count_nonzero((cycle >= first) & (cycle < last)) > 0


def test_the_first_packets_are_a_window(tmp_path, runs):
    events = draw(tmp_path / "a.json.gz", *runs, window=Window(packets=3))
    assert sum(e["ph"] == "f" for e in events) == 3


def test_the_same_run_gives_the_same_bytes(tmp_path, runs):
    for name in ("a.json.gz", "b.json.gz"):
        write_timeline(tmp_path / name, Window(), *runs, "recnmp")
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


def test_a_host_alone_and_axdimm_can_be_drawn(tmp_path, runs):
    spec, on_host, _ = runs
    events = draw(tmp_path / "a.json.gz", spec, on_host, None)
    assert all(name.startswith("host") for name in names(events, "process_name").values())
    spec, on_host, near = runs_of(axdimm, trace=some_trace(dims=(16,)), cache=None)
    events = draw(tmp_path / "b.json.gz", spec, on_host, near, kind="axdimm")
    assert counted(on(events, "axdimm: rank", "C/A")) == issued(near)


def test_two_clocks_on_the_command_bus_are_drawn_as_two(tmp_path):
    spec, on_host, near = runs_of(spec=DDR5)
    events = draw(tmp_path / "a.json.gz", spec, on_host, near)
    assert {e["dur"] for e in on(events, "host", "C/A") if e["name"] == "ACT"} == {2 * spec.tCK_ps.value}


def test_the_hosts_own_bursts_have_a_track_and_hits_are_left_out_beside_them(tmp_path):
    traffic = HostTrafficConfig(gb_per_s=2.0)
    spec, on_host, near = runs_of(host_traffic=traffic)
    events = draw(tmp_path / "a.json.gz", spec, on_host, near)
    passed = sum(np.count_nonzero(log.host_passed >= 0) for log in near.packet_logs)
    assert len(on(events, "recnmp", "DQ: host's own bursts")) == passed > 0
    assert on(events, "recnmp", "RankCache", "i") == []


@pytest.mark.parametrize(
    "text", ["5", "5:", "5:5", "7:2", "-1:3", "a:b", "packets=0", "packets=", "0:inf", ""]
)
def test_what_is_no_window_is_an_error(text):
    with pytest.raises(ConfigError, match="is no window; write START:END"):
        parse_window(text)


def test_windows_are_read_as_they_are_written():
    assert parse_window("0:5") == Window((0, 5))
    assert parse_window(".5:1.25") == Window((0.5, 1.25))
    assert parse_window("packets=8") == Window(packets=8)
    assert parse_window(None) == Window()


def test_a_window_behind_the_run_or_of_packets_without_any_is_an_error(tmp_path, runs):
    out = tmp_path / "a.json.gz"
    with pytest.raises(ConfigError, match="but the run is over at"):
        write_timeline(out, Window((1e6, 2e6)), *runs, "recnmp")
    with pytest.raises(ConfigError, match="no packets to count"):
        write_timeline(out, Window(packets=2), runs[0], runs[1], None, "none")
    assert not out.exists()


def test_a_window_too_long_for_a_viewer_is_an_error(tmp_path, runs, monkeypatch):
    monkeypatch.setattr("recnmp.report.timeline.MOST_COMMANDS", 10)
    with pytest.raises(ConfigError, match="more than a viewer holds"):
        write_timeline(tmp_path / "a.json.gz", WHOLE, *runs, "recnmp")


def test_the_window_nobody_chose_is_as_long_as_the_budget_of_commands(tmp_path, runs, monkeypatch):
    monkeypatch.setattr("recnmp.report.timeline.DEFAULT_COMMANDS", 200)
    told = write_timeline(tmp_path / "a.json.gz", Window(), *runs, "recnmp")
    assert 190 <= int(told.split(" DRAM commands")[0].split()[-1]) <= 200


@pytest.mark.parametrize(("name", "message"), [("a.txt", "must end in"), ("no/a.json", "no such folder")])
def test_a_file_that_cannot_be_written_is_told_before_the_run(tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        check_out(tmp_path / name)
