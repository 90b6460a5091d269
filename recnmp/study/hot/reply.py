"""What the memory system replies when hot entries lie elsewhere: in a faster tier, or copied into every rank.

A tier and the DRAM behind the DIMMs read at the same time. How well they overlap is not modelled: ``overlapped_ns``
is the longer of the two, ``serial_ns`` their sum, and the truth lies between. Hot entries lie in the tier one after
the other, and all of them are there from the start; that copy, and the adds that join both sums, are not counted.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from recnmp._registry import plugin
from recnmp.config import Config
from recnmp.config.schema import CachesConfig, MemoryConfig, PlacementConfig, ProfileConfig, ReplicateConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.library.tier import RatesTier, Tier
from recnmp.placement.place import place
from recnmp.report.energy import PAPER
from recnmp.study.hot.profile import Bits, Longs, Universe, whole_hot
from recnmp.study.runs import Outcome, gather
from recnmp.trace.trace import Calls, Table, Trace

Row = dict[str, Any]
Progress = Callable[[str], None] | None


class Reply:
    """The judged part of a trace, from batch ``first_batch`` on, on the memory of ``config``.

    Raises ConfigError for a configuration whose co-located models have tables of their own.
    """

    def __init__(self, universe: Universe, first_batch: int, config: Config, progress: Progress) -> None:
        if config.arrival.tables == "separate":
            raise ConfigError("study hot replays one model: arrival.tables is separate")
        self._universe, self._config, self._first = universe, config, first_batch
        self._tell: Callable[[str], object] = progress or str
        self._judged = universe.batch >= first_batch
        self._trace = _subset(universe.trace, self._judged, first_batch)
        near = config.nmp.kind
        self._base = {}
        for reader in ("host",) if near == "host" else ("host", near):
            self._tell(f"{reader}: all in DRAM")
            self._base[reader] = self._gather(self._trace, reader)

    def rows(
        self, hot: Bits, reads: Longs, budget_bytes: int, tiers: dict[str, Tier], copies: bool
    ) -> Iterator[Row]:
        """Yield what every reader takes with all in DRAM, with each tier that is large enough, and with copies."""
        head = {"budget_bytes": budget_bytes, "hot_entries": int(hot.sum())}
        for reader, base in self._base.items():
            yield head | _row(("none", reader), base, 0, (0.0, 0.0), base)
        for name, tier in tiers.items():
            if int(self._universe.width[hot].sum()) > tier.capacity_bytes.value:
                continue
            moved = self._moved(hot, tier)
            took = self._in_tier(tier, hot, moved)
            cold = _subset(self._universe.trace, self._judged & ~moved, self._first)
            for reader, base in self._base.items():
                self._tell(f"{name}: {reader} reads the rest, {budget_bytes:,} B of hot entries")
                rest = self._gather(cold, reader)
                yield head | _row((name, reader), rest, int(moved.sum()), took, base)
        reader = self._config.nmp.kind
        if copies and reader != "host" and hot.any():
            self._tell(f"copies in every rank, {budget_bytes:,} B of hot entries")
            outcome, read = self._with_copies(hot, reads, reader)
            yield head | _row(("copies", reader), outcome, read, (0.0, 0.0), self._base[reader])

    def _moved(self, hot: Bits, tier: Tier) -> Bits:
        """Return which judged lookups go to the tier, shape (L,)."""
        universe = self._universe
        hit = hot[universe.item]
        if tier.route == "samples":
            hit = whole_hot(universe, hit)[universe.sample]
        return hit & self._judged

    def _in_tier(self, tier: Tier, hot: Bits, moved: Bits) -> tuple[float, float | None]:
        """Return time [ns] and energy [pJ] of the lookups that the tier serves; the energy is None if not known."""
        universe = self._universe
        if not moved.any():
            return 0.0, 0.0
        item = universe.item[moved]
        if isinstance(tier, RatesTier):
            read_bytes = int(universe.width[item].sum())
            ns = len(np.unique(universe.batch[moved])) * tier.latency_ns.value
            ns += read_bytes / tier.gb_per_s.value
            return ns, 8 * read_bytes * tier.read_pj_per_bit.value if tier.read_pj_per_bit else None
        of_tier = {
            "memory": MemoryConfig(
                standard=tier.standard, channels=tier.channels.value, ranks_per_dimm=1, mapping=tier.mapping
            ),
            "cache": CachesConfig(),
            "placement": PlacementConfig(seed=self._config.placement.seed),
        }
        trace = _packed(universe, hot, _subset(universe.trace, moved, self._first), item)
        outcome = self._gather(trace, "host", self._config.model_copy(update=of_tier))
        # the price of a DIMM's pins is not that of a stack's, so its DRAM alone counts
        ledger = outcome.energy_pj["idd"]
        pj = sum(pj for part, pj in ledger.items() if part.startswith("dram_")) if ledger else None
        return outcome.ns, pj

    def _with_copies(self, hot: Bits, reads: Longs, reader: str) -> tuple[Outcome, int]:
        """Return the run near memory with hot entries in every rank, and how many lookups read a copy."""
        config = self._config
        options = config.section(("nmp", "options"), plugin("nmp", reader).Options)
        copies = ReplicateConfig(entries=int(hot.sum()), bags=getattr(options, "poolings_per_packet", 8))
        told = {"replicate": copies, "profile": ProfileConfig()}
        placement, spec = config.placement.model_copy(update=told), load_standard(config.memory.standard)
        profile = _as_read(self._universe, hot, reads)
        placed = place(self._trace, config.memory, spec, placement, profile)
        assert placed.replication is not None  # asked for
        return gather(self._trace, placed, config, reader), round(
            placed.replication.lookup_share * self._trace.lookups
        )

    def _gather(self, trace: Trace, reader: str, config: Config | None = None) -> Outcome:
        config = config or self._config
        where = config.placement.model_copy(update={"replicate": None, "profile": None})
        return gather(
            trace, place(trace, config.memory, load_standard(config.memory.standard), where), config, reader
        )


def _row(
    which: tuple[str, str], rest: Outcome, moved: int, tier: tuple[float, float | None], base: Outcome
) -> Row:
    """Return what ``rest`` in DRAM and ``moved`` lookups in a tier (ns, pJ) come to, beside all in DRAM."""
    ns, pj = tier
    overlapped, lookups = max(rest.ns, ns), base.lookups
    energy: Row = {}
    for ledger in (PAPER, "idd"):
        of_rest, of_base = rest.energy_pj[ledger], base.energy_pj[ledger]
        rest_pj, base_pj = sum((of_rest or {}).values()), sum((of_base or {}).values())
        energy[f"{ledger}_rest_nj_per_lookup"] = rest_pj / 1e3 / lookups if of_rest else None
        energy[f"{ledger}_energy_share"] = (rest_pj + pj) / base_pj if base_pj and pj is not None else None
    return {
        "tier": which[0],
        "reader": which[1],
        "lookups": lookups,
        "moved_lookups": moved,
        "rest_ns": rest.ns,
        "tier_ns": ns,
        "overlapped_ns": overlapped,
        "serial_ns": rest.ns + ns,
        "ns_per_lookup": overlapped / lookups,
        "time_share": overlapped / base.ns,
        "serial_time_share": (rest.ns + ns) / base.ns,
        "tier_nj_per_lookup": None if pj is None else pj / 1e3 / lookups,
        **energy,
    }


def _subset(trace: Trace, kept: Bits, first_batch: int) -> Trace:
    """Return the lookups that are ``kept``, all of the batches from number ``first_batch`` on; bags may be empty."""
    weight = None if trace.weight is None else trace.weight[kept]
    return Trace(
        trace.table[kept],
        trace.bag[kept],
        trace.entry[kept],
        weight,
        trace.tables,
        trace.calls.of_batches(first_batch),
        trace.meta,
    )


def _packed(universe: Universe, hot: Bits, trace: Trace, item: Longs) -> Trace:
    """Return a trace of hot entries whose tables hold nothing but those; ``item`` is that of each lookup."""
    held = np.bincount(universe.table[hot], minlength=len(trace.tables))
    first = np.cumsum(held) - held
    place_of = np.cumsum(hot) - 1
    entry = (place_of[item] - first[universe.table[item]]).astype(np.uint32)
    tables = tuple(
        Table(one.name, max(1, int(n)), one.dim, one.dtype) for one, n in zip(trace.tables, held, strict=True)
    )
    return replace(trace, entry=entry, tables=tables)


def _as_read(universe: Universe, hot: Bits, reads: Longs) -> Trace:
    """Return a trace that reads every hot entry as often as the profile did, once at least, in one batch."""
    times = np.maximum(reads[hot], 1)
    table, tables = np.repeat(universe.table[hot], times), universe.trace.tables
    each = np.arange(len(tables))
    calls = Calls(
        each.astype(np.uint16), each, np.ones_like(each), np.zeros_like(each), np.zeros(len(each), np.uint8)
    )
    entry = np.repeat(universe.entry[hot], times).astype(np.uint32)
    return Trace(table.astype(np.uint16), table.astype(np.uint32), entry, None, tables, calls)
