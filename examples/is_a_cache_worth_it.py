# %% [markdown]
# # Is a cache near memory worth it, or are stored sums?
# Some entries are read again and again. A RankCache answers them beside the DRAM devices; memo tables (MERCI, ASPLOS
# 2021) store sums of entries that come together, so that a bag reads fewer. What does each bring RM1 in reads, time
# and energy, and what does it cost in area and memory?
#
# `python examples/is_a_cache_worth_it.py`; needs nothing but recnmp.

# %%
from pathlib import Path

import recnmp
from recnmp.config import load_config
from recnmp.study import cache, memo

TRACE = Path(__file__).parents[1] / "traces" / "rm1.parquet"
BATCH = {"trace.first_batch": 4, "trace.batches": 1, "mlp.kind": "none", "functional_check": "off"}

# %% [markdown]
# What the trace allows: exact LRU curves of one cache over all tables.

# %%
curves = cache.cache_study(TRACE, cache.Request(policies=("lru",), train=0.0))["curves"]
shared = [row for row in curves if row["cache"] == "shared" and row["table"] == "all"]
print(f"{shared[-1]['lookups']:,} lookups, {shared[-1]['miss_ratio']:.1%} of an entry for the first time")
for size in (2**17, 2**20, 2**23):
    row = [row for row in shared if row["bytes"] <= size][-1]
    print(f"one LRU cache of {size >> 10:5} KiB: {1 - row['miss_ratio']:.1%} hits")

# %% [markdown]
# RankCaches in the whole model: one batch on eight ranks. What a hit saves depends on who waits for whom.

# %%
sizes = {"none": {"cache.rank": None}} | {
    size: {"cache.rank.size_bytes": size} for size in ("8 KiB", "32 KiB", "128 KiB", "1 MiB")
}
runs = {size: recnmp.run("rank8", BATCH | options) for size, options in sizes.items()}
ns = {size: run.sls["nmp_ns"] for size, run in runs.items()}
nj = {size: run.energy["recnmp_isca20"]["nmp"]["total_nj_per_lookup"] for size, run in runs.items()}
print("\nRankCache    hits       time   of a lookup")
for size, run in runs.items():
    hits = run.nmp["cache_hit_rate"] or 0.0
    print(f"{size:>9}  {hits:6.1%}  {ns[size] / 1e3:6.2f} us  {nj[size]:8.2f} nJ")

# %% [markdown]
# Memo tables of a quarter more memory, learnt from four batches and judged on the fifth, beside RankCaches of
# 128 KiB.

# %%
asked = memo.Request(memory=(1.25,), batches=1)
study = memo.memo_study(TRACE, asked, load_config("rank8", ["mlp.kind=none"]))
before, after = study["memory"]
(host, near), (host_memo, near_memo) = study["runs"][:2], study["runs"][2:]
print("\nmemo tables               none     1.25 x")
print(f"memory                  {before['actual_memory']:4.2f} x     {after['actual_memory']:4.2f} x")
print(f"reads                   {before['reads_over_lookups']:6.1%}     {after['reads_over_lookups']:6.1%}")
print(f"  for the first time    {before['unique_share']:6.1%}     {after['unique_share']:6.1%}")
print(f"RankCache hits          {near['cache_hit_rate']:6.1%}     {near_memo['cache_hit_rate']:6.1%}")
print(f"host                 {host['ns'] / 1e3:6.2f} us  {host_memo['ns'] / 1e3:6.2f} us")
print(f"RecNMP               {near['ns'] / 1e3:6.2f} us  {near_memo['ns'] / 1e3:6.2f} us")

# %% [markdown]
# The answer.

# %%
area = [runs[size].energy["units"]["area_mm2_per_unit"] for size in ("none", "128 KiB")]
enough = next(size for size in runs if ns[size] <= 1.01 * min(ns.values()))
time, energy = near_memo["ns"] / near["ns"] - 1, near_memo["recnmp_isca20_uj"] / near["recnmp_isca20_uj"] - 1
print(
    f"\nRankCaches of 128 KiB: time {ns['128 KiB'] / ns['none'] - 1:+.0%}, energy "
    f"{nj['128 KiB'] / nj['none'] - 1:+.0%}, {area[1] - area[0]:.2f} mm2 more on a DIMM; {enough} are as fast to 1 %"
)
worth = "worth it" if time < -0.05 and energy < 0 else "not worth it"
print(
    f"memo tables besides: time {time:+.0%}, energy {energy:+.0%}, memory {after['actual_memory'] - 1:+.0%}: {worth}"
    f", for {after['unique_share']:.0%} of what is read comes for the first time, not {before['unique_share']:.0%}"
)
