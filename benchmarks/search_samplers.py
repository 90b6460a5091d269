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
from recnmp.search.volume import Costs, volume_of

SAMPLERS = ("random", "nsga2", "tpe")
TRIALS = (20, 40, 60, 120, 240)


def main() -> None:
    arguments = parsed()
    grid = make_request(
        arguments.config, ["search.sampler=grid", "search.trials=null", "search.together=null"]
    )
    costs = known(grid, arguments.grid)
    true = {key for key, mine in costs.items() if not any(dominates(other, mine) for other in costs.values())}
    found = {}
    for name in SAMPLERS:
        runs = []
        for seed in range(1, arguments.seeds + 1):
            options = [f"search.sampler={name}", "search.together=null", f"search.seed={seed}"]
            request = make_request(arguments.config, [*options, f"search.trials={max(TRIALS)}"])
            keys = chosen(request, costs)
            runs.append([judged(keys[:n], costs, true) for n in TRIALS])
        found[name] = [
            {"trials": n} | {what: spread([one[what] for one in of_n]) for what in of_n[0]}
            for n, of_n in zip(TRIALS, zip(*runs, strict=True), strict=True)
        ]
    if arguments.json:
        document = {"designs": len(costs), "front": len(true), "seeds": arguments.seeds, "samplers": found}
        print(json.dumps(document, indent=2))
        return
    print(
        f"{len(costs)} designs, {len(true)} on the front; median (least to most) of {arguments.seeds} seeds"
    )
    for name, rows in found.items():
        for row in rows:
            volume, of_front = (
                f"{row[what][1]:6.1%} ({row[what][0]:.1%} to {row[what][2]:.1%})"
                for what in ("volume", "front")
            )
            run = f"{row['run'][1]:>4g} run"
            print(
                f"{name:>8} {row['trials']:>4} trials {run}  volume {volume}  designs of the front {of_front}"
            )


def judged(keys: list[str], costs: dict[str, Costs], true: set[str]) -> dict[str, float]:
    """How many designs these trials run, and their share of the true front's volume and designs."""
    worst = tuple(map(max, zip(*costs.values(), strict=True)))
    whole = volume_of([costs[key] for key in true], worst)
    return {
        "run": len(set(keys)),
        "volume": volume_of([costs[key] for key in keys], worst) / whole,
        "front": len(true & set(keys)) / len(true),
    }


def spread(values: list[float]) -> tuple[float, float, float]:
    """Least, median, most."""
    return min(values), statistics.median(values), max(values)


def dominates(one: Costs, other: Costs) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def known(request: Request, folder: Path) -> dict[str, Costs]:
    """What the grid search found, by point."""
    rows = pq.read_table(folder / "trials.parquet").to_pylist()
    told = {row["point"]: request.told({k: v for k, v in row.items() if v is not None}) for row in rows}
    return {key: one.costs for key, one in told.items() if one.costs is not None}


def chosen(request: Request, costs: dict[str, Costs]) -> list[str]:
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
