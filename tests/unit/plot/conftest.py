"""A sweep as it lies on disk, small enough to know every number of it by heart."""

import json

import pytest

from recnmp.report.result import FORMAT
from recnmp.report.tidy import write_tidy
from recnmp.sweep.figures import figures
from recnmp.sweep.store import Store
from recnmp.sweep.task import Outcome

SECTIONS = ("sls", "memory", "nmp", "energy", "mlp", "end_to_end", "trace", "functional_check", "provenance")


def document_of(dimms: int, nmp_ns: float, *, ranks=2, size=32768, served: bool = False) -> dict:
    """A result of 100 lookups of 128 bytes: the host takes 1,000 ns for the SLS, 300 for the rest."""
    mlp, hidden = {"bottom_mlp_ns": 100.0, "interaction_ns": 50.0, "top_mlp_ns": 150.0}, min(100.0, nmp_ns)
    near = {"sls_ns": nmp_ns, "hidden_ns": hidden, "exposed_sls_ns": nmp_ns - hidden}
    sides = {"host": 1.0, "nmp": 1000.0 / nmp_ns}
    loads = {"lookups": [[60, 40]], "bursts_read": [[120, 80]]}
    at = {
        side: [{"queries_per_s": rate, "latency": _latency(rate, fast)} for rate in (100.0, 200.0, 400.0)]
        for side, fast in sides.items()
    }
    serving = {
        side: {"throughput": {"queries_per_s": 300.0 * fast}, "at": at[side]} for side, fast in sides.items()
    }
    ledger = {"dram_read_uj_per_run": 2.0, "io_data_uj_per_run": 1.0}
    return {name: {} for name in SECTIONS} | {
        "format": FORMAT,
        "config": {
            "memory": {"dimms_per_channel": dimms, "ranks_per_dimm": ranks},
            "cache": {"rank": {"size_bytes": size}, "llc": None},
            "trace": {"file": "t.parquet"},
        },
        "sls": {"host_ns": 1000.0, "nmp_ns": nmp_ns, "speedup_over_host": 1000.0 / nmp_ns, "lookups": 100},
        "memory": {"host": {"merged": 0, "rank_loads": loads}, "nmp": {"rank_loads": loads}},
        "nmp": {
            "rank_load_imbalance": 1.2,
            "packet_load_imbalance": 1.5,
            "time_share": {"delivery": 0.5, "return": 0.25, "waiting": 0.25},
        },
        "energy": {
            "operations": {"host": {"data_bits_per_run": 100 * 128 * 8}},
            "idd": {"host": ledger | {"total_nj_per_lookup": 30.0}, "nmp": {"dram_read_uj_per_run": 2.0}}
            | {"saving_percent_against_host": 33.0},
            "units": {"area_mm2_all_units": 0.5 * dimms},
        },
        "end_to_end": {
            "host_ns": 1300.0,
            "nmp_ns": 300.0 + nmp_ns - hidden,
            "breakdown": {"host": mlp | {"sls_ns": 1000.0}, "nmp": mlp | near},
            "serving": serving | {"p95_target_ns": 4e6} if served else None,
        },
        "trace": {"file": "t.parquet", "meta": {"indices": "drawn uniformly", "seed": 7}},
        "provenance": {"recnmp": "0.1.0", "git": {"commit": "0123456789abcdef", "dirty": False}},
    }


def _latency(rate: float, fast: float) -> dict | None:
    if rate >= 300 * fast:
        return None
    return {f"p{p}_ns": p * 1e4 * (1 + rate / 300) / fast for p in (50, 95, 99)}


# dimms, RankCache, scheduling, seed: SLS near memory [ns]; None failed. (2, 1 MiB, table_aware) is no point.
POINTS = {
    (1, 32768, "arrival", 1): 500.0,
    (1, 32768, "arrival", 2): 250.0,
    (1, 32768, "table_aware", 1): 400.0,
    (1, 32768, "table_aware", 2): 400.0,
    (1, None, "arrival", 1): 800.0,
    (1, None, "arrival", 2): 800.0,
    (1, None, "table_aware", 1): None,
    (1, None, "table_aware", 2): None,
    (2, 32768, "arrival", 1): 125.0,
    (2, 32768, "arrival", 2): 125.0,
    (2, 32768, "table_aware", 1): 100.0,
    (2, 32768, "table_aware", 2): 100.0,
    (2, None, "arrival", 1): 200.0,
    (2, None, "arrival", 2): None,
}


@pytest.fixture
def sweep(tmp_path):
    folder = tmp_path / "ranks"
    store, rows = Store(folder), []
    for n, ((dimms, size, order, seed), ns) in enumerate(POINTS.items()):
        document = None if ns is None else document_of(dimms, ns, size=size)
        store.save(Outcome(f"{n:032x}", document, None if ns else "no", "" if ns else "Traceback"))
        row = {"point": f"{n:032x}", "memory.dimms_per_channel": dimms}
        row |= {"cache.rank": None if size is None else json.dumps({"size_bytes": size})}
        row |= {"cache.rank.size_bytes": size, "nmp.options.scheduling": order, "seed": seed}
        row |= {"status": "done" if ns else "error", "error": None if ns else "no"}
        found = figures(document or {})
        rows.append(row | {k: v for k, v in found.items() if k not in row})
    names = list(dict.fromkeys(name for row in rows for name in row))
    write_tidy([{name: row.get(name) for name in names} for row in rows], folder / "results", {})
    store.write_manifest({"document": {"memory": {"dimms_per_channel": 1, "ranks_per_dimm": 2}}})
    return folder


@pytest.fixture
def result(tmp_path):
    def write(name: str, **options):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "result.json").write_text(
            json.dumps(document_of(**{"dimms": 1, "nmp_ns": 250.0} | options))
        )
        return folder

    return write
