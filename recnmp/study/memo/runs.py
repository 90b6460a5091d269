"""Plain and rewritten bags on the host and near memory: time, energy, and what making the sums takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recnmp.config import Config
from recnmp.memory.replay import replay
from recnmp.memory.requests import Requests
from recnmp.nmp import functional
from recnmp.nmp.base import SlsRun, sorted_by
from recnmp.nmp.sharing import run_shared
from recnmp.placement.place import make_mapping, place
from recnmp.report.energy import PAPER, energy_section
from recnmp.resolve import Parts, resolve
from recnmp.trace.trace import Trace
from recnmp.units import cycles_to_ns, gb_per_s

LEDGERS = (PAPER, "idd")
_BUILT = 4096  # entries that are read or written to find the bandwidth of making sums


@dataclass(frozen=True)
class Sides:
    """Host and, unless ``nmp.kind`` is host, near memory of a configuration; its own model and trace are not run."""

    parts: Parts

    @classmethod
    def of(cls, config: Config) -> "Sides":
        """Find all that ``config`` names; raises ConfigError for what is not there, and what a study does not do."""
        if config.arrival.tables == "separate":
            raise config.error(
                ("arrival", "tables"), "a memoization study has the tables of one model: shared"
            )
        if config.placement.profile is not None:
            raise config.error(("placement", "profile"), "a memoization study counts the batches it replays")
        return cls(resolve(config))

    def run(self, trace: Trace) -> list[dict[str, Any]]:
        """Return a row for each side: time and energy of ``trace``; raises as ``recnmp.simulate.simulate`` does."""
        parts, config, system = self.parts, self.parts.config, self.parts.system
        placed = place(trace, config.memory, system.spec, config.placement)
        host = run_shared(lambda on: parts.host.run(trace, placed, on, parts.host_options), system)
        near: SlsRun | None = None
        if parts.nmp is not None:
            nmp, options = parts.nmp, parts.nmp_options
            near = run_shared(lambda on: nmp.run(trace, placed, on, options), system)
            functional.check(config.functional_check, trace, placed, near, system)
        energy = energy_section(host, near, trace, system)
        rows = []
        for side, name, run in (("host", "host", host), ("nmp", config.nmp.kind, near)):
            if run is None:
                continue
            run.audit(system)
            taken = {
                f"{ledger}_uj": energy[ledger][side]["total_uj_per_run"] if energy[ledger] else None
                for ledger in LEDGERS
            }
            hits = run.details.get("cache_hit_rate", run.memory.get("llc_hit_rate"))
            told = {"architecture": name, "lookups": trace.lookups, "ns": run.ns, "cache_hit_rate": hits}
            rows.append(told | taken)
        return rows

    def build(self, read_bytes: int, written_bytes: int) -> dict[str, float]:
        """Return how long making sums takes at the bandwidth of a sample of it, which the host's memory carries.

        Entries are read at random places and sums written one after another, evenly mixed.
        """
        share = written_bytes / max(read_bytes + written_bytes, 1)
        bandwidth = self._bandwidth(share) if written_bytes else 0.0
        taken = (read_bytes + written_bytes) / bandwidth if bandwidth else 0.0
        return {"build_gb_per_s": bandwidth, "build_ns": taken}

    def _bandwidth(self, write_share: float) -> float:
        system, memory = self.parts.system, self.parts.config.memory
        spec, mapping, width = system.spec, make_mapping(memory, system.spec), 4  # bursts of an entry
        number = np.arange(_BUILT)
        write = np.diff(np.floor(np.arange(_BUILT + 1) * write_share)) > 0
        places = (1 << mapping.bits) // width
        entry = np.where(write, np.cumsum(write), np.random.default_rng(1).integers(0, places, len(number)))
        fields = mapping.decode((entry[:, None] * width + np.arange(width)).ravel())
        bank = fields["Bg"] * spec.organization.banks_per_group.value + fields["Ba"]
        order, start = sorted_by(fields["Ch"].astype(np.int32), memory.channels)
        columns = (fields["Ra"] * spec.banks_per_rank + bank, fields["Ro"], fields["Co"])
        lane, row, column = (values[order].astype(np.int32) for values in columns)
        written = np.repeat(write, width)[order].astype(np.uint8)
        zeros = np.zeros(len(order), np.int32)
        requests = Requests(start, zeros.astype(np.int64), lane, row, column, written, zeros, 1)
        options = system.controller(system.ranks_per_channel, memory.read_queue)
        ns = cycles_to_ns(replay(requests, spec, options).cycles, spec.tCK_ps.value)
        return gb_per_s(len(order) * spec.organization.burst_bytes.value, ns)


def against_plain(rows: list[dict[str, Any]], build_ns: dict[float, float]) -> list[dict[str, Any]]:
    """Return the rows with their speed-ups over the plain host, and over the plain run of their own architecture.

    Savings are of the plain host's energy, in percent; None where a ledger has no constants. Making the sums, which
    takes ``build_ns`` by memory, is paid back after so many batches; None where a batch saves nothing.
    """
    plain = {row["architecture"]: row for row in rows if row["memory"] == 1.0}
    told = []
    for row in rows:
        host, own = plain["host"], plain[row["architecture"]]
        saved = (own["ns"] - row["ns"]) / row["batches"]
        more = {
            "speedup_over_host": host["ns"] / row["ns"] if row["ns"] else None,
            "speedup_over_plain": own["ns"] / row["ns"] if row["ns"] else None,
            "paid_back_after_batches": build_ns[row["memory"]] / saved if saved > 0 else None,
        }
        for ledger in LEDGERS:
            was, now = host[f"{ledger}_uj"], row[f"{ledger}_uj"]
            more[f"{ledger}_saving_percent"] = 100 * (1 - now / was) if was and now is not None else None
        told.append(row | more)
    return told
