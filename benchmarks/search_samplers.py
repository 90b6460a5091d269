"""What a sampler is worth: how much of the true front's volume it finds in so many trials, over many seeds.

The true front is that of a grid search, which must have run: ``recnmp search CONFIG --out DIR --set
search.sampler=grid --set search.trials=null --set search.together=null``. Samplers then choose trials of the same
space, and are told what that search found; nothing is simulated.
"""

import argparse
import json
import statistics
from pathlib import Path

import pyarrow.parquet as pq

from recnmp.search.request import Request, make_request
from recnmp.search.samplers import Told
from recnmp.search.volume import volume_of

SAMPLERS = ("random", "nsga2", "tpe")
TRIALS = (20, 40, 60, 120, 240)


def main() -> None:
    arguments = parsed()
    grid = make_request(
        arguments.config, ["search.sampler=grid", "search.trials=null", "search.together=null"]
    )
    costs = known(grid, arguments.grid)
    worst = tuple(map(max, zip(*costs.values(), strict=True)))
    whole = volume_of(list(costs.values()), worst)
    found = {}
    for name in SAMPLERS:
        runs = []
        for seed in range(1, arguments.seeds + 1):
            options = [f"search.sampler={name}", "search.together=null", f"search.seed={seed}"]
            request = make_request(arguments.config, [*options, f"search.trials={max(TRIALS)}"])
            keys = chosen(request, costs)
            runs.append(
                [
                    (volume_of([costs[key] for key in keys[:n]], worst) / whole, len(set(keys[:n])))
                    for n in TRIALS
                ]
            )
        found[name] = [
            {
                "trials": n,
                "share_median": statistics.median(share for share, _ in of_n),
                "share_least": min(share for share, _ in of_n),
                "share_most": max(share for share, _ in of_n),
                "designs_median": statistics.median(designs for _, designs in of_n),
            }
            for n, of_n in zip(TRIALS, zip(*runs, strict=True), strict=True)
        ]
    if arguments.json:
        print(json.dumps({"designs": len(costs), "seeds": arguments.seeds, "samplers": found}, indent=2))
        return
    print(
        f"{len(costs)} designs, {arguments.seeds} seeds; median (least to most) share of the front's volume"
    )
    for name, rows in found.items():
        for row in rows:
            shares = f"{row['share_median']:.1%} ({row['share_least']:.1%} to {row['share_most']:.1%})"
            print(f"{name:>8} {row['trials']:>4} trials  {row['designs_median']:>5} designs  {shares}")


def known(request: Request, folder: Path) -> dict[str, tuple[float, ...]]:
    """What the grid search found, by point."""
    rows = pq.read_table(folder / "trials.parquet").to_pylist()
    told = {row["point"]: request.told({k: v for k, v in row.items() if v is not None}) for row in rows}
    return {key: one.costs for key, one in told.items() if one.costs is not None}


def chosen(request: Request, costs: dict[str, tuple[float, ...]]) -> list[str]:
    """The points of all trials in their order."""
    sampler, keys = request.sampler(), []
    while len(keys) < max(TRIALS):
        points = [
            request.point(one)[0] for one in sampler.ask(min(request.together, max(TRIALS) - len(keys)))
        ]
        sampler.tell([Told(costs.get(point.key) if point else None) for point in points])
        keys += [point.key for point in points if point and point.key in costs]
    return keys


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="the search")
    parser.add_argument("grid", type=Path, help="folder of the grid search")
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
