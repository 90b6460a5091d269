"""Stored times: the shipped profiles, what is read between their points, and the way back to a file."""

from pathlib import Path

import pytest

from recnmp._registry import library_names
from recnmp.config import Document, load_config
from recnmp.errors import ConfigError
from recnmp.library.device import BatchTimes, DeviceProfile, PartTiming, instability, load_device
from recnmp.library.machine import cpu_model
from recnmp.library.model import load_model
from recnmp.mlp import profiling
from recnmp.mlp.dense import check_timeable
from recnmp.mlp.process import Samples
from recnmp.mlp.profile import time_from_profile
from recnmp.mlp.profiling import measure_profile, write_profile
from recnmp.mlp.timing import PARTS, part_from_samples
from recnmp.trace.storage import read_header

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("[!s]*.yaml"))  # no sweeps: they are many runs

RM1 = ("bottom_mlp", "interaction", "top_mlp")


def part(median_ns: float, iqr_ns: float = 0.0) -> PartTiming:
    return PartTiming(median_ns=median_ns, iqr_ns=iqr_ns, min_ns=median_ns / 2, repeats=10)


def made_up(**times_ns: float) -> DeviceProfile:
    """A profile of rm1 with batches 4 and 64 whose every part takes the given time."""
    rm1 = load_model("rm1")
    batches = [
        {"batch_size": size, "parts": dict.fromkeys(RM1, part(ns)), "cpu_share": share, "stable": True}
        for size, ns, share in ((4, times_ns["at_4"], 0.96), (64, times_ns["at_64"], 0.99))
    ]
    return DeviceProfile.model_validate(
        {
            "name": "made_up",
            "source": "a test",
            "date": "2026-01-02",
            "machine": {"cpu_model": "Abacus", "cores": 1, "system": "Wood"},
            "backend": "fingers 10",
            "threads": 1,
            "versions": {"fingers": "10"},
            "models": {"rm1": {"layers": rm1.layers, "batches": batches}},
        }
    )


@pytest.mark.parametrize("name", library_names("devices"))
def test_every_shipped_profile_times_each_model_it_has_from_one_sample_to_a_thousand(name):
    device = load_device(name)

    assert device.name == name
    for model in device.models:
        one, thousand = (time_from_profile(device, model, batch) for batch in (1, 1024))
        assert one.total_ns < thousand.total_ns
        assert thousand.method == "profile"
        assert device.date in thousand.note


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_configuration_that_names_a_profile_is_covered_by_it(path):
    config = load_config(path)

    if config.mlp.kind == "profile":
        batch_size = read_header(config.trace.file).meta["batch_size"]
        assert time_from_profile(load_device(config.mlp.device), config.model, batch_size).total_ns > 0
    else:
        check_timeable(load_model(config.model))  # then it is measured where it runs


def test_a_measured_batch_is_returned_as_it_is():
    timing = time_from_profile(made_up(at_4=100.0, at_64=900.0), "rm1", 64)

    assert timing.total_ns == 2700.0
    assert timing.device == "made_up"
    assert timing.measured_on == "2026-01-02"
    assert timing.note == "stored times of 2026-01-02, not measured in this run"


@pytest.mark.parametrize(
    ("at_64", "at_16"), [(100.0, 100.0), (1600.0, 400.0), (400.0, 200.0)], ids=["constant", "linear", "root"]
)
def test_between_two_batches_a_power_law_is_met_exactly(at_64, at_16):
    timing = time_from_profile(made_up(at_4=100.0, at_64=at_64), "rm1", 16)

    assert timing.parts["top_mlp"].median_ns == pytest.approx(at_16)
    assert timing.parts["top_mlp"].min_ns == pytest.approx(at_16 / 2)
    assert timing.cpu_share == 0.96
    assert "interpolated between batch 4 and 64" in timing.note


@pytest.mark.parametrize("batch_size", [3, 65])
def test_nothing_is_extrapolated(batch_size):
    with pytest.raises(ConfigError, match=f"batch size {batch_size} lies outside what was measured: 4, 64"):
        time_from_profile(made_up(at_4=100.0, at_64=900.0), "rm1", batch_size)


def test_an_unknown_model_is_an_error_that_names_the_known_ones():
    with pytest.raises(ConfigError, match="'made_up' has no model 'rm2'; it has rm1; did you mean 'rm1'"):
        time_from_profile(made_up(at_4=100.0, at_64=900.0), "rm2", 4)


def test_times_of_other_layers_are_refused():
    device = made_up(at_4=100.0, at_64=900.0)
    other = device.models["rm1"].model_copy(update={"layers": load_model("rm2").layers})

    with pytest.raises(ConfigError, match="measured for other layers than model 'rm1' has now"):
        time_from_profile(device.model_copy(update={"models": {"rm1": other}}), "rm1", 4)


def test_a_written_profile_reads_back_as_it_was(tmp_path):
    device = made_up(at_4=123.4, at_64=900.0)

    write_profile(device, tmp_path / "made_up.yaml")

    assert Document.read(tmp_path / "made_up.yaml").validate(DeviceProfile) == device


def test_a_profile_pools_the_samples_of_all_processes(monkeypatch):
    shown, processes = [], iter([1.0, 1.0, 3.0, 3.0])

    def fresh_process(points, how):
        level = next(processes)
        parts = {name: [level * 1000.0] * 2 for name in RM1}
        return [Samples("torch 9", parts, cpu_ns=90, wall_ns=100) for _ in points]

    monkeypatch.setattr(profiling, "sample_in_fresh_process", fresh_process)
    monkeypatch.setattr(profiling.importlib.metadata, "version", lambda name: f"{name}-version")
    device = measure_profile("mine", ["rm1", "rm2"], [16, 4], processes=2, progress=shown.append)

    assert list(device.models) == ["rm1", "rm2"]
    first, second = device.models["rm2"].batches
    assert (first.batch_size, second.batch_size) == (4, 16)
    assert first.parts["top_mlp"] == PartTiming(median_ns=2000.0, iqr_ns=2000.0, min_ns=1000.0, repeats=4)
    assert (first.cpu_share, first.stable) == (0.9, False)
    assert device.versions["torch"] == "torch-version"
    assert shown == [f"round {n} of 2: rm{m} ({m} of 2)" for n in (1, 2) for m in (1, 2)]
    assert set(device.clocks) == {
        f"{key} {when}" for key in ("cpu_mhz", "governor") for when in ("before", "after")
    }


def test_a_flag_that_the_figures_contradict_is_an_error():
    times = dict.fromkeys(RM1, part(100.0)) | {"interaction": part(100.0, iqr_ns=16.0)}

    with pytest.raises(ValueError, match="stable is True, but the figures say: interaction spread 16%"):
        BatchTimes(batch_size=1, parts=times, cpu_share=1.0, stable=True)


def test_batches_out_of_order_are_an_error():
    times = made_up(at_4=100.0, at_64=900.0).models["rm1"].model_dump()
    times["batches"] = times["batches"][::-1]

    with pytest.raises(ValueError, match="smallest batch_size first"):
        made_up(at_4=1.0, at_64=1.0).models["rm1"].model_validate(times)


@pytest.mark.parametrize(
    ("iqr_ns", "cpu_share", "why"),
    [
        (15.0, 0.95, ""),
        (15.1, 0.95, "top_mlp spread 15%"),
        (0.0, 0.94, "threads on a CPU only 94% of the time"),
        (40.0, 0.5, "top_mlp spread 40%, threads on a CPU only 50% of the time"),
    ],
)
def test_a_measurement_is_stable_within_its_limits_and_says_why_beyond(iqr_ns, cpu_share, why):
    assert instability({"top_mlp": part(100.0, iqr_ns)}, cpu_share) == why


def test_a_part_is_summarised_by_median_quartiles_and_minimum():
    assert part_from_samples([5.0, 1.0, 3.0, 2.0, 4.0]) == PartTiming(
        median_ns=3.0, iqr_ns=2.0, min_ns=1.0, repeats=5
    )


def test_a_timing_lists_plain_values_in_the_order_the_parts_run():
    values = time_from_profile(made_up(at_4=100.0, at_64=900.0), "rm1", 4).to_dict()

    assert [key for key in values if key in PARTS] == ["bottom_mlp", "interaction", "top_mlp"]
    assert values["total_ns"] == 300.0
    assert values["stable"] is True
    assert values["machine"] == {"cpu_model": "Abacus", "cores": 1, "system": "Wood"}


def test_the_processor_is_named_by_its_own_words_where_there_are_any(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Abacus 3000 @ 1 Hz\n")

    assert cpu_model(cpuinfo) == "Abacus 3000 @ 1 Hz"
    assert cpu_model(tmp_path / "absent")
