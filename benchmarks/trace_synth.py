"""Synthetic lookups per second and core: drawing alone by popularity law, and `recnmp trace synth` with its writing.

python benchmarks/trace_synth.py [--lookups 20000000]

The first draws compile and are not timed; rates are of CPU time.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from recnmp.trace.generate import SynthSpec, synthesise
from recnmp.trace.generate.draws import make_draws
from recnmp.trace.generate.spec import SynthTables

BAGS, POOLING = 4096, 80
LAWS = {
    "zipf 0.9, 200,000 entries": (1_000_000, {"kind": "zipf", "alpha": 0.9, "q": 1, "population": 200_000}),
    "zipf 1.05, 1,000,000 entries": (1_000_000, {"kind": "zipf", "alpha": 1.05}),
    "zipf 1.05, 40,000,000 entries": (40_000_000, {"kind": "zipf", "alpha": 1.05}),
    "uniform, 40,000,000 entries": (40_000_000, {"kind": "zipf", "alpha": 0}),
    "recssd K 1": (1_000_000, {"kind": "recssd", "k": 1}),
    "fbgemm 1.15, 1,000,000 entries": (1_000_000, {"kind": "fbgemm", "alpha": 1.15}),
}


def table(entries: int, law: dict[str, object]) -> SynthTables:
    """A table of this law with bags of 80."""
    pooling = {"kind": "constant", "value": POOLING}
    return SynthTables.model_validate(
        {"entries": entries, "dim": 16, "popularity": law, "pooling_factor": pooling}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lookups", type=lambda text: int(float(text)), default=20_000_000)
    batches = max(1, parser.parse_args().lookups // (BAGS * POOLING))
    lengths = np.full(BAGS, POOLING)
    for name, (entries, law) in LAWS.items():
        draws = make_draws(table(entries, law).popularity, entries, np.random.default_rng(1))
        draws.batch(lengths)
        few = batches if law["kind"] == "zipf" else max(1, batches // 10)
        start = time.process_time()
        for _ in range(few):
            draws.batch(lengths)
        rate = few * BAGS * POOLING / (time.process_time() - start)
        print(f"{name}: {rate / 1e6:.1f} M lookups/s")
    spec = SynthSpec(batches=batches, batch_size=BAGS, tables=(table(*LAWS["zipf 1.05, 1,000,000 entries"]),))
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        made = synthesise(spec, Path(folder) / "a.parquet")
        rate = made.lookups / (time.process_time() - start)
    print(f"drawn and written: {rate / 1e6:.1f} M lookups/s")


if __name__ == "__main__":
    main()
