"""What each of RecNMP's mechanisms is worth: the gather with one switch changed, on shipped RM1 traffic.

python validation/mechanisms.py

Prints the table of docs/recnmp.md. Everything in it is simulated, so it comes out the same everywhere.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from recnmp.config import load_config
from recnmp.simulate import simulate

CONFIGS = Path(__file__).parents[1] / "configs"
NO_DENSE = ["mlp.kind=profile", "mlp.device=xeon_2core_shared_2026", "functional_check=off"]
FOUR_MODELS = ["arrival.threads=4", "arrival.order=random", "arrival.tables=separate"]
WORKLOADS = {
    "`rank8` alone": ("rank8", []),
    "`rank8`, 4 models": ("rank8", FOUR_MODELS),
    "`rank2`, 4 models": ("rank2", FOUR_MODELS),
}
TOGETHER = ["nmp.options.scheduling=table_aware", "nmp.options.locality=profiled"]
SWITCHES = [
    ("as shipped", []),
    ("no RankCache", ["cache.rank=null"]),
    ("RankCache of 8 KiB", ["cache.rank.size_bytes=8 KiB"]),
    ("RankCache of 1 MiB", ["cache.rank.size_bytes=1 MiB"]),
    ("table-aware scheduling", TOGETHER[:1]),
    ("hot-entry profiling", TOGETHER[1:]),
    ("both of them", TOGETHER),
    ("one pooling a packet", ["nmp.options.poolings_per_packet=1"]),
    ("16 poolings a packet", ["nmp.options.poolings_per_packet=16"]),
    ("no double buffering", ["nmp.options.packets_in_flight=1"]),
    ("four buffers", ["nmp.options.packets_in_flight=4"]),
    ("ranks in order", ["nmp.options.reorder_window=1"]),
    ("wide window", ["nmp.options.reorder_window=64"]),
    ("DDR commands on C/A", ["nmp.options.delivery=ddr_commands"]),
    ("no configuration writes", ["nmp.options.header_bursts_per_dimm=0"]),
    ("a rank for every table", ["placement.pages=coloured"]),
    ("that and table-aware", ["placement.pages=coloured", *TOGETHER[:1]]),
    ("colours and 16 buffers", ["placement.pages=coloured", "nmp.options.packets_in_flight=16"]),
    ("pages dealt to ranks", ["placement.pages=coloured", "placement.colours=page_interleaved"]),
    ("copies of hot entries", ["placement.replicate.entries=8000"]),
]


def near_memory(workload: str, sets: list[str]) -> tuple[float, float]:
    """Return the time of one batch's gather near memory in µs and the share of bursts that RankCaches answer."""
    config, arrival = WORKLOADS[workload]
    result = simulate(load_config(CONFIGS / f"{config}.yaml", [*NO_DENSE, *arrival, *sets])).to_dict()
    return result["sls"]["nmp_ns"] / 1e3, result["nmp"]["cache_hit_rate"] or 0.0


def row(mechanism: str, sets: list[str], shipped: dict[str, float]) -> str:
    """Return a line of the table; ``shipped`` are the times without a switch, by workload."""
    cells = [mechanism, ", ".join(f"`{one}`" for one in sets)]
    for workload in WORKLOADS:
        us, hits = near_memory(workload, sets)
        cells += [f"{us:.1f}", f"{us / shipped[workload] - 1:+z.1%}", f"{hits:.1%}"]
    return f"| {' | '.join(cells)} |"


def shipped_times() -> dict[str, float]:
    """Return the times of the shipped options in µs, by workload."""
    return {workload: near_memory(workload, [])[0] for workload in WORKLOADS}


def table() -> Iterator[str]:
    """Yield the table's lines."""
    heads = [f"{workload} [µs] | change | hits" for workload in WORKLOADS]
    yield f"| mechanism | switch | {' | '.join(heads)} |"
    yield "|---|---|" + "--:|" * (3 * len(WORKLOADS))
    shipped = shipped_times()
    for mechanism, sets in SWITCHES:
        yield row(mechanism, sets, shipped)


if __name__ == "__main__":
    for line in table():
        print(line)
        sys.stdout.flush()
