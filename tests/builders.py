"""Small traces and memory systems for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recnmp.config.schema import CacheConfig, CachesConfig, MemoryConfig, PlacementConfig
from recnmp.library.dram import COMMANDS, DramSpec, load_standard
from recnmp.memory.commands import Commands
from recnmp.nmp.base import System
from recnmp.placement.place import PlacedLookups, place
from recnmp.trace.storage import save_trace
from recnmp.trace.trace import POOLINGS, Calls, Table, Trace
from recnmp.units import TableDtype

DDR4 = load_standard("ddr4_2400")
DDR5 = load_standard("ddr5_4800")

SMALL_MODEL = """\
name: small
source: a test
tables: [{count: 3, entries: 3000, dim: 16, pooling_factor: 5}]
bottom_mlp: [16]
top_mlp: [1]
interaction: cat
"""

Bags = Sequence[Sequence[int]]
"""Entries that each bag of a call reads."""


def trace_of(
    tables: Sequence[tuple[int, int]],
    calls: Sequence[tuple[int, Bags]],
    *,
    pooling: str = "sum",
    weights: np.random.Generator | None = None,
    per_batch: int | None = None,
    dtypes: Sequence[TableDtype] = ("fp32",),
) -> Trace:
    """Build a trace of ``tables`` (entries, dim) and ``calls`` (table, bags), ``per_batch`` calls a batch.

    Tables are of ``dtypes`` in turn.
    """
    bags = [len(call_bags) for _, call_bags in calls]
    lengths = [len(bag) for _, call_bags in calls for bag in call_bags]
    entry = np.array([e for _, call_bags in calls for bag in call_bags for e in bag], np.uint32)
    of_call = np.array([table for table, _ in calls], np.uint16)
    weight = None if weights is None else weights.uniform(-2, 2, len(entry)).astype(np.float32)
    return Trace(
        table=np.repeat(np.repeat(of_call, bags), lengths),
        bag=np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths),
        entry=entry,
        weight=weight,
        tables=tuple(
            Table(f"table{t}", entries, dim, dtypes[t % len(dtypes)])
            for t, (entries, dim) in enumerate(tables)
        ),
        calls=Calls(
            table=of_call,
            first_bag=np.cumsum(bags) - bags,
            bags=np.array(bags, np.int64),
            batch=np.arange(len(calls)) // (per_batch or max(len(calls), 1)),
            pooling=np.full(len(calls), POOLINGS.index(pooling), np.uint8),
        ),
    )


def random_calls(
    rng: np.random.Generator, tables: Sequence[tuple[int, int]], calls: int, *, bags: int, longest: int
) -> list[tuple[int, list[list[int]]]]:
    """Make calls of 1 to ``bags`` bags of up to ``longest`` lookups, tables in turn, some entries hot."""
    made = []
    for n in range(calls):
        entries = tables[n % len(tables)][0]
        hot = max(entries // 50, 1)
        made.append(
            (
                n % len(tables),
                [
                    [int(rng.integers(hot if rng.random() < 0.4 else entries)) for _ in range(length)]
                    for length in rng.integers(0, longest + 1, rng.integers(1, bags + 1))
                ],
            )
        )
    return made


def write_small_model(folder: Path) -> None:
    """Write a model of three small tables, ``small.yaml``, and a trace of it, ``small.parquet``."""
    (folder / "small.yaml").write_text(SMALL_MODEL)
    save_trace(some_trace(dims=(16, 16, 16)), folder / "small.parquet")


def some_trace(seed: int = 0, dims: Sequence[int] = (16, 32, 64), **options) -> Trace:
    """Return a random trace of six calls over tables of these dims; options as for ``trace_of``."""
    rng = np.random.default_rng(seed)
    tables = [(3000, dim) for dim in dims]
    return trace_of(tables, random_calls(rng, tables, 6, bags=20, longest=9), **options)


def system_of(
    *,
    spec: DramSpec = DDR4,
    rank_cache: CacheConfig | None = None,
    llc: CacheConfig | None = None,
    **memory: object,
) -> System:
    """Return a memory system; keywords as in the ``memory`` section of a configuration."""
    return System(spec, MemoryConfig.model_validate(memory), CachesConfig(rank=rank_cache, llc=llc))


def placed_on(system: System, trace: Trace, whole: Trace | None = None, **placement: object) -> PlacedLookups:
    """Place a trace, a part of ``whole``, on a system; keywords as in the ``placement`` section."""
    return place(trace, system.memory, system.spec, PlacementConfig.model_validate(placement), whole)


def spec_with(spec: DramSpec = DDR4, **cycles: int) -> DramSpec:
    """Return ``spec`` with some timings replaced."""
    document = spec.model_dump()
    for name, value in cycles.items():
        document["timings"][name] = {"value": value, "source": "a test", "certainty": "derived"}
    return DramSpec.model_validate(document)


def by_hand(*issued: tuple) -> Commands:
    """Return commands given as (cycle, name, rank, bank_group, bank, row)."""
    rows = [
        (cycle, COMMANDS.index(name), rank, group, bank, row, 0 if name in ("RD", "WR") else -1, -1)
        for cycle, name, rank, group, bank, row in issued
    ]
    return Commands(*np.array(rows, np.int64).reshape(-1, 8).T)
