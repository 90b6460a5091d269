"""The command line: what goes where, how it ends, and how fast it answers."""

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import recnmp
from recnmp._registry import library_names
from recnmp.cli import cli
from recnmp.errors import ConfigError, RecnmpError
from recnmp.report.result import Result, load_result

HEAVY = {"numpy", "numba", "pandas", "pyarrow", "pydantic", "yaml", "rich", "torch"}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            cli([str(arg) for arg in args], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, out, err

    return call


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a stand-in for a module of the package, so that the command line is tested alone."""

    def put(name: str, **attributes: Any) -> None:
        stand_in = types.ModuleType(name)
        vars(stand_in).update(attributes)
        monkeypatch.setitem(sys.modules, name, stand_in)

    return put


@pytest.fixture
def simulated(module: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replace the simulation by a fixed result; the list gets each configuration that it was asked for."""
    asked: list[Any] = []

    def simulate(config: Any, progress: Any = None, recorded: Any = None) -> Result:
        asked.append((config, progress))
        ranks = config.memory.ranks_per_dimm
        return Result(
            config=config.model_dump(mode="json"),
            sls={"host_ns": 10.0 * ranks},
            memory={"host": {"cycles": 7}},
            provenance={"trace_digest": "abc"},
        )

    module("recnmp.simulate", simulate=simulate)
    module("recnmp.resolve", resolve=lambda config: asked.append((config, None)))
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text("model: rm1\ntrace: {file: t.parquet}\n")
    return asked


def test_nothing_heavy_is_imported_for_help() -> None:
    code = "import sys, recnmp.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stdout.split())
    assert "click" in done.stdout.split()


@pytest.mark.parametrize(
    "args", [["--help"], ["simulate", "--help"], ["trace", "capture", "-h"], ["--version"]]
)
def test_help_and_version_answer_on_standard_output(run: Run, args: list[str]) -> None:
    code, out, err = run(*args)
    assert (code, err) == (0, "")
    assert recnmp.__version__ in out or "Usage: recnmp" in out


def test_every_command_and_option_says_what_it_does() -> None:
    def check(command: click.Command) -> None:
        assert command.help
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name
        if isinstance(command, click.Group):
            for nested in command.commands.values():
                check(nested)

    check(cli)


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    code, out, err = run("simulte")
    assert (code, out) == (2, "")
    assert "simulte" in err


def test_json_is_one_document_and_all_there_is_on_standard_output(run: Run, simulated: list[Any]) -> None:
    code, out, err = run("simulate", "run.yaml", "--json", "--set", "memory.ranks_per_dimm=4")
    assert (code, err) == (0, "")
    assert json.loads(out)["sls"] == {"host_ns": 40.0}


def test_a_table_is_printed_without_json(run: Run, simulated: list[Any]) -> None:
    code, out, err = run("simulate", "run.yaml")
    assert (code, err) == (0, "")
    assert out
    with pytest.raises(json.JSONDecodeError):
        json.loads(out)


def test_progress_is_silent_away_from_a_terminal(run: Run, simulated: list[Any]) -> None:
    run("simulate", "run.yaml")
    assert simulated[-1][1] is None


def test_progress_on_a_terminal_goes_to_standard_error(
    run: Run, simulated: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    _, out, _ = run("simulate", "run.yaml", "--json")
    progress = simulated[-1][1]
    progress("replaying [host]")
    assert json.loads(out)["sls"] == {"host_ns": 20.0}


def test_out_writes_the_result_besides_printing_it(run: Run, simulated: list[Any]) -> None:
    code, out, _ = run("simulate", "run.yaml", "--json", "--out", "here/there")
    assert code == 0
    assert load_result(Path("here/there")) == json.loads(out)


def test_validate_checks_names_and_prints_one_line(run: Run, simulated: list[Any]) -> None:
    code, out, err = run("validate", "run.yaml")
    assert (code, err) == (0, "")
    assert out == (
        "ok: run.yaml: rm1, ddr4_2400, 1 channel x 1 DIMM x 2 ranks, recnmp, no rank cache, mlp measured\n"
    )
    assert len(simulated) == 1


def test_validate_prints_the_resolved_configuration_as_json(run: Run, simulated: list[Any]) -> None:
    code, out, _ = run("validate", "run.yaml", "--json", "--set", "cache.rank={size_bytes: 128 KiB}")
    data = json.loads(out)
    assert code == 0
    assert data["cache"]["rank"] == {"kind": "lru", "size_bytes": 131072, "ways": 4}
    assert data["trace"]["file"] == "t.parquet"


def test_rerun_says_that_a_result_is_reproduced(run: Run, simulated: list[Any]) -> None:
    run("simulate", "run.yaml", "--out", "first")
    code, out, err = run("rerun", "first/result.json")
    assert (code, err) == (0, "")
    assert out.endswith("reproduced: sls, memory, nmp and the trace digest are identical\n")
    code, out, err = run("rerun", "first", "--json")
    assert json.loads(out)["sls"] == {"host_ns": 20.0}
    assert err.startswith("reproduced:")


def test_rerun_fails_with_each_value_that_differs(run: Run, simulated: list[Any]) -> None:
    run("simulate", "run.yaml", "--out", "first")
    file = Path("first/result.json")
    document = json.loads(file.read_text())
    document["sls"]["host_ns"] = 21.0
    document["provenance"]["trace_digest"] = "abd"
    file.write_text(json.dumps(document))
    code, _, err = run("rerun", "first")
    assert code == 1
    assert err.splitlines() == [
        "recnmp: error: first: not reproduced: provenance.trace_digest was abd, is abc",
        "recnmp: error: first: not reproduced: sls.host_ns was 21.0, is 20.0",
    ]


@pytest.mark.parametrize("text", [None, "nonsense", "[]", '{"format": "other"}'])
def test_rerun_refuses_what_is_no_result(run: Run, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "result.json"
    if text is not None:
        file.write_text(text)
    code, out, err = run("rerun", file)
    assert (code, out) == (2, "")
    assert err.startswith(f"recnmp: error: {file}: n")
    assert len(err.splitlines()) == 1


def test_list_shows_every_kind_or_the_names_of_one(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    kinds = [line.split()[0] for line in out.splitlines()]
    assert kinds == [
        "models",
        "standards",
        "mappings",
        "devices",
        "hosts",
        "energy",
        "tiers",
        "synthetic",
        "caches",
        "policies",
        "nmp",
        "formats",
        "configs",
        "traces",
    ]
    models = run("list", "models")[1].splitlines()
    assert models == sorted(models)
    assert {"axdimm60", "din", "mlperf_dlrm_v2", "rm1", "rm2", "rm3"} <= set(models)
    assert json.loads(run("list", "models", "--json")[1]) == {"models": models}
    assert run("list", "modles")[0] == 2


def test_energy_is_listed_with_its_kind_its_standard_and_its_source(run: Run) -> None:
    lines = run("list", "energy")[1].splitlines()
    rows = json.loads(run("list", "energy", "--json")[1])["energy"]
    assert [line.split()[0] for line in lines] == [row["name"] for row in rows]
    assert rows[1] == {
        "name": "ddr4_2400_8gb_x8",
        "kind": "idd",
        "standard": "ddr4_2400",
        "source": rows[1]["source"],
    }
    assert lines[1].split()[:3] == ["ddr4_2400_8gb_x8", "idd", "ddr4_2400"]
    assert lines[1].endswith(rows[1]["source"])
    assert "umd-memsys/DRAMsim3" in rows[1]["source"]
    paper = [(row["name"], row["kind"], row["standard"]) for row in rows[-2:]]
    assert paper == [("recnmp_isca20", "operations", "ddr4_2400"), ("recnmp_isca20_unit", "unit", None)]
    assert all("1912.12953" in row["source"] for row in rows[-2:])


def test_schema_prints_what_is_checked_in(run: Run) -> None:
    code, out, _ = run("schema")
    assert code == 0
    assert out == (Path(recnmp.__file__).parents[1] / "recnmp.schema.json").read_text()


@pytest.mark.parametrize(("error", "code"), [(RecnmpError("one\ntwo"), 1), (ConfigError("one\ntwo"), 2)])
def test_a_failure_is_lines_on_standard_error(
    run: Run, simulated: list[Any], module: Callable[..., None], error: RecnmpError, code: int
) -> None:
    module("recnmp.simulate", simulate=_raises(error))
    assert run("simulate", "run.yaml") == (code, "", "recnmp: error: one\nrecnmp: error: two\n")


def test_a_failing_disk_is_a_line_and_an_interrupt_has_its_own_code(
    run: Run, simulated: list[Any], module: Callable[..., None]
) -> None:
    module("recnmp.simulate", simulate=_raises(PermissionError(13, "Permission denied", "/x/y")))
    assert run("simulate", "run.yaml") == (1, "", "recnmp: error: /x/y: Permission denied\n")
    module("recnmp.simulate", simulate=_raises(KeyboardInterrupt()))
    assert run("simulate", "run.yaml") == (130, "", "recnmp: error: interrupted\n")


def test_a_reader_that_has_seen_enough_ends_the_output_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "recnmp", "schema"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_capture_hands_its_options_on_and_says_what_it_wrote(
    run: Run, module: Callable[..., None], tmp_path: Path
) -> None:
    asked: list[Any] = []
    overhead = types.SimpleNamespace(
        start_s=0.25, own_s=0.5, captured_s=2.0, uncaptured_s=1.0, factor=2.0, to_dict=lambda: {"factor": 2.0}
    )

    def run_captured(target: str, **options: Any) -> Any:
        asked.append((target, options))
        trace = types.SimpleNamespace(lookups=8000, bags=8, tables=(1, 2), batches=1)
        check = {"calls": 2, "bags": 8, "largest_difference": 0.0} if options["check"] else None
        return types.SimpleNamespace(trace=trace, check=check, overhead=overhead, notes=("mind this",))

    module("recnmp.trace.capture", run_captured=run_captured)
    code, out, err = run("trace", "capture", "zoo:rm1", "--batches", 4, "--batch-size", 2, "--seed", 7)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "rm1.parquet: 8,000 lookups, 8 bags, 2 tables, 1 batch",
        "  replayed by NumPy: 2 calls, 8 bags equal the model's own, largest difference 0",
        "  capture: 25% of a run of 2.000 s, 2.00 x the 1.000 s without capture, and 0.250 s to start",
        "  mind this",
    ]
    options = {"out": Path("rm1.parquet"), "batches": 4, "batch_size": 2, "seed": 7, "progress": None}
    options |= {"arguments": (), "model_out": None, "measure_overhead": False, "check": True}
    options |= {"table_dtype": None}
    assert asked == [("zoo:rm1", options)]
    for target, name in {"models/net.py --lr=a/b": "net", "package.models:build": "build"}.items():
        run("trace", "capture", target)
        assert asked[-1][1]["out"] == Path(f"{name}.parquet")
    assert run("trace", "capture", "x.py", "--out", "o.parquet")[1].startswith("o.parquet: ")
    out = run(
        "trace", "capture", "x.py", "data.csv", "--lr=2", "--no-check", "--overhead", "--model", "m.yaml"
    )[1]
    assert "not checked against the model's own results" in out
    options = asked[-1][1]
    assert (options["arguments"], options["check"]) == (("data.csv", "--lr=2"), False)
    assert (options["measure_overhead"], options["model_out"]) == (True, Path("m.yaml"))
    document = json.loads(run("trace", "capture", "x.py", "--json")[1])
    assert document["check"]["calls"] == 2
    assert document["overhead"] == {"factor": 2.0}
    run("trace", "capture", "x.py", "--", "--seed", 3)
    assert (asked[-1][1]["arguments"], asked[-1][1]["seed"]) == (("--seed", "3"), 1)

    asked.clear()
    folder = tmp_path / "all"
    documents = json.loads(run("trace", "capture", "zoo:all", "--out", folder, "--batches", 1, "--json")[1])
    models = library_names("models")
    assert [target for target, _ in asked] == [f"zoo:{name}" for name in models]
    assert [document["file"] for document in documents] == [
        str(folder / f"{name}.parquet") for name in models
    ]
    code, _, err = run("trace", "capture", "zoo:all", "--out", folder, "--model", "m.yaml")
    assert (code, "--model is of one target" in err) == (2, True)
    code, _, err = run("trace", "capture", "zoo:rm1", "--out", folder)
    assert (code, "is a folder" in err) == (2, True)


def test_capture_without_torch_says_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "recnmp.trace.capture", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # what the import system takes for "not installed"
    code, out, err = run("trace", "capture", "zoo:rm1")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "install torch" in err
    assert "recnmp[torch]" in err


def test_inspect_prints_text_or_json(run: Run, module: Callable[..., None]) -> None:
    module(
        "recnmp.trace.inspect",
        inspect_trace=lambda path, cache, show: {"path": str(path), "lookups": 3, "cache": cache},
        print_inspection=lambda info, file: print(info["lookups"], "lookups", file=file),
    )
    assert run("trace", "inspect", "t.parquet") == (0, "3 lookups\n", "")
    assert json.loads(run("trace", "inspect", "t.parquet", "--json")[1]) == {
        "path": "t.parquet",
        "lookups": 3,
        "cache": None,
    }
    studied = run("trace", "inspect", "t.parquet", "--cache", "8 MiB", "--json")[1]
    assert json.loads(studied)["cache"] == 8 << 20
    assert run("trace", "inspect", "t.parquet", "--cache", "8 MB")[0] == 2
    code, _, err = run("trace", "inspect", "t.parquet", "--figure", "t.gif")
    assert (code, "t.gif: a figure ends in .svg or .png or .pdf" in err) == (2, True)


def _raises(error: BaseException) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise error

    return call
