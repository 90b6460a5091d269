"""Timing of the dense part, with clocks that the test moves."""

import os
import subprocess
import sys

import pytest

from recnmp._threads import available_cores
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.model import RecModel, TableGroup, load_model
from recnmp.mlp import process
from recnmp.mlp.measured import measure_mlp, timing_from_samples
from recnmp.mlp.operators import Operator
from recnmp.mlp.process import How, Point, Samples, checked, choose_backend, sample_in_fresh_process
from recnmp.mlp.sampling import WARM_UP, Clocks, time_call, time_parts

MODEL = RecModel(
    name="small",
    source="made up",
    bottom_mlp=(8, 4),
    top_mlp=(4, 1),
    interaction="cat",
    tables=(TableGroup(count=2, entries=10, dim=4, pooling_factor=3),),
)


class FakeTime:
    """A clock that moves only when something works."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.calls = 0

    def work(self, ns: int) -> None:
        self.now_ns += ns
        self.calls += 1

    def read(self) -> int:
        return self.now_ns


def test_a_sample_is_the_time_of_one_call():
    time = FakeTime()

    samples = time_call(lambda: time.work(2_000_000), 5, time.read)

    assert samples == [2_000_000] * 5
    assert time.calls == WARM_UP + 5


def test_a_call_shorter_than_the_clock_can_tell_is_repeated_within_a_sample():
    time = FakeTime()

    samples = time_call(lambda: time.work(1_000), 4, time.read)

    assert samples == [1_000] * 4
    assert time.calls == WARM_UP + 4 * 500


def test_warm_up_is_not_part_of_any_sample():
    time = FakeTime()

    samples = time_call(lambda: time.work(10**9 if time.calls < WARM_UP else 10**6), 3, time.read)

    assert samples == [10**6] * 3


def test_each_part_is_timed_on_its_own_and_the_cpu_share_covers_all_of_them():
    time = FakeTime()

    def part(ns):
        return lambda x: time.work(ns) or x + ns

    chain = [
        Operator("bottom_mlp", ("features",), "bottom", part(3_000_000)),
        Operator("interaction", ("bottom",), "joined", part(500_000)),
        Operator("top_mlp", ("joined",), "out", part(7_000_000)),
    ]
    clocks = Clocks(wall=time.read, cpu=lambda: time.read() // 2)
    samples = time_parts(chain, {"features": 0}, 3, clocks, "fake")

    assert samples.parts == {"bottom_mlp": [3e6] * 3, "interaction": [5e5] * 3, "top_mlp": [7e6] * 3}
    assert samples.wall_ns == 13 * (3_000_000 + 500_000 + 7_000_000)
    assert samples.cpu_ns / samples.wall_ns == pytest.approx(0.5)


def test_the_cpu_clock_leaves_out_what_other_work_took():
    time = FakeTime()
    chain = [Operator("top_mlp", ("x",), "out", lambda _: time.work(4_000_000))]
    clocks = Clocks(wall=time.read, cpu=lambda: time.read() // 4)

    assert time_parts(chain, {"x": 0}, 3, clocks, "fake", "cpu").parts == {"top_mlp": [1e6] * 3}


@pytest.mark.parametrize("wanted", [{"threads": 2}, {"device": "cuda"}])
def test_the_cpu_clock_is_that_of_one_thread_on_the_cpu(wanted, monkeypatch):
    monkeypatch.setattr(process, "available_cores", lambda: 2)
    monkeypatch.setattr(process, "choose_backend", lambda _: "torch")
    with pytest.raises(ConfigError, match="clock cpu: that of one thread on the CPU"):
        checked(How(clock="cpu", **wanted))


def test_the_cpu_share_is_that_of_every_thread():
    runs = [Samples("fake", {"top_mlp": [1.0] * 3}, cpu_ns=150, wall_ns=100)]

    assert timing_from_samples(Point(MODEL, 4), runs, How(threads=2)).cpu_share == 0.75


def test_numpy_is_timed_in_a_process_of_its_own_and_says_so():
    before = dict(os.environ)

    timing = measure_mlp(MODEL, 4, backend="numpy", repeats=3)

    assert timing.method == "measured"
    assert timing.backend.startswith("numpy ")
    assert timing.batch_size == 4
    assert [part.repeats for part in timing.parts.values()] == [3, 3, 3]
    assert all(0 < part.min_ns <= part.median_ns for part in timing.parts.values())
    assert dict(os.environ) == before


def test_the_fresh_process_gets_its_thread_count_before_any_library_starts(monkeypatch):
    seen = {}

    def run(command, **options):
        seen.update(options["env"])
        raise OSError("stop here")

    monkeypatch.setattr(process.subprocess, "Popen", run)
    with pytest.raises(RecnmpError, match="stop here"):
        measure_mlp(MODEL, 4, backend="numpy", threads=1)

    assert seen["OPENBLAS_NUM_THREADS"] == seen["OMP_NUM_THREADS"] == seen["MKL_NUM_THREADS"] == "1"
    assert seen["OMP_WAIT_POLICY"] == "PASSIVE"


def test_torch_is_timed_when_it_is_installed_and_leaves_its_settings_here_alone():
    torch = pytest.importorskip("torch", reason="times PyTorch")
    threads = torch.get_num_threads()

    timing = measure_mlp(load_model("rm1"), 1, threads=1, repeats=3)

    assert timing.backend == f"torch {torch.__version__}"
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("installed", "chosen"), [(True, "torch"), (False, "numpy")])
def test_auto_takes_torch_where_it_is_installed(installed, chosen):
    assert choose_backend("auto", torch_installed=installed) == chosen


def test_a_torch_that_is_not_installed_is_an_error_when_asked_for():
    with pytest.raises(ConfigError, match="torch is not installed; pip install"):
        choose_backend("torch", torch_installed=False)


def test_an_unknown_backend_is_an_error():
    with pytest.raises(ConfigError, match="'cuda'; allowed: auto, numpy, torch"):
        choose_backend("cuda")


@pytest.mark.parametrize("wanted", [{"device": "cuda"}, {"dtype": "bf16"}, {"compiled": True}])
def test_numpy_refuses_what_only_torch_has(wanted):
    with pytest.raises(ConfigError, match="NumPy computes in fp32 on the CPU, uncompiled"):
        checked(How(backend="numpy", **wanted))


def test_a_gpu_that_is_not_there_is_refused_by_the_fresh_process():
    torch = pytest.importorskip("torch", reason="asks PyTorch for a GPU")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match="device cuda: this PyTorch sees no CUDA device"):
        sample_in_fresh_process([Point(MODEL, 1)], How(device="cuda"))


@pytest.mark.parametrize("threads", [0, available_cores() + 1])
def test_more_threads_than_cores_or_none_is_an_error(threads):
    with pytest.raises(ConfigError, match=f"mlp.threads: {threads} asked, allowed: 1 to {available_cores()}"):
        measure_mlp(MODEL, 4, backend="numpy", threads=threads)


@pytest.mark.parametrize(("batch_size", "repeats"), [(0, 30), (4, 2)])
def test_an_empty_batch_or_too_few_repeats_is_an_error(batch_size, repeats):
    with pytest.raises(ConfigError, match="at least 3 repeats and a batch of at least 1"):
        measure_mlp(MODEL, batch_size, backend="numpy", repeats=repeats)


@pytest.mark.parametrize("before_it_is_asked", [False, True])
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo Traceback >&2; echo MemoryError: no room >&2; exit 1", "MemoryError: no room"),
        ("kill -9 $$", "its process ended with -9"),
        ("exit 0", "its process gave no answer"),
        ("echo hello", "its process gave no answer"),
    ],
)
def test_a_measurement_that_dies_says_why(tmp_path, monkeypatch, script, why, before_it_is_asked):
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\n{script}\n")
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    start = subprocess.Popen

    def start_and_see_it_end(*args, **kwargs):
        process = start(*args, **kwargs)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return process

    if before_it_is_asked:
        monkeypatch.setattr(subprocess, "Popen", start_and_see_it_end)

    with pytest.raises(RecnmpError, match=f"timing the dense part failed: {why}"):
        measure_mlp(MODEL, 4, backend="numpy", repeats=3)
