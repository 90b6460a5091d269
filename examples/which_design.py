# %% [markdown]
# # Which design should I build?
# Two recommendation models share a machine: RM1 mostly gathers, RM3 mostly computes. The logic on all DIMMs of a
# channel may take 1.5 mm2, and RM1 as a whole must run 2.5 times as fast as on the host. Which of the designs in
# `which_design.yaml` does that with the least energy, and what would the others cost or bring?
#
# `python examples/which_design.py [FOLDER]` writes results, tables and the figure into FOLDER; run again, it only
# reads them. Needs pandas: `pip install -e '.[dist]'`.

# %%
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # a file, no window
import matplotlib.pyplot as plt

import recnmp

HERE = Path(__file__).parent
OUT = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("which_design")
AREA_MM2, SPEEDUP = 1.5, 2.5

# %% [markdown]
# The sweep: 24 points, host and near memory on the shipped traces, dense parts as a stored profile has them. Then
# one row for each design and a column for each model's figures; energy is that of gathering for a sample of each.

# %%
points = recnmp.run_sweep(HERE / "which_design.yaml", OUT)
assert (points["status"] == "done").all(), points["error"]
points = points.rename(
    columns={
        "nmp.options.scheduling": "packets",
        "end_to_end.speedup_over_host": "x",
        "energy.recnmp_isca20.nmp.total_uj_per_sample": "uj",
        "energy.units.area_mm2_all_units": "mm2",
    }
)
points["ranks"] = 2 * points["memory.dimms_per_channel"]
points["cache"] = ["none" if none else "128 KiB" for none in points["cache.rank.size_bytes"].isna()]
designs = points.pivot(index=["ranks", "cache", "packets", "mm2"], columns="model", values=["x", "uj"])
designs.columns = [f"{figure}_{model}" for figure, model in designs.columns]
designs = designs.reset_index()
designs["uj"] = designs["uj_rm1"] + designs["uj_rm3"]
designs["fits"] = (designs["mm2"] <= AREA_MM2) & (designs["x_rm1"] >= SPEEDUP)
print("ranks  RankCache  packets         RM1     RM3  energy [uJ]  area [mm2]")
for d in designs.itertuples():
    figures = f"{d.x_rm1:5.2f} x {d.x_rm3:5.2f} x {d.uj:12.2f} {d.mm2:11.2f}"
    print(f"{d.ranks:5}  {d.cache:9}  {d.packets:11} {figures}{'  fits' if d.fits else ''}")

# %% [markdown]
# The choice, and what refusing it would bring.

# %%
best = designs[designs["fits"]].sort_values("uj").iloc[0]
fastest = designs.sort_values("x_rm1").iloc[-1]
other = designs[designs["fits"] & (designs["cache"] != best["cache"])].sort_values("uj").iloc[0]


def told(design) -> str:
    return "{ranks} ranks, RankCache {cache}, packets {packets}".format(**design)


def more(what: str, design) -> str:
    return f"{design[what] / best[what] - 1:.0%} more"


print(f"\nbuild    {told(best)}: RM1 {best['x_rm1']:.2f} x on {best['mm2']:.2f} mm2")
print(f"fastest  {told(fastest)}: {more('x_rm1', fastest)} speed, {more('mm2', fastest)} area")
print(f"fits     {told(other)}: {more('x_rm1', other)} speed, {more('uj', other)} energy")
print(
    f"RM3      gains {designs['x_rm3'].max() - 1:.0%} at most, whatever is built: its dense part is the bound"
)

# %%
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for (cache, packets), group in designs.groupby(["cache", "packets"]):
    style = {"marker": "x", "linestyle": ":"} if packets == "arrival" else {"marker": "o"}
    colour = "#c4541a" if cache == "none" else "#0b6e99"
    axes.plot(group["mm2"], group["x_rm1"], color=colour, label=f"{cache}, {packets}", **style)
axes.axvline(AREA_MM2, color="#888888", linewidth=0.8)
axes.axhline(SPEEDUP, color="#888888", linewidth=0.8)
axes.scatter(best["mm2"], best["x_rm1"], s=200, facecolors="none", edgecolors="black")
axes.set(xlabel="logic on all DIMMs [mm²]", ylabel="RM1 end to end, speed-up over the host", xlim=0, ylim=1)
axes.legend(title="RankCache, packets", framealpha=1, edgecolor="white", loc="lower right")
figure.savefig(OUT / "which_design.png", dpi=150)
