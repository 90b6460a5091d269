# %% [markdown]
# # Would near memory help my own model?
# The user tower of a retrieval model, as one might write it in PyTorch: who the user is, the last 60 items seen,
# their brands, some dense features. It runs unchanged while its embedding accesses are recorded. They are replayed on
# the host and near memory, and the same packets carry real vectors, which must come out as the pooled sums bit for
# bit.
#
# `python examples/own_model.py [FOLDER]` writes trace, model file and results into FOLDER. Needs PyTorch.

# %%
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import nn

import recnmp
from recnmp.trace.capture import Capture
from recnmp.trace.storage import save_trace

OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("own_model")
OUT.mkdir(parents=True, exist_ok=True)
USERS, ITEMS, BRANDS, SEEN, DENSE, DIM = 200_000, 50_000, 2_000, 60, 16, 32


# %%
class UserTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bottom = nn.Sequential(nn.Linear(DENSE, DIM), nn.ReLU())
        self.user = nn.Embedding(USERS, DIM)
        self.items = nn.EmbeddingBag(ITEMS, DIM, mode="sum")
        self.brands = nn.EmbeddingBag(BRANDS, DIM, mode="sum")
        self.top = nn.Sequential(nn.Linear(4 * DIM, 64), nn.ReLU(), nn.Linear(64, 32))

    def forward(self, dense, user, seen):
        parts = [self.bottom(dense), self.user(user), self.items(seen), self.brands(seen % BRANDS)]
        return self.top(torch.cat(parts, dim=1))


def batches(count: int, samples: int):
    rng = np.random.default_rng(1)
    share = 1 / np.arange(1, ITEMS + 1)  # popularity by a Zipf law
    item = rng.permutation(ITEMS)  # popular items are anywhere in the table
    for _ in range(count):
        dense, user = rng.random((samples, DENSE), np.float32), rng.integers(0, USERS, samples)
        seen = item[rng.choice(ITEMS, (samples, SEEN), p=share / share.sum())]
        yield tuple(map(torch.from_numpy, (dense, user, seen)))


# %% [markdown]
# Capture replays every call by NumPy from what it recorded and compares it with what PyTorch returned.

# %%
model = UserTower().eval()
with torch.inference_mode(), Capture() as capture:
    for batch in batches(count=4, samples=128):
        model(*batch)
trace = capture.trace({"target": "examples/own_model.py"})
save_trace(trace, OUT / "own.parquet")
print(f"captured {trace.lookups:,} lookups in {trace.bags:,} bags, {capture.proof.bags:,} of them compared")

# %% [markdown]
# The model file: tables as they were captured, and the dense part, which capture does not know.

# %%
tables = [{"entries": table.entries, "dim": table.dim} for table in trace.tables]
own = {
    "name": "UserTower",
    "source": "examples/own_model.py",
    "tables": [
        {"count": 1, **table, "pooling_factor": factor}
        for table, factor in zip(tables, (1, SEEN, SEEN), strict=True)
    ],
    "bottom_mlp": [DENSE, DIM],
    "top_mlp": [64, 32],
    "interaction": "cat",
}
(OUT / "own.yaml").write_text(yaml.safe_dump(own, sort_keys=False))

# %% [markdown]
# Simulate: the gather-reduce on memories of 2 and 8 ranks, and what holds it back. `mlp.kind: none` leaves the dense
# part out, so that anyone gets the same figures.

# %%
asked = {"model": OUT / "own.yaml", "trace.file": OUT / "own.parquet", "mlp.kind": "none"}
results = {ranks: recnmp.run(f"rank{ranks}", asked) for ranks in (2, 8)}
print("\nranks      host       NMP  speed-up  RankCache  busiest rank  most time goes to")
for ranks, result in results.items():
    share, nmp = result.nmp["time_share"], result.nmp
    most = max(share, key=share.get)
    assert result.functional_check["status"] == "passed"
    print(
        f"{ranks:5}  {result.sls['host_ns'] / 1e3:5.1f} us  {result.sls['nmp_ns'] / 1e3:5.1f} us  "
        f"{result.sls['speedup_over_host']:6.2f} x  {nmp['cache_hit_rate']:9.1%}  "
        f"{nmp['packet_load_imbalance']:5.2f} x mean  {most}, {share[most]:.0%}"
    )

# %% [markdown]
# The answer depends on the host: bound by DRAM alone, or with a last-level cache, which these tables almost fit.

# %%
sls = results[8].sls
cached = next(rung for rung in sls["host_ladder"] if rung["name"] == "llc_filtered")
print(f"\nfour times the ranks: {results[2].sls['nmp_ns'] / sls['nmp_ns']:.2f} times as fast")
print(f"8 ranks over a host bound by DRAM: {sls['speedup_over_host']:.2f} x")
print(f"8 ranks over a host with a last-level cache: {cached['speedup_over_host']:.2f} x")
verdict = "the host's own cache does most of it" if cached["speedup_over_host"] < 2 else "near memory helps"
print(f"so: {verdict}; all pooled sums passed, {results[8].functional_check['bags']:,} bags")

# %% [markdown]
# End to end, with the dense part timed here: figures of this machine, so they go to standard error.

# %%
whole = recnmp.run("rank8", asked | {"mlp.kind": "measured"})
whole.save(OUT / "rank8")
speedup = whole.end_to_end["speedup_over_host"]
print(f"end to end over a host bound by DRAM, dense part of this machine: {speedup:.2f} x", file=sys.stderr)
