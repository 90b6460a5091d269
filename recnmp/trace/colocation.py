"""Co-located models: threads that serve copies of a model read tables of their own."""

from dataclasses import replace

import numpy as np

from recnmp.errors import ConfigError
from recnmp.trace.trace import Trace

_MOST_TABLES = np.iinfo(np.uint16).max + 1


def with_own_tables(trace: Trace, threads: int, first_batch: int = 0) -> Trace:
    """Return ``trace`` with every table once per thread; batch n is served by thread n modulo ``threads``.

    The lookups stay as they are, so a trace of B batches becomes that of ``threads`` equal models that each serve
    every so many of them. ``first_batch`` is the number of its first one. Raises ConfigError for more tables than a
    trace can have.
    """
    tables = len(trace.tables)
    if tables * threads > _MOST_TABLES:
        raise ConfigError(
            f"arrival.tables: {threads} threads with {tables} tables each are more than {_MOST_TABLES} tables"
        )
    _, number = np.unique(trace.calls.batch, return_inverse=True)
    first = ((number + first_batch) % threads * tables).astype(np.uint16)
    table = trace.calls.table + first
    of_bag = np.repeat(first, trace.calls.bags)
    return replace(
        trace,
        table=trace.table + of_bag[trace.bag - np.uint32(trace.calls.first_bag[0])],
        tables=tuple(
            replace(t, name=f"{t.name}@{thread}") for thread in range(threads) for t in trace.tables
        ),
        calls=replace(trace.calls, table=table),
    )
