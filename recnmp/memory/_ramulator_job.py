"""Run one trace on Ramulator 2.1; started by ``recnmp memory compare`` with the user's own interpreter.

Called with two file names: the job and the answer, both JSON. Needs nothing but Python and ``ramulator``.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

COMMANDS = {"ACT": "ACT", "PRE": "PREpb", "PREA": "PREab", "RD": "RD", "WR": "WR", "REF": "REFab"}


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Return Ramulator's statistics, its commands, its timings, and the seconds its simulation took."""
    import ramulator

    dram = getattr(ramulator.dram, job["dram"])(
        org_preset=job["organization"], timing_preset=job["timing"], rank=job["ranks"]
    )
    timings = dram.resolve()[1]
    refreshes = {
        "off": lambda: ramulator.refresh_manager.NoRefresh(),
        "simultaneous": lambda: ramulator.refresh_manager.AllBank(),
        "staggered": lambda: ramulator.refresh_manager.AllBank(
            scatter_interval=timings["nREFI"] // job["ranks"]
        ),
    }
    counts = Path(job["trace"]).with_suffix(".counts")
    counter = ramulator.controller_plugin.CommandCounter(
        commands_to_count=list(COMMANDS.values()), path=str(counts)
    )
    controller = ramulator.controller.GenericDDR(
        dram=dram,
        scheduler=getattr(ramulator.scheduler, job["scheduler"])(),
        refresh_manager=refreshes[job["refresh"]](),
        row_policy=ramulator.row_policy.Open(),
        addr_mapper=ramulator.addr_mapper.RoBaRaCoCh(),
        read_buffer_size=job["read_queue"],
        write_buffer_size=job["write_queue"],
        controller_plugins=[counter] if job["count_commands"] else [],
    )
    simulation = ramulator.Simulation(
        ramulator.frontend.LoadStoreTrace(clock_ratio=1, path=job["trace"]),
        ramulator.memory_system.GenericDRAM(
            clock_ratio=job["gap"],  # ticks of the memory for one of the front end, which offers one request
            controllers=[controller],
            channel_mapper=ramulator.channel_mapper.CacheLineInterleave(),
        ),
    )
    cpu, wall = time.process_time(), time.perf_counter()
    simulation.run()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    stats = simulation.stats["memory_system"]["controller"]
    simulation.finalize()
    commands = {}
    if job["count_commands"]:
        issued = dict(line.split(", ") for line in counts.read_text().splitlines())
        commands = {name: int(issued[peer]) for name, peer in COMMANDS.items()}
    return {"stats": stats, "commands": commands, "timings": timings, "cpu_s": cpu, "wall_s": wall}


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(run(json.loads(Path(sys.argv[1]).read_text()))))
