import numpy as np
import pytest
from builders import by_hand
from reference.frfcfs_tick import run

from recnmp.errors import RecnmpError
from recnmp.library.dram import COMMANDS, DramSpec, load_standard
from recnmp.memory.audit import Auditor, audit
from recnmp.memory.commands import Commands

SPEC = load_standard("ddr4_2400")
RANKS = 2

IMPLIED = {
    "nRC": "nRAS then nRP take as long: ACT, PRE, ACT of a bank are 55 apart anyway",
    "nREFI": "a refresh one clock early is legal",
}
"""Timings that no schedule breaks alone when they are one clock short, and why."""


def traffic(kind: str, count: int) -> list[tuple[int, ...]]:
    """Requests (arrive, is_write, rank, bank_group, bank, row, column), all there from the start."""
    rng = np.random.default_rng(20)
    rows = 4 if kind == "hits" else 1000
    banks = 1 if kind == "one bank" else 4
    columns = [
        np.zeros(count, int) if kind != "sparse" else np.cumsum(rng.integers(0, 40, count)),
        rng.random(count) < (0.0 if kind == "reads" else 0.4),
        rng.integers(0, RANKS, count),
        rng.integers(0, banks, count),
        rng.integers(0, banks, count),
        rng.integers(0, rows, count),
        np.arange(count) % 128,
    ]
    return [tuple(int(v) for v in request) for request in zip(*columns, strict=True)]


KINDS = ("random", "hits", "reads", "one bank", "sparse")


def changed(**timings: int) -> DramSpec:
    document = SPEC.model_dump()
    for name, cycles in timings.items():
        document["timings"][name]["value"] = cycles
    return DramSpec.model_validate(document)


def judged(spec: DramSpec, kind: str, refresh: str = "simultaneous", count: int = 500):
    """The verdict by the true standard on a schedule made by another."""
    commands = run(spec, RANKS, traffic(kind, count), refresh=refresh).as_commands()
    return audit(SPEC, RANKS, commands, refresh=refresh)


@pytest.mark.parametrize("refresh", ["off", "simultaneous", "staggered"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_legal_schedule_has_no_violation(kind, refresh):
    report = judged(SPEC, kind, refresh)
    assert (report.count, report.by_rule, report.first) == (0, {}, ())


@pytest.mark.parametrize("name", [name for name in SPEC.cycles if name not in IMPLIED])
def test_every_timing_one_clock_short_is_caught(name):
    short = changed(**{name: SPEC.cycles[name] - 1})
    assert any(name in rule for kind in KINDS for rule in judged(short, kind).by_rule)


@pytest.mark.parametrize("name", list(IMPLIED))
def test_a_timing_implied_by_others_is_not_reported(name):
    short = changed(**{name: SPEC.cycles[name] - 1})
    assert all(judged(short, kind).count == 0 for kind in KINDS)


def test_refreshing_half_as_often_is_caught():
    report = judged(changed(nREFI=2 * SPEC.cycles["nREFI"] + 1), "one bank", count=1500)
    assert report.by_rule.keys() & {"refresh in time", "no refresh forgotten"}


def test_a_rank_that_is_never_refreshed_is_caught():
    commands = run(SPEC, RANKS, traffic("one bank", 1500)).as_commands()
    rank_1_ref = (commands.command == COMMANDS.index("REF")) & (commands.rank == 1)
    kept = Commands(*(getattr(commands, field)[~rank_1_ref] for field in commands.__dataclass_fields__))
    report = audit(SPEC, RANKS, kept, refresh="simultaneous")
    # The last one removed may have been still in time at the end.
    assert rank_1_ref.sum() - report.count in (0, 1)
    assert list(report.by_rule) == ["no refresh forgotten"]
    assert "r1 should have had" in report.first[0]


def test_colliding_bursts_of_two_ranks_are_caught():
    document = SPEC.model_dump()
    for row in document["constraints"]:
        if (row["scope"], row["after"], row["before"]) == ("other_rank", ("RD",), ("WR",)):
            row["wait"] = "nBL + nRTRS"
    report = judged(DramSpec.model_validate(document), "hits")
    assert report.by_rule["data bus"] > 0
    assert report.by_rule["other_rank: RD to WR, nCL + nBL + nRTRS - nCWL"] >= report.by_rule["data bus"]


OPEN = (10, "ACT", 0, 1, 2, 7)


BROKEN = {
    "open bank": [OPEN, (100, "RD", 0, 1, 3, 7)],
    "open row": [OPEN, (100, "RD", 0, 1, 2, 8)],
    "ACT of a closed bank": [OPEN, (100, "ACT", 0, 1, 2, 8)],
    "PRE of an open bank": [OPEN, (100, "PRE", 0, 1, 3, -1)],
    "REF of a closed rank": [OPEN, (100, "REF", 0, -1, -1, -1)],
    "one command per cycle": [OPEN, (10, "ACT", 1, 1, 2, 7)],
    "data bus": [OPEN, (60, "ACT", 1, 1, 2, 7), (100, "WR", 0, 1, 2, 7), (99, "RD", 1, 1, 2, 7)],
    "rank exists": [(10, "ACT", 2, 1, 2, 7)],
    "bank_group exists": [(10, "ACT", 0, 4, 2, 7)],
    "bank exists": [(10, "ACT", 0, 1, -1, 7)],
    "row exists": [(10, "ACT", 0, 1, 2, 65536)],
    "REF and PREA name a rank": [(10, "REF", 0, 1, 2, -1)],
}


@pytest.mark.parametrize("rule", list(BROKEN))
def test_a_broken_state_rule_is_named(rule):
    assert audit(SPEC, RANKS, by_hand(*BROKEN[rule]), refresh="off").by_rule.get(rule) == 1


def test_a_bank_closed_with_its_rank_is_closed():
    closed = [OPEN, (100, "PREA", 0, -1, -1, -1), (200, "RD", 0, 1, 2, 7)]
    assert audit(SPEC, RANKS, by_hand(*closed), refresh="off").by_rule == {"open bank": 1}
    refreshed = [OPEN, (100, "PREA", 0, -1, -1, -1), (200, "REF", 0, -1, -1, -1), (700, "ACT", 0, 1, 2, 7)]
    assert audit(SPEC, RANKS, by_hand(*refreshed), refresh="off").count == 0


def test_an_open_bank_of_another_rank_does_not_stop_a_refresh():
    commands = by_hand(OPEN, (100, "REF", 1, -1, -1, -1))
    assert audit(SPEC, RANKS, commands, refresh="off").count == 0


@pytest.mark.parametrize("block", [5, 100])
@pytest.mark.parametrize("name", ["nFAW", "nRFC", "nRAS", "nCWL", "nRTRS"])
def test_the_verdict_does_not_depend_on_how_many_commands_are_judged_at_a_time(monkeypatch, name, block):
    short = changed(**{name: SPEC.cycles[name] - 1})
    commands = run(short, RANKS, traffic("random", 250), refresh="staggered").as_commands()
    # Every 50th command lost leaves rows open, and closed, that should not be.
    kept = np.flatnonzero(np.arange(len(commands)) % 50 > 0)
    commands = Commands(*(getattr(commands, field)[kept] for field in commands.__dataclass_fields__))
    at_once = audit(SPEC, RANKS, commands, refresh="staggered")
    monkeypatch.setattr("recnmp.memory.audit._BLOCK", block)
    assert audit(SPEC, RANKS, commands, refresh="staggered") == at_once
    assert at_once.count > 0


def pieces(commands: Commands, lengths: list[int]) -> list[Commands]:
    ends = np.cumsum(lengths)
    cuts = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    return [Commands(*(getattr(commands, f)[cut] for f in commands.__dataclass_fields__)) for cut in cuts]


@pytest.mark.parametrize("refresh", ["simultaneous", "staggered"])
def test_the_verdict_on_commands_as_they_come_is_that_on_all_at_once(refresh):
    # refreshed half as often as the standard wants, and never after the last but one piece
    seldom = changed(nREFI=2 * SPEC.cycles["nREFI"], nRFC=SPEC.cycles["nRFC"] - 1)
    commands = run(seldom, RANKS, traffic("sparse", 3000), refresh=refresh).as_commands()
    lengths = [0, 1, 700, 0, 2, len(commands) - 703 - 900, 900]
    at_once = audit(SPEC, RANKS, commands, refresh=refresh)
    auditor = Auditor(SPEC, RANKS, refresh=refresh)
    for piece in pieces(commands, lengths):
        auditor.add(piece)
    assert auditor.report() == auditor.report() == at_once
    assert {"refresh in time", "no refresh forgotten"} <= at_once.by_rule.keys()
    assert len(at_once.by_rule) > 2


def test_a_command_to_nowhere_in_a_later_piece_is_all_that_is_reported():
    auditor = Auditor(SPEC, RANKS, refresh="off")
    auditor.add(by_hand((110, "RD", 0, 1, 2, 7)))
    assert auditor.report().by_rule == {"open bank": 1}
    auditor.add(by_hand((120, "ACT", RANKS, 1, 2, 7)))
    auditor.add(by_hand((121, "RD", 0, 1, 2, 7)))
    assert auditor.report().by_rule == {"rank exists": 1}


def test_a_violation_is_told_in_words():
    report = audit(SPEC, RANKS, by_hand((110, "ACT", 0, 1, 2, 7), (123, "RD", 0, 1, 2, 7)), refresh="off")
    assert report.first == ("cycle 123: RD r0 bg1 b2 follows ACT at 110, nRCD wants 16",)
    assert (report.count, report.by_rule) == (1, {"bank: ACT to RD/WR, nRCD": 1})


def test_only_the_first_violations_are_told():
    many = [(10 * n, "RD", 0, 0, 0, 7) for n in range(1, 50)]
    report = audit(SPEC, RANKS, by_hand(*many), refresh="off")
    assert report.count == 49
    assert [line.split(":")[0] for line in report.first] == [f"cycle {10 * n}" for n in range(1, 9)]


def test_no_commands_are_legal_and_an_unknown_refresh_is_an_error():
    assert audit(SPEC, RANKS, by_hand(), refresh="staggered").count == 0
    with pytest.raises(RecnmpError, match="sometimes"):
        audit(SPEC, RANKS, by_hand(), refresh="sometimes")


def test_commands_of_unequal_length_or_unknown_kind_are_an_error():
    good = by_hand(OPEN)
    fields = [getattr(good, name) for name in good.__dataclass_fields__]
    with pytest.raises(RecnmpError, match="rank has shape"):
        Commands(*fields[:2], np.zeros(2, np.int64), *fields[3:])
    with pytest.raises(RecnmpError, match="command must be 0 to 7"):
        Commands(fields[0], np.array([8], np.int8), *fields[2:])
    assert good.counts()["ACT"] == len(good) == 1
