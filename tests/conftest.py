"""What needs recorded runs or another simulator is part of the suite only where it is named."""

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def is_here(item: pytest.Item) -> bool:
        return all(os.environ.get(mark.args[0]) for mark in item.iter_markers("external"))

    absent = [item for item in items if not is_here(item)]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if is_here(item)]
