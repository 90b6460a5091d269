"""SLS of whole batches and the machine's roofs: measured, stored, read again."""

import numpy as np
import pytest
from click.testing import CliRunner

from recnmp.cli import cli
from recnmp.errors import ConfigError
from recnmp.library.device import read_profile
from recnmp.library.host_times import Roof, SlsTimes, tables_of
from recnmp.library.model import load_model
from recnmp.library.part_timing import PartTiming
from recnmp.mlp import gather_batches
from recnmp.mlp.gather import GatherSamples
from recnmp.mlp.gather_batches import batches_of_a_pass, in_batches, measure_sls_batches
from recnmp.mlp.gather_plan import plan_gather
from recnmp.mlp.roof import measure_roof
from recnmp.trace.synthetic import synthetic_trace

TIME = PartTiming(median_ns=100, iqr_ns=1, min_ns=99, repeats=9)


def run(*arguments: str):
    return CliRunner().invoke(cli, ["measure", *arguments])


class FakeProcess:
    """Gathers three passes of every group of a plan: 1000 ns by the wall clock, 400 of them on a core."""

    def __init__(self, plan, threads: int, passes: int) -> None:
        self.groups = list(range(len(plan.groups))) * 3

    def __enter__(self) -> "FakeProcess":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def answer(self) -> dict[str, object]:
        n = len(self.groups)
        return GatherSamples("fake", self.groups, [0] * n, [1000] * n, 400 * n, [400] * n)._asdict()


def test_every_batch_size_looks_up_the_same_samples():
    assert [batches_of_a_pass(size) for size in (1, 16, 1000, 1024, 5000)] == [1024, 64, 2, 1, 1]


def test_batches_cut_from_a_pass_look_up_what_batches_drawn_one_by_one_do():
    rm3 = load_model("rm3")
    cut = in_batches(plan_gather(synthetic_trace(rm3, 1, 12, 1), "fp32", 1 << 20), 5)
    drawn = plan_gather(synthetic_trace(rm3, 2, 5, 1), "fp32", 1 << 20)

    assert len(cut.calls) == 30
    assert [len(call.offsets) - 1 for call in cut.calls] == [5] * 20 + [2] * 10
    for mine, theirs in zip(cut.calls[:20], drawn.calls, strict=True):
        assert mine.table == theirs.table
        assert mine.offsets.tolist() == theirs.offsets.tolist()
        # entries are numbered by what a trace reads, so only their order and repeats can be the same
        assert ranks(mine.slot) == ranks(theirs.slot)


def ranks(slot) -> list[int]:
    return np.unique(slot, return_inverse=True)[1].tolist()


@pytest.mark.parametrize(("clock", "ns"), [("wall", 1000), ("cpu", 400)])
def test_the_time_of_a_batch_is_that_of_a_pass_over_its_batches(monkeypatch, clock, ns):
    monkeypatch.setattr(gather_batches, "gathering", FakeProcess)
    ncf = load_model("ncf")

    found = measure_sls_batches(ncf, [4, 1], clock=clock, passes=3, table_bytes=1 << 20)

    assert [batch.batch_size for batch in found.batches] == [1, 4]
    assert [batch.sls.median_ns for batch in found.batches] == pytest.approx([ns / 1024, ns / 256], abs=0.1)
    assert found.batches[0].cpu_share == 0.4
    assert not found.batches[0].stable
    assert found.clock == clock
    assert found.fits(ncf)
    assert not found.fits(load_model("rm1"))


def test_what_is_asked_of_one_clock_or_one_pass_too_many_is_refused():
    with pytest.raises(ConfigError, match="clock cpu"):
        measure_sls_batches(load_model("ncf"), [1], threads=2, clock="cpu")
    with pytest.raises(ConfigError, match="at least 3 passes"):
        measure_sls_batches(load_model("ncf"), [1], passes=2)
    with pytest.raises(ConfigError, match="clock cpu"):
        measure_roof(threads=2, clock="cpu")


def test_batches_out_of_order_are_no_profile():
    batch = {"sls": TIME, "cpu_share": 1.0, "stable": True}
    with pytest.raises(ValueError, match="smallest batch_size first"):
        SlsTimes(
            date="2026-01-02",
            backend="fake",
            dtype="fp32",
            threads=1,
            clock="cpu",
            indices="some",
            table_bytes=1,
            tables=tables_of(load_model("ncf")),
            batches=tuple({"batch_size": size} | batch for size in (4, 1)),
        )


def test_rates_of_a_roof_count_every_operation_and_every_byte_once():
    roof = Roof(
        date="2026-01-02",
        backend="fake",
        threads=1,
        clock="cpu",
        gemm_size=10,
        gemm=TIME,
        dram_copy_bytes=1000,
        dram_copy=TIME,
        cache_copy_bytes=500,
        cache_copy=TIME,
        cpu_share=1.0,
        stable=True,
    )
    assert (roof.gflop_per_s, roof.dram_gb_per_s, roof.cache_gb_per_s) == (20.0, 20.0, 10.0)


def test_sls_of_batches_and_roofs_join_a_profile(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is timed")
    monkeypatch.setattr("recnmp.mlp.roof.GEMM_SIZE", 32)
    monkeypatch.setattr("recnmp.mlp.roof.dram_copy_bytes", lambda: 1 << 20)
    out = str(tmp_path / "mine.yaml")

    monkeypatch.setattr(gather_batches, "SAMPLES", 4)
    small = ["--batch", "1,2", "--passes", "3", "--table-memory", "4 MiB", "--clock", "cpu"]
    sls = run("sls", "--model", "ncf", *small, "--out", out)
    roof = run("roof", "--repeats", "3", "--clock", "cpu", "--out", out)

    assert (sls.exit_code, roof.exit_code) == (0, 0), sls.output + roof.output
    assert "ncf · SLS of a batch on this CPU" in sls.output
    assert "FP32 product of 32 x 32" in roof.output
    stored = read_profile(tmp_path / "mine.yaml")
    assert [batch.batch_size for batch in stored.sls_batches["ncf"].batches] == [1, 2]
    assert stored.sls_batches["ncf"].dtype == "fp32"
    assert stored.roof is not None
    assert stored.roof.dram_gb_per_s > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trace", "a.parquet", "--batch", "1"], "not of a trace"),
        (["--model", "ncf", "--batch", "1", "--threads", "1,2"], "one number of threads"),
        (["--model", "ncf", "--batch", "1", "--batch-size", "4"], "--batch-size has no say"),
        (["--model", "ncf", "--clock", "cpu"], "of SLS by --batch"),
        (["--model", "ncf", "--batch", "0"], "whole numbers above 0"),
    ],
)
def test_what_makes_no_sense_together_is_refused(arguments, message):
    shown = run("sls", *arguments)
    assert shown.exit_code == 2
    assert message in " ".join(shown.output.split())
