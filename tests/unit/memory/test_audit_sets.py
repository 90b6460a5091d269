"""The audit of commands to sets of banks: same-bank refresh."""

import numpy as np
import pytest
from builders import DDR4, DDR5, by_hand, spec_with
from reference.frfcfs_tick import run

from recnmp.errors import ConfigError
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands

SETS = DDR5.organization.banks_per_group.value
OF_SET_2 = (10, "ACT", 0, 5, 2, 7)
BROKEN_SETS = {
    "REFsb of a closed set": [OF_SET_2, (200, "REFsb", 0, -1, 2, -1)],
    "open bank": [OF_SET_2, (200, "PREsb", 0, -1, 2, -1), (300, "RD", 0, 5, 2, 7)],
    "REFsb and PREsb name a set": [(10, "REFsb", 0, 5, 2, -1)],
    "bank exists": [(10, "PREsb", 0, -1, SETS, -1)],
    "REF of a closed rank": [OF_SET_2, (200, "PREsb", 0, -1, 1, -1), (400, "REF", 0, -1, -1, -1)],
}


@pytest.mark.parametrize("rule", list(BROKEN_SETS))
def test_a_broken_state_rule_of_sets_is_named(rule):
    assert audit(DDR5, 1, by_hand(*BROKEN_SETS[rule]), refresh="off").by_rule.get(rule) == 1


def test_a_bank_closed_with_its_set_is_closed_and_the_others_stay_open():
    other = (60, "ACT", 0, 5, 3, 7)
    closed = [OF_SET_2, other, (200, "PREsb", 0, -1, 2, -1), (240, "REFsb", 0, -1, 2, -1)]
    assert audit(DDR5, 1, by_hand(*closed, (320, "RD", 0, 5, 3, 7)), refresh="off").count == 0
    everything = [*closed, (700, "PREA", 0, -1, -1, -1), (800, "REF", 0, -1, -1, -1)]
    assert audit(DDR5, 1, by_hand(*everything), refresh="off").count == 0


def test_a_standard_without_them_knows_no_commands_to_sets():
    commands = by_hand((10, "REFsb", 0, -1, 2, -1))
    assert audit(DDR4, 1, commands, refresh="off").by_rule == {"command exists": 1}
    with pytest.raises(ConfigError, match="no same-bank refresh"):
        audit(DDR4, 1, commands, refresh="same_bank")


def refreshed_sets(ranks: int, rounds: int) -> Commands:
    """REFsb of every rank and set when due, and nothing else."""
    interval = DDR5.same_bank_interval
    return by_hand(
        *(
            ((rank + 1) * (interval // ranks) + n * interval, "REFsb", rank, -1, n % SETS, -1)
            for n in range(rounds * SETS)
            for rank in range(ranks)
        )
    )


def test_sets_refreshed_in_turn_are_in_time():
    assert audit(DDR5, 2, refreshed_sets(2, 3), refresh="same_bank").first == ()


def test_a_set_refreshed_before_its_turn_is_caught():
    commands = refreshed_sets(2, 3)
    commands.bank[2] = 0  # rank 0: set 0, 0, 2, 3
    report = audit(DDR5, 2, commands, refresh="same_bank")
    assert report.by_rule == {"sets in turn": 1}
    assert "r0 b0 refreshes a set again" in report.first[0]


def test_a_set_whose_refreshes_stop_is_caught():
    commands = refreshed_sets(1, 4)
    end = by_hand((100_000, "ACT", 0, 0, 0, 1))
    together = Commands(
        *(
            np.concatenate([getattr(part, f) for part in (commands, end)])
            for f in commands.__dataclass_fields__
        )
    )
    report = audit(DDR5, 1, together, refresh="same_bank")
    overdue = (100_000 - DDR5.same_bank_interval - DDR5.cycles["nREFI2"]) // DDR5.same_bank_interval + 1
    assert report.by_rule == {"no refresh forgotten": overdue - 4 * SETS}
    assert "REFsb more by now" in report.first[0]


def test_a_refresh_of_a_set_late_by_its_interval_is_caught():
    commands = refreshed_sets(1, 4)
    commands.cycle[8:] += DDR5.cycles["nREFI2"] - 1
    assert audit(DDR5, 1, commands, refresh="same_bank").count == 0
    commands.cycle[8:] += 1
    assert audit(DDR5, 1, commands, refresh="same_bank").by_rule == {"refresh in time": 8}


TIMINGS = ("nRFCsb", "nREFSBRD", "nRP", "nRRD_L", "nRAS", "nRTP", "nWR", "nPPD")
OFTEN = {"nREFI2": 2000}


def traffic(count: int, arrive: int) -> list[tuple[int, ...]]:
    """Requests (arrive, is_write, rank, bank_group, bank, row, column) to two sets of two bank groups."""
    rng = np.random.default_rng(3)
    limits = (2, 2, 2, 2, 64)
    place = [rng.integers(0, limit, count) for limit in limits]
    when = np.cumsum(rng.integers(0, arrive + 1, count))
    return np.column_stack([when, rng.random(count) < 0.3, *place]).tolist()


@pytest.mark.parametrize("name", TIMINGS)
def test_every_timing_of_sets_one_clock_short_is_caught(name):
    short = spec_with(DDR5, **OFTEN, **{name: DDR5.cycles[name] - 1})
    found = set()
    for arrive in (0, 30):
        commands = run(short, 2, traffic(900, arrive), refresh="same_bank").as_commands()
        assert commands.counts()["REFsb"] > 20
        found |= set(audit(spec_with(DDR5, **OFTEN), 2, commands, refresh="same_bank").by_rule)
    assert any(name in rule and "sb" in rule for rule in found)


@pytest.mark.parametrize("block", [5, 100])
def test_the_verdict_on_sets_does_not_depend_on_how_many_commands_are_judged_at_a_time(monkeypatch, block):
    spec = spec_with(DDR5, **OFTEN)
    commands = run(spec, 2, traffic(300, 10), refresh="same_bank").as_commands()
    # Every 50th command lost leaves rows open, and closed, that should not be.
    kept = np.flatnonzero(np.arange(len(commands)) % 50 > 0)
    commands = Commands(*(getattr(commands, field)[kept] for field in commands.__dataclass_fields__))
    at_once = audit(spec, 2, commands, refresh="same_bank")
    monkeypatch.setattr("recnmp.memory.audit._BLOCK", block)
    assert audit(spec, 2, commands, refresh="same_bank") == at_once
    assert at_once.count > 0


def test_the_twin_refreshes_sets_without_a_violation():
    spec = spec_with(DDR5, **OFTEN)
    commands = run(spec, 2, traffic(900, 10), refresh="same_bank").as_commands()
    assert audit(spec, 2, commands, refresh="same_bank").first == ()
    assert commands.counts()["REF"] == 0
