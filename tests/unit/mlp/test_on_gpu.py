"""Timing on a GPU, with a device that only keeps time."""

import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from recnmp.errors import ConfigError
from recnmp.library.model import load_model
from recnmp.mlp.dense import make_dense
from recnmp.mlp.in_numpy import NumpyArithmetic
from recnmp.mlp.measured import timing_from_samples
from recnmp.mlp.on_gpu import IN_GRAPH, LAUNCHES, CudaGpu, gpu_clocks, time_on_gpu
from recnmp.mlp.process import How, Point
from recnmp.mlp.sampling import WARM_UP


class FakeGpu:
    """A device whose launches take 10 us, whose kernels take 3 us and whose bus moves a byte in a ns."""

    name = "Abacus"

    def __init__(self):
        self.now_ns = 0.0
        self.in_graph = False

    def elapsed_ns(self, work):
        before = self.now_ns
        work()
        return self.now_ns - before

    def kernel(self):
        self.now_ns += 0 if self.in_graph else 10_000

    def recorded(self, call, times):
        self.in_graph = True
        for _ in range(times):
            call()
        self.in_graph = False

        def replay():
            self.now_ns += 3_000 * times

        return replay

    def sender(self, array, like):
        assert like.dtype == array.dtype

        def send():
            self.now_ns += array.nbytes

        return send


class LaunchingNumpy(NumpyArithmetic):
    """NumPy whose operators each count as one launch."""

    def __init__(self, gpu):
        super().__init__()
        self._gpu = gpu

    def finish(self, call):
        return lambda *given: (self._gpu.kernel(), call(*given))[1]


@pytest.mark.parametrize("name", ["rm1", "ncf", "dien"])
def test_launches_kernels_and_transfers_are_told_apart(name):
    gpu, model = FakeGpu(), load_model(name)

    samples = time_on_gpu(make_dense(model, 4), LaunchingNumpy(gpu), gpu, 3)

    transfers = {"h2d_pooled": 4 * 4 * sum(group.dim for group in model.each_table)}
    if model.dense_features:
        transfers["h2d_features"] = 4 * 4 * model.dense_features
    assert samples.parts == {name: [pytest.approx(ns)] * 3 for name, ns in transfers.items()} | {
        part: [pytest.approx(10_000)] * 3 for part in model.parts
    }
    assert samples.kernel_only == {part: [pytest.approx(3_000)] * 3 for part in model.parts}


def test_a_timing_on_a_gpu_names_it_and_has_no_cpu_share():
    gpu, model = FakeGpu(), load_model("rm1")
    runs = [time_on_gpu(make_dense(model, 4), LaunchingNumpy(gpu), gpu, 3) for _ in range(2)]

    timing = timing_from_samples(Point(model, 4), runs, How(device="cuda"))

    assert list(timing.parts) == ["h2d_features", "bottom_mlp", "h2d_pooled", "interaction", "top_mlp"]
    assert timing.before_sls_ns == pytest.approx(4 * 4 * 128 + 10_000)
    assert (timing.machine.gpu, timing.cpu_share, timing.stable) == ("Abacus", None, True)
    assert timing.to_dict()["kernel_only"]["top_mlp"]["median_ns"] == 3_000
    assert timing.parts["top_mlp"].repeats == 6


class FakeCuda:
    """As much of ``torch.cuda`` as timing uses; keeps a log of what it was told."""

    def __init__(self, available=True):
        self.log, self.clock_ms, self.available = [], 0.0, available
        cuda = self

        class Event:
            def __init__(self, enable_timing):
                assert enable_timing

            def record(self):
                self.ms = cuda.clock_ms

            def synchronize(self):
                cuda.log.append("synchronize")

            def elapsed_time(self, end):
                return end.ms - self.ms

        class Stream:
            def wait_stream(self, other):
                cuda.log.append("wait")

            def __enter__(self):
                cuda.log.append("side stream")

            def __exit__(self, *_):
                cuda.log.append("main stream")

        class CUDAGraph:
            def replay(self):
                cuda.clock_ms += 1.0

        class Recording(Stream):
            def __init__(self, graph):
                assert isinstance(graph, CUDAGraph)

            def __enter__(self):
                cuda.log.append("record")

            def __exit__(self, *_):
                cuda.log.append("recorded")

        self.Event, self.Stream, self.CUDAGraph, self.graph = Event, Stream, CUDAGraph, Recording
        self.stream, self.current_stream = (lambda stream: stream), Stream

    def is_available(self):
        return self.available

    def get_device_name(self):
        return "Abacus"


def test_events_are_read_once_the_gpu_is_done():
    cuda = FakeCuda()
    gpu = CudaGpu(SimpleNamespace(cuda=cuda))

    def work():
        cuda.clock_ms += 0.25

    assert gpu.elapsed_ns(work) == pytest.approx(250_000)
    assert cuda.log == ["synchronize"]


def test_a_graph_is_warmed_up_on_a_stream_of_its_own_and_then_recorded():
    cuda = FakeCuda()
    gpu = CudaGpu(SimpleNamespace(cuda=cuda))

    replay = gpu.recorded(lambda: cuda.log.append("call"), 3)

    side = ["wait", "side stream", *["call"] * WARM_UP, "main stream", "wait"]
    assert cuda.log == [*side, "record", *["call"] * 3, "recorded"]
    assert gpu.elapsed_ns(replay) == pytest.approx(1e6)


def test_what_is_sent_lies_in_pinned_memory():
    log = []

    class Array:
        device = "there"
        dtype = "half"

        def to(self, dtype):
            log.append(("to", dtype))
            return self

        def pin_memory(self):
            log.append("pin")
            return self

        def copy_(self, source, non_blocking):
            log.append(("copy", non_blocking))

    library = SimpleNamespace(
        cuda=FakeCuda(),
        from_numpy=lambda _: Array(),
        empty_like=lambda _, device: log.append(device) or Array(),
    )
    send = CudaGpu(library).sender(np.zeros((2, 2), np.float32), Array())
    send()

    assert log == [("to", "half"), "pin", "there", ("copy", True)]


def test_without_a_gpu_none_is_invented():
    with pytest.raises(ConfigError, match="sees no CUDA device"):
        CudaGpu(SimpleNamespace(cuda=FakeCuda(available=False)))


def test_clocks_are_what_the_driver_says_or_unknown():
    def driver(command, **_):
        assert "--query-gpu=clocks.sm,clocks.mem,pstate,driver_version" in command
        return SimpleNamespace(stdout="1980, 2619, P0, 570.1\n")

    def absent(command, **_):
        raise FileNotFoundError(command[0])

    def silent(command, **_):
        raise subprocess.CalledProcessError(9, command)

    assert gpu_clocks(driver) == {
        "gpu clocks.sm": "1980",
        "gpu clocks.mem": "2619",
        "gpu pstate": "P0",
        "gpu driver_version": "570.1",
    }
    assert gpu_clocks(absent) == gpu_clocks(silent) == {"gpu clocks.sm": "unknown"}


def test_rows_are_long_enough_for_events():
    assert LAUNCHES >= 100
    assert IN_GRAPH > 1
