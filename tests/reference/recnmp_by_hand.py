"""Lookups at places chosen by hand, for closed forms of RecNMP's twin."""

import numpy as np
from builders import DDR4, system_of, trace_of

from recnmp.config.schema import CacheConfig
from recnmp.placement.place import PlacedLookups
from reference.recnmp_packets import Settings
from reference.recnmp_tick import run

N = DDR4.cycles
READ = 1 + N["nRCD"] + N["nCL"] + N["nBL"]  # accepted, ACT a clock later, RD, last beat
ADDED = 4 + 3  # stages of the pipeline, and the rank's own adder


def gather(
    bags,
    *,
    dims=(16,),
    bursts=1,
    ranks=(1, 1),
    ways=None,
    dtypes=("fp32",),
    weights=None,
    order=None,
    locality=None,
    **settings,
):
    """Run bags of lookups (rank, bank, row, column); every bag is a call, and so a packet, of its own."""
    places = np.array([place for bag in bags for place in bag], np.int32).reshape(-1, 4)
    each = np.resize(bursts, len(places))
    trace = trace_of(
        [(64, dim) for dim in dims],
        [(n % len(dims), [[0] * len(bag)]) for n, bag in enumerate(bags)],
        dtypes=dtypes,
        weights=weights,
    )
    at = np.repeat(np.arange(len(places)), each)
    first = np.concatenate([[0], np.cumsum(each)])
    rank, bank, row, column = places[at].T
    column = column + np.arange(len(at)) - first[at]
    ones = np.ones(len(dims), np.int64)
    placed = PlacedLookups(first, 0 * rank, rank, bank, row, column, ones, ones, 0 * first[1:])
    dimms, ranks_per_dimm = ranks
    system = system_of(
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks_per_dimm,
        refresh="off",
        rank_cache=CacheConfig(size_bytes=ways * 64, ways=ways) if ways else None,
    )
    (channel,) = run(trace, placed, system, Settings(**settings), order, locality)
    return channel


def other_rows(n, banks=16):
    """Lookups in turn over the banks of rank 0, in a row of their own each."""
    return [(0, k % banks, k, 0) for k in range(n)]


def names(channel, rank=0):
    return [command.name for command in channel.commands[rank]]


def reads_of(channel, rank=0):
    """Request and column of every RD, in the order of issue."""
    return [(command.request, command.column) for command in channel.commands[rank] if command.name == "RD"]


def cycles_of(channel, name, rank=0):
    return [command.cycle for command in channel.commands[rank] if command.name == name]
