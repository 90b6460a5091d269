"""RecNMP systems and traces that product and twin are both given."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from builders import DDR5, placed_on, random_calls, spec_with, system_of, trace_of
from numpy.typing import NDArray

from recnmp.config.schema import CacheConfig
from recnmp.nmp.base import System
from recnmp.placement.place import PlacedLookups
from recnmp.trace.trace import Trace
from reference.recnmp_packets import Settings

CHOICES = {
    "dimms_and_ranks": ((1, 1), (1, 2), (2, 1), (2, 2), (1, 4), (4, 2), (1, 8), (4, 1)),
    "channels": (1, 1, 1, 2),
    "mapping": ("RoBaBgRaChCo", "RoCoRaBgBaChCo2", "RoBaBgChCoRaCo2"),
    "policy": ("frfcfs", "frfcfs", "frfcfs_rowhit"),
    "refresh": ("off", "simultaneous", "staggered", "same_bank"),
    "pages": ("random", "coloured"),
    "ways": (None, 1, 2, 4),
    "sets": (4, 4, 1, 32),
    "locality": ("all", "some"),
    "order": ("program", "shuffled"),
    "dims": ((16,), (32,), (64,), (16, 64), (32, 64, 16, 48), (4, 64)),
    "dtypes": (("fp32",), ("fp32",), ("int8_rowwise",), ("fp32", "int8_rowwise")),
    "weighted": (False, True),
    "longest": (2, 9, 30),
    "poolings_per_packet": (1, 3, 8, 16),
    "reorder_window": (1, 2, 4, 16, 32),
    "packets_in_flight": (1, 2, 3, 4),
    "delivery": ("compressed", "compressed", "ddr_commands"),
    "instructions_per_burst": (8, 8, 1, 3, 64),
    "header_bursts_per_dimm": (0, 1, 2),
    "turnaround_cycles": (2, 2, 0, 7),
    "rank_cache_cycles": (1, 0, 7),
    "pipeline_cycles": (4, 4, 0),
    "adder_cycles": (3, 3, 0),
    "multiplier_cycles": (4, 9),
    "page_policy": ("open", "open", "closed"),
    "row_hit_cap": (None, None, 1, 3),
    "merge_reads": (False, False, True),
    "partial_hits": ("rare", "rare", "many"),
}
OPTIONS = tuple(Settings.__dataclass_fields__)
MEMORY = ("channels", "mapping", "policy", "refresh", "page_policy", "row_hit_cap", "merge_reads")
CASES = 160
# so that a short run sees many refreshes
REFRESHED_OFTEN = spec_with(nREFI=600, nRFC=90)
SETS_REFRESHED_OFTEN = spec_with(DDR5, nREFI2=2000)


@dataclass(frozen=True)
class Case:
    """What product and twin are given.

    Attributes:
        options: RecNMP's options by name.
        order: packets, numbered in program order over all channels, in their order of delivery, shape (P,).
        locality: whether a lookup may use the RankCache, shape (L,).
    """

    trace: Trace
    placed: PlacedLookups
    system: System
    options: dict[str, object]
    order: NDArray[np.int64]
    locality: NDArray[np.bool_]


def packets_in(trace, poolings):
    """Packets of a trace on all channels, those without lookups too."""
    return int((-(-trace.calls.bags // poolings)).sum())


@cache
def choice(case: int) -> dict[str, object]:
    """Pick one of every choice; a mapping that changes ranks within a page cannot be coloured.

    Vectors are hit in part where short ones in between have taken single lines of a small cache: few entries, and
    calls of tables of all lengths in quick succession.
    """
    rng = np.random.default_rng([7, case])
    picked = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}
    if picked["mapping"] != "RoBaBgRaChCo":
        picked["pages"] = "random"
    if picked["partial_hits"] == "many":
        picked |= {"dims": (16, 64), "ways": picked["ways"] or 2, "sets": 4}
        picked["dimms_and_ranks"] = ((1, 1), (1, 2), (2, 1))[case % 3]
    return picked


@cache
def case_of(number: int) -> Case:
    picked = choice(number)
    rng = np.random.default_rng([8, number])
    dimms, ranks = picked["dimms_and_ranks"]
    ways, sets = picked["ways"], picked["sets"]
    system = system_of(
        spec=SETS_REFRESHED_OFTEN if picked["refresh"] == "same_bank" else REFRESHED_OFTEN,
        rank_cache=CacheConfig(size_bytes=sets * ways * 64, ways=ways) if ways else None,
        dimms_per_channel=dimms,
        ranks_per_dimm=ranks,
        audit=True,
        **{name: picked[name] for name in MEMORY},
    )
    sizes, count, bags = [40, 5000], 4, 60 // picked["longest"] + 1
    if picked["partial_hits"] == "many":
        sizes, count, bags = [5, 20], 40, 1
    tables = [(int(rng.choice(sizes)), dim) for dim in picked["dims"]]
    calls = random_calls(rng, tables, count, bags=bags, longest=picked["longest"])
    weights = rng if picked["weighted"] else None
    trace = trace_of(tables, calls, weights=weights, dtypes=picked["dtypes"])
    packets = packets_in(trace, picked["poolings_per_packet"])
    return Case(
        trace,
        placed_on(system, trace, pages=picked["pages"], seed=number),
        system,
        {name: picked[name] for name in OPTIONS},
        rng.permutation(packets) if picked["order"] == "shuffled" else np.arange(packets),
        rng.random(trace.lookups) < (0.6 if picked["locality"] == "some" else 1.0),
    )
