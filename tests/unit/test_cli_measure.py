"""`recnmp measure`: what is asked for, printed and kept."""

import json

import pytest
from click.testing import CliRunner

from recnmp._registry import library_names
from recnmp.cli import cli
from recnmp.cli._measured import chosen_models
from recnmp.errors import ConfigError
from recnmp.library.device import DeviceProfile, PartTiming, read_profile
from recnmp.library.machine import this_machine
from recnmp.library.model import load_model
from recnmp.report.measured import profile_lines

SMALL = ["--backend", "numpy", "--repeats", "3", "--processes", "1", "--batch", "1,4"]


def run(*arguments: str):
    return CliRunner().invoke(cli, ["measure", *arguments])


def test_dense_parts_are_measured_shown_and_kept(tmp_path):
    out = tmp_path / "mine.yaml"

    shown = run("mlp", "--model", "rm1,ncf", *SMALL, "--note", "an abacus", "--out", str(out))

    assert shown.exit_code == 0, shown.output
    assert "rm1 · dense part on the CPU · numpy" in shown.output
    assert "interaction     top MLP       heads       total" in shown.output
    stored = read_profile(out)
    assert (stored.name, stored.note, list(stored.models)) == ("mine", "an abacus", ["rm1", "ncf"])
    assert [batch.batch_size for batch in stored.models["ncf"].batches] == [1, 4]
    assert stored.machine == this_machine()
    assert {"cpu_mhz before", "governor after"} <= set(stored.clocks)


def test_sections_of_a_profile_are_kept_when_another_is_measured(tmp_path):
    pytest.importorskip("torch", reason="the gather is PyTorch's")
    out = str(tmp_path / "mine.yaml")
    small = ["--trace-batches", "1", "--batch-size", "2", "--passes", "3", "--table-memory", "4 MiB"]

    assert run("mlp", "--model", "ncf", *SMALL, "--out", out).exit_code == 0
    gathered = run("sls", "--model", "ncf", *small, "--dtype", "fp32", "--out", out)

    assert gathered.exit_code == 0, gathered.output
    assert "ncf · gather-reduce on this CPU" in gathered.output
    stored = read_profile(tmp_path / "mine.yaml")
    assert (list(stored.models), list(stored.sls)) == (["ncf"], ["ncf"])
    assert stored.sls["ncf"].points[0].table_bytes <= 4 << 20
    assert run("mlp", "--model", "rm1", *SMALL, "--out", out).exit_code == 0
    stored = read_profile(tmp_path / "mine.yaml")
    assert (list(stored.models), list(stored.sls)) == (["rm1"], ["ncf"])


def test_a_profile_of_another_machine_is_not_added_to(tmp_path):
    out = tmp_path / "mine.yaml"
    run("mlp", "--model", "ncf", *SMALL, "--out", str(out))
    out.write_text(out.read_text().replace("Linux", "Wood"))

    again = run("mlp", "--model", "ncf", *SMALL, "--out", str(out))

    assert again.exit_code == 2
    assert "was measured on another machine" in again.output


def test_json_is_the_profile():
    shown = run("mlp", "--model", "ncf", *SMALL, "--json")

    assert DeviceProfile.model_validate(json.loads(shown.stdout)).models["ncf"].fits(load_model("ncf"))


def test_all_means_every_model_of_the_library_once():
    assert chosen_models(("all", "rm1")) == library_names("models")
    assert chosen_models(("rm1, rm2", "rm1")) == ["rm1", "rm2"]
    with pytest.raises(ConfigError, match="unknown model 'rm9'; did you mean"):
        chosen_models(("rm9",))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["mlp", "--model", "ncf", "--batch", "1,x"], "whole numbers above 0 with commas"),
        (["mlp", "--model", "ncf", "--backend", "numpy", "--dtype", "bf16"], "NumPy computes in fp32"),
        (
            ["mlp", "--model", "ncf", "--backend", "numpy", "--device", "cuda"],
            "NumPy computes in fp32 on the CPU",
        ),
        (["sls"], "either --model or --trace"),
        (["sls", "--model", "rm1", "--trace", "x.parquet"], "either --model or --trace"),
        (["sls", "--model", "rm1", "--table-memory", "1 kB"], "not a size"),
        (["sls", "--model", "rm1", "--beside", "rank8", "--json"], "leave out --batch and --json"),
        (["sls", "--trace", "absent.parquet"], "absent.parquet"),
        (["interference", "--model", "rm1", "--gather-threads", "4096"], "need as many cores"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments, why):
    shown = run(*arguments)

    assert shown.exit_code == 2
    assert why in " ".join(shown.output.split())


def test_a_gpus_profile_shows_kernels_below_launches():
    part = PartTiming(median_ns=10_000.0, iqr_ns=0.0, min_ns=10_000.0, repeats=3)
    names = ["h2d_features", "bottom_mlp", "h2d_pooled", "interaction", "top_mlp"]
    kernels = {name: part.model_copy(update={"median_ns": 3_000.0}) for name in names if "h2d" not in name}
    batch = {"batch_size": 4, "parts": dict.fromkeys(names, part), "kernel_only": kernels, "stable": True}
    profile = DeviceProfile.model_validate(
        {
            "name": "made_up",
            "source": "a test",
            "date": "2026-01-02",
            "machine": {"cpu_model": "Abacus", "cores": 1, "system": "Wood", "gpu": "Beads"},
            "device": "cuda",
            "backend": "torch 9",
            "threads": 1,
            "versions": {},
            "models": {"rm1": {"layers": {}, "batches": [batch]}},
        }
    )

    *_, launches, kernels_only = profile_lines(profile)

    assert launches.split() == ["4", *["10.00", "µs"] * 5, "50.00", "µs", "0%"]
    assert kernels_only.split() == ["kernels", "-", *["3.00", "µs"], "-", *["3.00", "µs"] * 2, "9.00", "µs"]
    assert len(launches) - len("      0%") == len(kernels_only)
