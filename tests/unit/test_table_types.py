"""Tables of 8-bit entries from configuration to result."""

import dataclasses
from pathlib import Path

import pytest
from builders import some_trace
from click.testing import CliRunner
from reference.traffic import JITTED

from recnmp import resolve
from recnmp.cli import cli
from recnmp.config import load_config
from recnmp.errors import ConfigError
from recnmp.library.model import TableGroup, load_model
from recnmp.simulate import simulate
from recnmp.trace import targets
from recnmp.trace.storage import save_trace

PROFILE = ["mlp.kind=profile", "mlp.device=xeon_2core_shared_2026"]
needs_speed = pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")


def rm3_of(dtype: str):
    """A model like RM3 whose tables are of ``dtype``."""
    rm3 = load_model("rm3")
    groups = tuple(TableGroup(**(group.model_dump() | {"dtype": dtype})) for group in rm3.tables)
    return rm3.model_copy(update={"tables": groups})


def config(*overrides: str, trace: Path | None = None):
    file = [] if trace is None else [f"trace.file={trace}"]
    return load_config("rank2", ["model=rm3", *PROFILE, *file, *overrides])


@pytest.fixture
def of_rm3(tmp_path):
    """Write a small trace of RM3's tables, stored as asked."""

    def write(dtype: str) -> Path:
        rm3 = load_model("rm3")
        trace = some_trace(dims=[group.dim for group in rm3.each_table], dtypes=[dtype])
        tables = zip(trace.tables, rm3.each_table, strict=True)
        trace = dataclasses.replace(
            trace, tables=tuple(dataclasses.replace(t, entries=group.entries) for t, group in tables)
        )
        save_trace(trace, tmp_path / f"{dtype}.parquet")
        return tmp_path / f"{dtype}.parquet"

    return write


@needs_speed
def test_any_trace_replays_with_8_bit_tables(of_rm3):
    fp32, int8 = (
        simulate(config(f"trace.table_dtype={dtype}", trace=of_rm3("fp32")))
        for dtype in ("null", "int8_rowwise")
    )
    assert (fp32.trace["table_dtypes"], int8.trace["table_dtypes"]) == (["fp32"], ["int8_rowwise"])
    # 128 B are two bursts, 32 codes with scale and bias one
    for side in ("host", "nmp"):
        assert fp32.memory[side]["commands"]["RD"] == 2 * int8.memory[side]["commands"]["RD"] > 0
    assert int8.functional_check["status"] == "passed"
    assert int8.functional_check["bit_exact"]
    assert int8.config["trace"]["table_dtype"] == "int8_rowwise"


@needs_speed
def test_the_printed_table_says_what_is_not_fp32(of_rm3):
    file = of_rm3("fp32")
    arguments = ["simulate", "rank2", "--set", "model=rm3", "--set", f"trace.file={file}"]
    arguments += [word for option in PROFILE for word in ("--set", option)]
    fp32 = CliRunner().invoke(cli, arguments).output.splitlines()[1]
    int8 = CliRunner().invoke(cli, [*arguments, "--set", "trace.table_dtype=int8_rowwise"])
    assert int8.output.splitlines()[1] == f"{fp32}, int8_rowwise"


def test_a_trace_of_other_tables_than_the_models_is_an_error_unless_the_type_is_said(of_rm3, monkeypatch):
    file = of_rm3("int8_rowwise")
    with pytest.raises(
        ConfigError, match="the trace's tables are int8_rowwise, those of model rm3 fp32; trace"
    ):
        resolve.resolve(config(trace=file))
    resolve.resolve(config("trace.table_dtype=fp32", trace=file))
    monkeypatch.setattr(resolve, "load_model", lambda name: rm3_of("int8_rowwise"))
    resolve.resolve(config(trace=file))
    with pytest.raises(ConfigError, match="the trace's tables are fp32, those of model rm3 int8_rowwise"):
        resolve.resolve(config(trace=of_rm3("fp32")))


def test_an_unknown_type_names_those_there_are():
    with pytest.raises(
        ConfigError, match=r"trace\.table_dtype: not a choice, got 'int8'; allowed: fp32, int8_roww"
    ):
        config("trace.table_dtype=int8")


def test_the_zoo_says_that_it_runs_fp32_alone(monkeypatch):
    monkeypatch.setattr(targets, "load_model", lambda name: rm3_of("int8_rowwise"))
    with pytest.raises(ConfigError, match="'rm3' has tables of int8_rowwise, but the zoo runs FP32"):
        targets.find_target("zoo:rm3", batches=1, batch_size=1, seed=1)
