"""Every shipped DRAM standard, by closed forms of its own timings."""

import numpy as np
import pytest
from builders import system_of
from reference.traffic import as_requests

from recnmp._registry import library_names
from recnmp.config import Document
from recnmp.errors import ConfigError
from recnmp.library import dram
from recnmp.library.dram import COMMANDS, DramSpec, load_standard
from recnmp.library.waits import evaluate
from recnmp.memory.dramsim3.replay import Dramsim3Options, replay_dramsim3
from recnmp.memory.replay import ControllerOptions, Timeline, make_rules, replay
from recnmp.memory.requests import Requests
from recnmp.memory.setup import Setup

STANDARDS = library_names("standards")


def reads(spec: DramSpec, group: list[int], bank: list[int], row: list[int], every: int = 0) -> Timeline:
    """Read single bursts of one rank, one every ``every`` clocks, refresh off."""
    n = len(group)
    lane = np.array(group, np.int32) * spec.organization.banks_per_group.value + np.array(bank, np.int32)
    requests = Requests(
        np.array([0, n]),
        np.arange(n, dtype=np.int64) * every,
        lane.astype(np.int32),
        np.array(row, np.int32),
        np.zeros(n, np.int32),
        np.zeros(n, np.uint8),
        np.zeros(n, np.int32),
        1,
    )
    return replay(requests, spec, ControllerOptions(1, refresh="off"))


DATA_PINS = {"ddr4": 64, "ddr5": 32, "lpddr5": 16, "hbm2": 64, "hbm3": 32}
OPENING = {"hbm2": "nRCD + 1", "hbm3": "nRCD + 1"}
"""Clocks from ACT to RD where it is not nRCD: these count from the second clock of an ACT, labels from its first."""


def family(name: str) -> str:
    return name.partition("_")[0]


def data(spec: DramSpec) -> int:
    """Clocks from a RD to the end of its burst."""
    return spec.cycles["nCL"] + spec.cycles["nBL"]


@pytest.mark.parametrize("name", STANDARDS)
def test_the_peak_is_that_of_all_data_pins_at_the_data_rate(name):
    spec = load_standard(name)
    peak = DATA_PINS[family(name)] / 8 * spec.data_rate_mt_per_s.value / 1000
    assert spec.peak_gb_per_s == pytest.approx(peak, rel=2e-3)  # tCK is in whole picoseconds


@pytest.mark.parametrize("name", STANDARDS)
def test_an_unloaded_read_takes_activation_and_column_latency(name):
    spec = load_standard(name)
    opening = evaluate(OPENING.get(family(name), "nRCD"), spec.cycles)
    timeline = reads(spec, [0, 0], [0, 0], [5, 5], every=1000)
    # a request accepted in one clock can have its first command in the next
    assert list(timeline.depart - timeline.accepted) == [1 + opening + data(spec), 1 + data(spec)]


@pytest.mark.parametrize("name", STANDARDS)
def test_row_hits_in_turn_over_the_bank_groups_reach_the_peak(name):
    spec = load_standard(name)
    groups, n = spec.organization.bank_groups.value, 4000
    timeline = reads(spec, [k % groups for k in range(n)], [0] * n, [0] * n)
    start_up = groups * spec.cycles["nRRD_L"] + spec.cycles["nRCD"] + 1 + data(spec)
    assert n * spec.cycles["nBL"] <= timeline.cycles <= n * spec.cycles["nBL"] + start_up


@pytest.mark.parametrize("name", STANDARDS)
def test_row_hits_in_one_bank_group_come_every_nccd_l(name):
    spec, n = load_standard(name), 500
    timeline = reads(spec, [0] * n, [0] * n, [0] * n)
    opening = evaluate(OPENING.get(family(name), "nRCD"), spec.cycles)
    assert timeline.cycles == 1 + opening + (n - 1) * spec.cycles["nCCD_L"] + data(spec)


@pytest.mark.parametrize("name", STANDARDS)
def test_conflicts_in_one_bank_come_once_a_row_cycle(name):
    spec = load_standard(name)
    timeline = reads(spec, [0] * 100, [0] * 100, list(range(100)))
    opening = evaluate(OPENING.get(family(name), "nRCD"), spec.cycles)
    assert timeline.cycles == 1 + opening + data(spec) + 99 * spec.cycles["nRC"]


@pytest.mark.parametrize("name", STANDARDS)
def test_rows_are_opened_no_faster_than_the_act_window_and_the_command_bus_allow(name):
    spec, n = load_standard(name), 2000
    groups, banks = spec.organization.bank_groups.value, spec.organization.banks_per_group.value
    place = [(k % groups, k // groups % banks, k // groups // banks) for k in range(n)]
    group, bank, row = map(list, zip(*place, strict=True))
    timeline = reads(spec, group, bank, row)
    # every burst needs an ACT, a RD and a PRE of its own, on one command bus
    bus = sum(spec.bus_cycles[COMMANDS.index(command)] for command in ("ACT", "RD", "PRE"))
    limits = (spec.cycles["nFAW"] / 4, spec.cycles["nRRD_S"], float(bus), spec.cycles["nBL"])
    assert timeline.cycles / n == pytest.approx(max(limits), rel=0.05)
    assert timeline.cycles / n >= max(limits) * (1 - spec.banks_per_rank / n)


@pytest.mark.parametrize("name", [name for name in STANDARDS if load_standard(name).single_rank])
def test_more_ranks_than_a_channel_has_are_an_error(name):
    spec = load_standard(name)
    with pytest.raises(ConfigError, match="one rank to a channel, not 2"):
        spec.check_ranks(2)
    with pytest.raises(ConfigError, match="one rank to a channel, not 2"):
        make_rules(spec, ControllerOptions(2), has_writes=False)
    with pytest.raises(ConfigError, match="one rank to a channel, not 2"):
        system_of(spec=spec, ranks_per_dimm=2)
    with pytest.raises(ConfigError, match="one rank to a channel, not 2"):
        Setup(name, ranks=2)


def test_a_standard_with_a_rule_between_ranks_has_any_number_of_them():
    load_standard("lpddr5_6400").check_ranks(8)


@pytest.mark.parametrize("name", ["lpddr5_6400", "hbm2_2000", "hbm3_6400"])
def test_policy_dramsim3_refuses_what_it_cannot_space(name):
    requests = as_requests(np.zeros((1, 7), np.int64))
    with pytest.raises(ConfigError, match="policy dramsim3 has no rule"):
        replay_dramsim3(requests, load_standard(name), Dramsim3Options(1))


@pytest.mark.parametrize("field", ["value", "source", "certainty"])
@pytest.mark.parametrize("place", ["organization.rows", "tCK_ps", "data_rate_mt_per_s", "timings.nCL"])
def test_no_value_no_source_and_no_certainty_has_a_default(place, field):
    data = load_standard("lpddr5_6400").model_dump(mode="json")
    section, _, key = place.partition(".")
    del (data[section][key] if key else data[section])[field]
    with pytest.raises(ConfigError, match=rf"{place.replace('.', '[.]')}[.]{field}"):
        Document.from_data(data, "standard.yaml").validate(DramSpec)


def test_a_certainty_is_one_of_the_known_words():
    data = load_standard("ddr4_2400").model_dump(mode="json")
    data["timings"]["nCL"]["certainty"] = "sure"
    with pytest.raises(ConfigError, match=r"certainty.*read at the source"):
        Document.from_data(data, "standard.yaml").validate(DramSpec)


def test_a_clock_that_does_not_fit_the_data_rate_is_an_error():
    data = load_standard("ddr4_2400").model_dump()
    data["tCK_ps"]["value"] = 625
    with pytest.raises(ValueError, match=r"2400 MT/s are 1\.50 transfers in a clock of 625 ps"):
        DramSpec.model_validate(data)


def test_a_variant_keeps_what_it_does_not_state():
    fast, base = load_standard("ddr4_3200"), load_standard("ddr4_2400")
    assert fast.constraints == base.constraints
    assert fast.organization == base.organization
    assert (fast.cycles["nCL"], fast.cycles["nBL"]) == (22, base.cycles["nBL"])


@pytest.mark.parametrize("base", ["itself", "nothing", 7])
def test_extending_itself_or_nothing_is_an_error_with_its_place(base, tmp_path, monkeypatch):
    folder = tmp_path / "library" / "standards"
    folder.mkdir(parents=True)
    (folder / "itself.yaml").write_text(f"name: x\nextends: {base}\n")
    monkeypatch.setattr(dram, "PACKAGE", tmp_path)
    monkeypatch.setattr(dram, "library_names", lambda kind: ["itself"])
    with pytest.raises(ConfigError, match=r"itself\.yaml:2:10: extends: cannot extend"):
        load_standard("itself")


@pytest.mark.parametrize(
    "wait", ["nCL / 2", "nOPE + 1", "__import__('os')", "max()", "nCL if nBL else 1", "True"]
)
def test_a_wait_is_sums_products_and_max_of_timings_only(wait):
    with pytest.raises(ValueError, match="wait"):
        evaluate(wait, {"nCL": 16, "nBL": 4})


def test_a_wait_is_evaluated_by_the_usual_rules():
    assert evaluate("max(nCL, 2 * nBL + 1) - 3", {"nCL": 8, "nBL": 4}) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["timings"].pop("nREFSBRD"), "stated in part: timings lack nREFSBRD"),
        (
            lambda d: [d["timings"].pop(n) for n in ("nRFCsb", "nREFSBRD", "nREFI2")],
            "timings lack nRFCsb, nREFSBRD",
        ),
        (lambda d: d.update(constraints=d["constraints"][1:10]), "no constraint of REFsb, PREsb"),
        (lambda d: d["constraints"][-2].update(scope="bank"), "bank_set is for REFsb and PREsb"),
        (lambda d: d["constraints"][-1].update(scope="bank_set"), "bank_set is for REFsb and PREsb"),
        (lambda d: d["constraints"][1].update(scope="bank_set"), "bank_set is for REFsb and PREsb"),
        (
            lambda d: d["constraints"][0].update(before=list(COMMANDS[:6])),
            "before must list ACT, .*, REFsb, PREsb",
        ),
    ],
    ids=["a timing", "all timings", "no rules", "one bank", "REF", "no REFsb", "bus"],
)
def test_same_bank_refresh_stated_in_part_or_in_the_wrong_place_is_an_error(change, message):
    data = load_standard("ddr5_4800").model_dump(mode="json")
    change(data)
    with pytest.raises(ConfigError, match=message):
        Document.from_data(data, "standard.yaml").validate(DramSpec)
