"""What needs recorded runs or another simulator is part of the suite only where it is named."""

import os
from collections.abc import Callable

import pytest

from recnmp.cli import cli


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def is_here(item: pytest.Item) -> bool:
        return all(os.environ.get(mark.args[0]) for mark in item.iter_markers("external"))

    absent = [item for item in items if not is_here(item)]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if is_here(item)]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str, str]]:
    """Call the program with some words; returns its exit code and what it prints. No failure is a traceback."""

    def call(*args: object) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as exit_:
            cli([str(arg) for arg in args], prog_name="recnmp")
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return exit_.value.code, out, err

    return call
