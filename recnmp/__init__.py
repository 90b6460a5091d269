"""recnmp: near-memory processing of embedding gather-reduce, from a real trace to end-to-end time."""

import importlib
import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recnmp.errors import ConfigError

if TYPE_CHECKING:
    import pandas

    from recnmp.report.result import Result

__version__ = "0.1.0"


def run(config: str | Path, options: Mapping[str, Any] | None = None) -> "Result":
    """Simulate a configuration on the host and near memory, as `recnmp simulate` does, and return what came out.

    ``config`` is a YAML file or the name of a configuration that ships (``"rank8"``), ``options`` are set on top of
    it: ``{"memory.channels": 2, "cache.rank": None, "mlp.kind": "none"}``; files in them are relative to the working
    folder. The result has a mapping for each section of the result document: ``run("rank8").sls["nmp_ns"]``.

    Raises ConfigError with its place for what cannot be done as asked, RecnmpError when a check of the run fails.
    """
    load_config = importlib.import_module("recnmp.config").load_config
    result: Result = importlib.import_module("recnmp.simulate").simulate(
        load_config(config, _overrides(options))
    )
    return result


def run_sweep(
    config: str | Path,
    out: str | Path,
    options: Mapping[str, Any] | None = None,
    *,
    cluster: str = "none",
    workers: int | None = None,
) -> "pandas.DataFrame":
    """Run every point of a sweep that the folder ``out`` lacks, and return the table of all, as `load_results` does.

    ``options`` as for `run`; ``cluster`` and ``workers`` as for `recnmp sweep`: one after the other in this process
    by default, ``"local"`` on several cores (in a script below ``if __name__ == "__main__":``, for processes are
    started). A point that fails is a row with its ``error``.

    Raises ConfigError for a sweep that cannot be run as asked, or without pandas; RecnmpError where a cluster or the
    disk fails.
    """
    _needs_pandas("run_sweep")
    sweep = importlib.import_module("recnmp.sweep.run")
    sweep.run_sweep(config, Path(out), _overrides(options), where=sweep.Where(cluster, workers))
    return load_results(out)


def run_search(
    config: str | Path,
    out: str | Path,
    options: Mapping[str, Any] | None = None,
    *,
    cluster: str = "none",
    workers: int | None = None,
) -> "pandas.DataFrame":
    """Look for designs in the space of a search, keep them in the folder ``out``, and return the front.

    All as for `run_sweep`; ``load_results(out)`` has every trial. Raises ConfigError for a search that cannot be run
    as asked, or without pandas or what its sampler needs; RecnmpError where all trials fail, a cluster or the disk
    does.
    """
    _needs_pandas("run_search")
    search, runner = (importlib.import_module(f"recnmp.{name}") for name in ("search.run", "sweep.runner"))
    search.run_search(config, Path(out), _overrides(options), where=runner.Where(cluster, workers))
    return load_results(out, "pareto")


def load_results(path: str | Path, table: str | None = None) -> "pandas.DataFrame":
    """Return what a sweep's or search's folder holds as a pandas DataFrame, or a single result as one of one row.

    ``table`` of a sweep: ``results``, the default, has a row for each point with its options, status and figures;
    ``summary``, where there are seeds, one for each setting with means and half widths of their 95 % confidence
    intervals. Of a search: ``trials``, the default, and ``pareto``, those that no other trial beats. Columns are
    named as keys of the result document, units included.

    Raises ConfigError where there is no such result or table, or no pandas.
    """
    loaded: pandas.DataFrame = importlib.import_module("recnmp.sweep.tables").load_results(path, table)
    return loaded


def _needs_pandas(what: str) -> None:
    if importlib.util.find_spec("pandas") is None:
        raise ConfigError(f"{what} returns a DataFrame and needs pandas: pip install 'recnmp[dist]'")


def _overrides(options: Mapping[str, Any] | None) -> list[str]:
    # JSON is YAML, too
    return [f"{name}={json.dumps(value, default=os.fspath)}" for name, value in (options or {}).items()]
