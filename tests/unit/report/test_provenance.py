"""Where a result came from."""

import getpass
import json
import platform
import subprocess
from pathlib import Path

import numpy as np

import recnmp
from recnmp.report.provenance import config_digest, git_state, provenance

CONFIG = {"model": "rm1", "memory": {"channels": 1, "ranks_per_dimm": 2}}


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *names, "-C", str(folder), *arguments], check=True, capture_output=True)


def checkout(folder: Path) -> Path:
    package = folder / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return package


def test_a_record_has_versions_machine_digests_and_seeds():
    record = provenance(CONFIG, "blake2b:12", placement=1, inputs=7)

    assert record["recnmp"] == recnmp.__version__
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["numpy"] == np.__version__
    assert record["machine"]["cpu_model"]
    assert record["machine"]["cores"] >= 1
    assert record["trace_digest"] == "blake2b:12"
    assert record["seeds"] == {"placement": 1, "inputs": 7}
    assert record["created_utc"].endswith("+00:00")


def test_a_record_names_neither_user_nor_computer_nor_home():
    text = json.dumps(provenance(CONFIG, None))

    assert str(Path.home()) not in text
    assert str(Path(recnmp.__file__).parent) not in text
    assert platform.node() not in text or len(platform.node()) < 4
    assert f'"{getpass.getuser()}"' not in text


def test_a_library_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr("recnmp.report.provenance._LIBRARIES", ("numpy", "no-such-library-anywhere"))

    assert provenance(CONFIG, None)["versions"]["no-such-library-anywhere"] is None


def test_the_digest_of_a_configuration_follows_its_values_not_their_order():
    turned = {"memory": {"ranks_per_dimm": 2, "channels": 1}, "model": "rm1"}

    assert config_digest(turned) == config_digest(CONFIG)
    assert config_digest(CONFIG | {"model": "rm2"}) != config_digest(CONFIG)


def test_a_checkout_is_known_by_its_commit_and_by_what_was_changed(tmp_path):
    package = checkout(tmp_path)

    clean = git_state(package)
    (package / "new_policy.py").write_text("")
    changed = git_state(package)

    assert clean is not None
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    assert changed == {"commit": clean["commit"], "dirty": True}


def test_a_package_installed_inside_another_checkout_is_not_that_checkout(tmp_path):
    checkout(tmp_path)
    installed = tmp_path / "site-packages" / "recnmp"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")

    assert git_state(installed) is None


def test_without_git_there_is_no_git_state(tmp_path, monkeypatch):
    package = checkout(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))

    assert git_state(package) is None
