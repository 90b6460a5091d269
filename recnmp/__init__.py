"""recnmp: near-memory processing of embedding gather-reduce, from a real trace to end-to-end time."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

__version__ = "0.1.0"


def load_results(path: str | Path, table: str | None = None) -> "pandas.DataFrame":
    """Return what a sweep's or search's folder holds as a pandas DataFrame, or a single result as one of one row.

    ``table`` of a sweep: ``results``, the default, has a row for each point with its options, status and figures;
    ``summary``, where there are seeds, one for each setting with means and half widths of their 95 % confidence
    intervals. Of a search: ``trials``, the default, and ``pareto``, those that no other trial beats. Columns are named
    as keys of the result document, units included.

    Raises ConfigError where there is no such result or table, or no pandas.
    """
    loaded: pandas.DataFrame = importlib.import_module("recnmp.sweep.tables").load_results(path, table)
    return loaded
