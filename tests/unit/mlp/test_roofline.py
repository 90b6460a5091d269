"""The roofline of a device: work over measured time below measured roofs, and what memory lifts."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from recnmp.cli import cli
from recnmp.config.schema import MemoryConfig
from recnmp.errors import ConfigError
from recnmp.library.device import load_device
from recnmp.library.dram import load_standard
from recnmp.library.part_timing import PartTiming
from recnmp.memory.roofs import memory_roofs
from recnmp.mlp.profile import operator_times, sls_from_profile
from recnmp.mlp.roofline import roofline
from recnmp.report.roofline import draw_roofline, roofline_lines

DEVICE = "xeon_2core_shared_2026"
EIGHT = MemoryConfig(dimms_per_channel=4, ranks_per_dimm=2)
DDR4 = load_standard("ddr4_2400")


@pytest.fixture(scope="module")
def document() -> dict:
    return roofline(load_device(DEVICE), ["rm1", "ncf"], [64, 1], EIGHT)


def test_eight_ranks_lift_the_roof_eight_times_where_an_entry_fills_two_bursts():
    roofs = memory_roofs(DDR4, EIGHT, 128)
    assert roofs.near_memory_gb_per_s == pytest.approx(8 * roofs.host_gb_per_s)
    assert roofs.rank_limit == "data bus"
    assert roofs.host_gb_per_s == pytest.approx(DDR4.peak_gb_per_s * (1 - 350 / 7800), rel=2e-3)  # ns


def test_entries_of_one_burst_are_limited_by_rows_that_a_rank_may_open():
    one = memory_roofs(DDR4, MemoryConfig(refresh="off", ranks_per_dimm=1), 64)
    eight = memory_roofs(DDR4, EIGHT.model_copy(update={"refresh": "off"}), 64)

    assert one.rank_limit == "nFAW"
    assert one.rank_share == pytest.approx(4 * 4 / 26)
    assert one.near_memory_gb_per_s == one.host_gb_per_s
    assert eight.host_gb_per_s == pytest.approx(DDR4.peak_gb_per_s)  # its bus, not its ranks
    assert eight.near_memory_gb_per_s == pytest.approx(8 * one.near_memory_gb_per_s)


def test_staggered_refresh_costs_ranks_but_not_the_bus_they_share():
    staggered = memory_roofs(DDR4, EIGHT.model_copy(update={"refresh": "staggered"}), 128)
    together = memory_roofs(DDR4, EIGHT, 128)
    assert staggered.host_gb_per_s == pytest.approx(DDR4.peak_gb_per_s)
    assert staggered.near_memory_gb_per_s == together.near_memory_gb_per_s


def test_a_point_is_work_over_measured_time_below_the_roofs(document):
    (point,) = [
        p
        for p in document["points"]
        if (p["model"], p["operator"], p["batch_size"]) == ("rm1", "top_mlp", 64)
    ]
    ns = operator_times(load_device(DEVICE), "rm1", 64)["top_mlp"].median_ns
    assert point["product_flop"] == 2 * 64 * (288 * 256 + 256 * 64 + 64)
    assert point["gflop_per_s"] == (point["product_flop"] + point["other_flop"]) / ns
    assert point["bound"] == "compute"
    assert point["roof_from_dram_gflop_per_s"] == document["roofs"]["gflop_per_s"]


def test_sls_is_bound_by_memory_and_only_memory_lifts_it(document):
    sls = [p for p in document["points"] if p["operator"] == "sls"]
    assert [(p["model"], p["batch_size"]) for p in sls] == [("rm1", 1), ("rm1", 64), ("ncf", 1), ("ncf", 64)]
    for point in sls:
        assert point["bound"] == "memory"
        assert point["flop_per_byte"] < 0.25
        assert point["gflop_per_s"] < document["memory"]["near_memory_gb_per_s"] * point["flop_per_byte"]


def test_no_operator_is_faster_than_the_measured_product(document):
    assert all(p["gflop_per_s"] < document["roofs"]["gflop_per_s"] for p in document["points"])


def test_a_device_without_roofs_and_a_model_without_times_are_refused():
    device = load_device(DEVICE)
    with pytest.raises(ConfigError, match="measure roof"):
        roofline(device.model_copy(update={"roof": None}), ["rm1"], [1], EIGHT)
    with pytest.raises(ConfigError, match=r"SLS of batches.*no model 'axdimm60'"):
        sls_from_profile(device, "axdimm60", 1)
    changed = device.sls_batches["rm1"].model_copy(update={"tables": ()})
    with pytest.raises(ConfigError, match="other tables"):
        sls_from_profile(device.model_copy(update={"sls_batches": {"rm1": changed}}), "rm1", 1)


def test_sls_between_measured_batches_lies_between_their_times():
    device = load_device(DEVICE)
    low, between, high = (sls_from_profile(device, "rm1", batch)[0].median_ns for batch in (64, 128, 256))
    assert low < between < high
    assert between == pytest.approx((low * high) ** 0.5)


def test_a_model_without_measured_sls_has_a_point_without_a_time():
    found = roofline(load_device(DEVICE), ["axdimm60"], [64], EIGHT)
    assert [p["ns"] is None for p in found["points"]] == [p["operator"] == "sls" for p in found["points"]]
    assert " - " in "\n".join(roofline_lines(found))


def test_the_figure_has_the_same_bytes_each_time(document, tmp_path: Path):
    for name in ("a.svg", "b.svg", "c.png"):
        draw_roofline(document, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "c.png").stat().st_size > 10_000
    with pytest.raises(ConfigError, match="a figure ends in"):
        draw_roofline(document, tmp_path / "a.gif")


def test_the_command_prints_text_or_json_and_draws(tmp_path: Path):
    common = ["roofline", "--device", DEVICE, "--model", "rm1,rm3", "--batch", "64"]
    text = CliRunner().invoke(cli, [*common, "--out", str(tmp_path / "roof.svg")])
    assert text.exit_code == 0, text.output
    assert "near memory 146.6 GB/s in 8 ranks" in text.output
    assert (tmp_path / "roof.svg").exists()

    found = json.loads(CliRunner().invoke(cli, [*common, "--set", "memory.channels=2", "--json"]).stdout)
    assert found["memory"]["ranks"] == 16
    assert {p["model"] for p in found["points"]} == {"rm1", "rm3"}


def test_roofs_are_times_too():
    roof = load_device(DEVICE).roof
    assert roof is not None
    assert all(isinstance(part, PartTiming) for part in roof.parts.values())
    assert roof.cache_gb_per_s > roof.dram_gb_per_s > 1
