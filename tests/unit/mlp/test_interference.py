"""Dense parts beside a gather: what is compared with what, and how a simulation uses it."""

from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import some_trace
from test_profile import made_up, part

from recnmp.config import load_config
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.device import BesideTimes, Interference
from recnmp.library.model import load_model
from recnmp.mlp import interference
from recnmp.mlp.gather import GatherSamples
from recnmp.mlp.interference import measure_interference, within
from recnmp.mlp.process import How, Samples
from recnmp.mlp.profile import slowdown_from_profile
from recnmp.mlp.profiling import write_profile
from recnmp.resolve import resolve
from recnmp.simulate import simulate

RM1 = ("bottom_mlp", "interaction", "top_mlp")


def beside(batch_size=4, threads=1, slower=(1.0, 2.0, 1.5), gather=3.0) -> BesideTimes:
    return BesideTimes(
        batch_size=batch_size,
        gather_threads=threads,
        alone=dict.fromkeys(RM1, part(100.0)),
        beside={name: part(100.0 * factor) for name, factor in zip(RM1, slower, strict=True)},
        gather_alone=part(10.0),
        gather_beside=part(10.0 * gather),
        cpu_share=1.0,
    )


def profile_with(*points: BesideTimes):
    found = Interference(
        date="2026-03-04", layers=load_model("rm1").layers, gather="rm1 in FP32", points=points
    )
    return made_up(at_4=100.0, at_64=900.0).model_copy(update={"interference": {"rm1": found}})


class FakeGather:
    """A gather whose passes take 60 ns a lookup, and while it runs beside something else 90."""

    def __init__(self, passes, lookups):
        ns = (60 if passes else 90) * lookups
        self.samples = GatherSamples("fake", [0] * 10, [k * ns for k in range(10)], [ns] * 10, ns * 10)

    def go(self):
        self.told = True

    def answer(self):
        return self.samples._asdict()


@pytest.fixture
def fake(monkeypatch):
    """Dense parts that take 1000 ns, and 1500 beside a gather that has been told to go."""
    running = []

    @contextmanager
    def gathering(plan, threads, passes):
        running.append(passes is None)
        yield FakeGather(passes, plan.lookups)
        running.pop()

    def sample(points, how):
        ns = 1500.0 if any(running) else 1000.0
        return [Samples("fake", dict.fromkeys(RM1, [ns] * 3), 100_000, 100_000, started_ns=0) for _ in points]

    monkeypatch.setattr(interference, "gathering", gathering)
    monkeypatch.setattr(interference, "sample_in_fresh_process", sample)
    monkeypatch.setattr(interference, "available_cores", lambda: 2)


def test_alone_and_beside_are_told_apart(fake):
    shown = []
    found = measure_interference(
        ["rm1"], [64, 4], some_trace(), "some trace", how=How(), table_bytes=1 << 20, progress=shown.append
    )

    four, sixty_four = found["rm1"].points
    assert (four.batch_size, sixty_four.batch_size) == (4, 64)
    assert four.dense_slowdown == dict.fromkeys(RM1, 1.5)
    assert four.sls_slowdown == 1.5
    assert found["rm1"].gather.startswith("some trace in FP32, tables of ")
    assert shown == [f"rm1: round {number} of 3" for number in (1, 2, 3)]


def test_passes_outside_the_dense_parts_time_do_not_count():
    gather = GatherSamples("fake", [0, 1, 2, 3], [0, 100, 200, 300], [90, 91, 92, 93], 0)
    dense = Samples("fake", {}, 0, wall_ns=250, started_ns=90)

    assert within(gather, dense) == GatherSamples("fake", [1, 2], [100, 200], [91, 92], 0)


def test_a_gather_too_slow_to_be_seen_is_an_error(fake, monkeypatch):
    nothing = GatherSamples("fake", [], [], [], 0)
    monkeypatch.setattr(interference, "within", lambda *_: nothing)
    with pytest.raises(RecnmpError, match="a pass of the gather takes longer"):
        measure_interference(["rm1"], [4], some_trace(), "t", how=How(), table_bytes=1 << 20)


def test_threads_that_would_take_turns_are_refused(monkeypatch):
    monkeypatch.setattr(interference, "available_cores", lambda: 2)
    with pytest.raises(ConfigError, match="1 threads of the dense part and 2 that gather need as many cores"):
        measure_interference(["rm1"], [4], some_trace(), "t", how=How(), gather_threads=2)


def test_noise_is_no_relief():
    assert beside(slower=(0.9, 1.0, 1.1), gather=0.8).dense_slowdown["bottom_mlp"] == 1.0
    assert beside(gather=0.8).sls_slowdown == 1.0


def test_figures_of_fewer_threads_are_a_floor_and_none_are_extrapolated():
    device = profile_with(beside(threads=1), beside(threads=3, slower=(2.0, 2.0, 2.0)))

    assert slowdown_from_profile(device, "rm1", 4, others=2)[1].gather_threads == 1
    assert slowdown_from_profile(device, "rm1", 4, others=7)[0] == dict.fromkeys(RM1, 2.0)
    with pytest.raises(ConfigError, match="batch size 64 lies outside what was measured: 4"):
        slowdown_from_profile(device, "rm1", 64, others=1)
    with pytest.raises(ConfigError, match="has no model 'rm2'; it has rm1"):
        slowdown_from_profile(device, "rm2", 4, others=1)


def test_between_batches_the_factor_follows_a_power_law():
    device = profile_with(beside(4, slower=(1.0, 1.0, 1.0)), beside(64, slower=(1.0, 4.0, 1.0)))

    assert slowdown_from_profile(device, "rm1", 16, others=1)[0]["interaction"] == pytest.approx(2.0)


@pytest.fixture
def stored(tmp_path) -> Path:
    write_profile(profile_with(beside(4), beside(64)), tmp_path / "made_up.yaml")
    return tmp_path / "made_up.yaml"


def options(device: Path, *more: str) -> list[str]:
    return ["mlp.kind=profile", f"mlp.device={device}", "trace.batches=2", "functional_check=off", *more]


def test_the_host_alone_is_slowed_where_models_are_co_located_and_the_result_names_it(stored):
    together = options(stored, "arrival.threads=2", "arrival.tables=separate")
    off = simulate(load_config("rank2", together)).to_dict()
    on = simulate(load_config("rank2", [*together, "end_to_end.interference=profile"])).to_dict()

    assert off["end_to_end"]["interference"] == "off"
    assert "beside 1 gathering thread of 1 (rm1 in FP32)" in on["end_to_end"]["interference"]
    assert on["end_to_end"]["host_ns"] - off["end_to_end"]["host_ns"] == pytest.approx(900 * (1.0 + 0.5))
    assert on["end_to_end"]["nmp_ns"] == off["end_to_end"]["nmp_ns"]
    assert on["mlp"]["host_slowdown"] == {"bottom_mlp": 1.0, "interaction": 2.0, "top_mlp": 1.5}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["mlp.kind=profile"], "profile is for models that run beside each other; arrival.threads is 1"),
        (["mlp.kind=measured", "arrival.threads=2"], "profile needs mlp.kind: profile, got measured"),
    ],
)
def test_interference_without_a_measurement_or_a_neighbour_is_refused(stored, more, why):
    device = [f"mlp.device={stored}"] if more[0] == "mlp.kind=profile" else []
    with pytest.raises(ConfigError, match=f"end_to_end.interference: {why}"):
        resolve(load_config("rank2", [*more, *device, "end_to_end.interference=profile"]))


def test_a_stored_profile_gives_the_same_figures_on_any_machine(stored, monkeypatch):
    config = load_config("rank2", options(stored))
    here = simulate(config)
    for name in ("cpu_model", "available_cores", "llc_bytes"):
        monkeypatch.setattr(f"recnmp.library.machine.{name}", lambda *_: 1 / 0)
    monkeypatch.setattr("recnmp.mlp.profile.age_days", lambda date: 9999)
    there = simulate(config)

    assert there.mlp["age_days"] == 9999
    for section in ("end_to_end", "sls", "memory", "nmp", "energy"):
        assert repr(getattr(there, section)) == repr(getattr(here, section))
    assert here.end_to_end["breakdown"]["host"]["top_mlp_ns"] == 900.0
