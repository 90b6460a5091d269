"""`recnmp trace import` and `recnmp trace export` from the command line."""

import json
import re

import pytest

from recnmp.cli import cli
from recnmp.trace import convert
from recnmp.trace.storage import load_trace


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*args):
        with pytest.raises(SystemExit) as ended:
            cli([str(arg) for arg in args], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return ended.value.code, out, err

    return call


@pytest.fixture
def log(tmp_path):
    (tmp_path / "clicks.csv").write_text("t,item\n1,5\n2,x\n1,6\n")
    (tmp_path / "roles.yaml").write_text("tables:\n  item: {base: decimal, ids: as_is}\ntime: t\n")
    return tmp_path / "clicks.csv"


def test_an_import_tells_what_it_read_and_warns_of_the_rest(run, log, tmp_path):
    code, out, err = run("trace", "import", log.name, "--format", "log", "--roles", "roles.yaml")
    assert (code, out) == (0, "clicks.parquet: 2 lookups, 2 bags, 1 batch, 3 rows, 1 bad row\n")
    assert err.splitlines() == [
        "recnmp: warning: 1 of 3 rows left out:",
        "recnmp: warning: clicks.csv:3: column item: not a whole decimal number",
    ]
    assert load_trace(tmp_path / "clicks.parquet").entry.tolist() == [5, 6]


def test_strict_ends_with_the_row(run, log, tmp_path):
    code, out, err = run("trace", "import", log.name, "--format", "log", "--roles", "roles.yaml", "--strict")
    assert (code, out) == (2, "")
    assert err == "recnmp: error: clicks.csv:3: column item: not a whole decimal number\n"
    assert not (tmp_path / "clicks.parquet").exists()


def test_set_goes_over_roles(run, log, tmp_path):
    options = (
        "--roles",
        "roles.yaml",
        "--set",
        "tables.item.ids=dense",
        "--set",
        "batch_size=1",
        "--out",
        "o.parquet",
    )
    assert run("trace", "import", log.name, "--format", "log", *options)[0] == 0
    trace = load_trace(tmp_path / "o.parquet")
    assert (trace.entry.tolist(), trace.batches) == ([0, 1], 2)
    assert trace.meta["options"]["batch_size"] == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("import", "clicks.csv", "--format", "lgo"),
            "format 'lgo' is not one that is read: .*did you mean 'log'",
        ),
        (("import", "clicks.csv", "--format", "log"), "options: tables: missing|tables"),
        (("import", "none.csv", "--format", "log", "--roles", "roles.yaml"), r"none\.csv: no such file"),
        (("import", "clicks.csv", "--format", "log", "--roles", "none.yaml"), r"none\.yaml: no such file"),
        (
            ("import", "clicks.csv", "--format", "log", "--roles", "roles.yaml", "--out", "no/o.parquet"),
            "cannot write",
        ),
        (("import", "clicks.csv", "--format", "criteo", "--set", "dim=x"), "--set dim=x: dim"),
        (
            ("export", "clicks.csv", "--format", "npz", "--out", "o.npz"),
            r"clicks\.csv: not a readable trace file",
        ),
        (("export", "none.parquet", "--format", "npz", "--out", "o.npz"), "no such trace file"),
        (("export", "clicks.csv", "--format", "log", "--out", "o"), "'log' is not one that is written"),
        (("export", "clicks.csv", "--format", "npz", "--set", "x=1", "--out", "o.npz"), "unknown key"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_exit_code_2(run, log, tmp_path, args, message):
    before = set(tmp_path.iterdir())
    code, out, err = run("trace", *args)
    assert (code, out) == (2, "")
    assert re.search(message, err), err
    assert all(line.startswith("recnmp: error: ") for line in err.splitlines())
    assert set(tmp_path.iterdir()) == before


def test_an_export_tells_its_requests_and_replays(run, log):
    run("trace", "import", log.name, "--format", "log", "--roles", "roles.yaml")
    assert run("trace", "export", "clicks.parquet", "--format", "ramulator2", "--out", "t.trc") == (
        0,
        "t.trc: ramulator2, 8 requests\n",
        "",
    )
    cycles = [
        json.loads(run("memory", "replay", file, "--format", kind, "--json")[1])["cycles"]
        for file, kind in (("t.trc", "ramulator"), ("clicks.parquet", "recnmp"))
    ]
    assert cycles[0] == cycles[1] > 0


def test_an_interrupted_import_leaves_no_file(run, log, tmp_path, monkeypatch):
    module = convert.find_format("log", "read")
    whole = module.read

    def stop(files, options, sink):
        whole(files, options, sink)
        sink._flush()  # something is on disk already
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "read", stop)
    before = set(tmp_path.iterdir())
    assert run("trace", "import", log.name, "--format", "log", "--roles", "roles.yaml")[0] == 130
    assert set(tmp_path.iterdir()) == before


def test_formats_are_listed(run):
    code, out, _ = run("list", "formats")
    assert code == 0
    assert out.split() == convert.format_names()
