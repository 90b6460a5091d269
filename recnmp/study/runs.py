"""Single gather-reduces for studies: a configuration, who gathers, what comes out; several processes at a time."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import as_completed
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from recnmp._registry import plugin
from recnmp._threads import process_pool
from recnmp.config import Config, config_to_dict, load_config
from recnmp.config.document import similar_file
from recnmp.config.load import load_config_dict
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.library.energy import currents_of, load_operation_costs
from recnmp.nmp import functional
from recnmp.nmp.base import SlsRun, System
from recnmp.nmp.energy import by_currents, by_operations
from recnmp.placement.place import PlacedLookups, place
from recnmp.report.energy import PAPER
from recnmp.resolve import resolve
from recnmp.trace.colocation import with_own_tables
from recnmp.trace.storage import load_trace
from recnmp.trace.trace import Trace

Progress = Callable[[str], None] | None
Options = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One gather-reduce: a configuration as JSON, and the architecture of ``recnmp.nmp`` that gathers."""

    config: str
    kind: str

    @classmethod
    def of(cls, config: Config, kind: str, changes: Options | None = None) -> "Run":
        """Return the run of ``config`` with ``changes``, dotted options and their values.

        Raises ConfigError for changes that the configuration does not allow.
        """
        data = deepcopy(config_to_dict(config))
        for key, value in (changes or {}).items():
            *sections, last = key.split(".")
            part = data
            for section in sections:
                part = part[section]
            part[last] = value
        load_config_dict(data, "study")
        return cls(json.dumps(data, sort_keys=True), kind)


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes:
        ns: time of the whole trace.
        lookups: of the trace.
        memory, details: DRAM figures and those of the architecture, as in a result's ``memory`` and ``nmp``.
        energy_pj: energy of every part, by ledger; ``idd`` is None where the library has no currents of the memory.
        functional_check: as in a result.
    """

    ns: float
    lookups: int
    memory: dict[str, Any]
    details: dict[str, Any]
    energy_pj: dict[str, dict[str, float] | None]
    functional_check: dict[str, Any]


def checked_config(target: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration ``target``; raises ConfigError for a name or option that is not there."""
    config = load_config(target, overrides)
    resolve(config)
    return config


def config_with_trace(path: Path, base: str, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration ``base`` replaying the trace at ``path``, whose tables count, not those of its model.

    Raises ConfigError for a name or option that is not there.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file{similar_file(path)}")
    data = config_to_dict(checked_config(base, overrides))
    data["trace"] = {"file": str(path.absolute()), "table_dtype": data["trace"]["table_dtype"]}
    return load_config_dict(data, base)


def gather(trace: Trace, placed: PlacedLookups, config: Config, kind: str, checked: bool = False) -> Outcome:
    """Gather every lookup of ``trace`` by ``kind`` on the configuration's memory, caches and arrival.

    Its ``nmp.options`` are for its own ``nmp.kind``. Raises RecnmpError where ``checked`` vectors differ.
    """
    system = System(load_standard(config.memory.standard), config.memory, config.cache, config.arrival)
    architecture = plugin("nmp", kind)
    own = kind == config.nmp.kind
    options = config.section(("nmp", "options"), architecture.Options) if own else architecture.Options()
    run: SlsRun = architecture.run(trace, placed, system, options)
    found = functional.check("auto" if checked else "off", trace, placed, run, system)
    return Outcome(run.ns, trace.lookups, run.memory, run.details, _energy(run, system), found)


def run_all(
    runs: Iterable[Run], processes: int = 1, checked: Iterable[Run] = (), progress: Progress = None
) -> dict[Run, Outcome]:
    """Run everything different once, ``processes`` at a time; outcomes do not depend on ``processes``.

    Those ``checked`` compare real vectors up to the trace length at which a result does so unasked.
    """
    different, checks = list(dict.fromkeys(runs)), set(checked)
    outcomes: dict[Run, Outcome] = {}

    def done(run: Run, outcome: Outcome) -> None:
        outcomes[run] = outcome
        if progress:
            progress(f"run {len(outcomes)} of {len(different)}")

    if processes == 1:
        for run in different:
            done(run, _run(run, run in checks))
        return outcomes
    with process_pool(processes) as pool:
        waiting = {pool.submit(_run, run, run in checks): run for run in different}
        for ended in as_completed(waiting):
            done(waiting[ended], ended.result())
    return {run: outcomes[run] for run in different}


def _run(run: Run, checked: bool) -> Outcome:
    config = _config(run.config)
    data = json.loads(run.config)
    trace, placed = _placed(json.dumps({**data, "cache": {}, "nmp": {}}))
    return gather(trace, placed, config, run.kind, checked)


@lru_cache(maxsize=2)
def _placed(config: str) -> tuple[Trace, PlacedLookups]:
    """Return trace and placement, which caches and architectures do not change."""
    chosen = _config(config)
    trace, profiled = _traces(chosen)
    spec = load_standard(chosen.memory.standard)
    return trace, place(trace, chosen.memory, spec, chosen.placement, profiled)


def _traces(config: Config) -> tuple[Trace, Trace]:
    """Return what is replayed, and the trace in which ``placement.profile`` counts, as `recnmp simulate` has them."""
    first, batches = config.trace.first_batch, config.trace.batches
    whole = config.placement.profile is not None
    kept = (0, None) if whole else (first, batches)
    trace = load_trace(config.trace.file, first_batch=kept[0], batches=kept[1])
    trace = trace.stored_as(config.trace.table_dtype)
    if config.arrival.tables == "separate":
        trace = with_own_tables(trace, config.arrival.threads, kept[0])
    return (trace.select(first, batches) if whole else trace), trace


def _config(text: str) -> Config:
    return load_config_dict(json.loads(text), "study")


def _energy(run: SlsRun, system: System) -> dict[str, dict[str, float] | None]:
    costs, spec = load_operation_costs(PAPER), system.spec
    try:
        idd = by_currents(run.operations, costs, currents_of(system.memory.standard), spec, run.ns)
    except ConfigError:  # no currents of this memory
        idd = None
    return {PAPER: by_operations(run.operations, costs, spec), "idd": idd}
