"""A plain twin of the simulation of served batches: lists that are searched, one event after the other."""

from typing import Any

ORDER = ("core", "memory", "accelerator", "link")


def serve_plainly(
    arrivals: list[float],
    models: list[int],
    times: list[list[float]],
    needs: list[tuple[int, ...]],
    resources: list[tuple[str, ...]],
    *,
    threads: int,
    servers: dict[str, int],
) -> tuple[list[float], dict[str, list[tuple[float, float]]]]:
    """Return when every batch ends, and from when to when resources were held, by resource.

    Batches stand in the order of arrival; ``times`` are those of each batch's operators.
    """
    ends: list[Any] = [None] * len(arrivals)
    done: list[set[int]] = [set() for _ in arrivals]
    waiting_batches: dict[int, list[int]] = {model: [] for model in models}
    in_flight = dict.fromkeys(models, 0)
    lines: dict[str, list[tuple[int, int]]] = {name: [] for name in ORDER}
    free = dict(servers)
    held_since: dict[tuple[int, int, str], float] = {}
    held: dict[str, list[tuple[float, float]]] = {name: [] for name in ORDER}
    events = [(at, batch, -1) for batch, at in enumerate(arrivals)]

    while events:
        event = min(events)
        events.remove(event)
        now, batch, op = event
        model = models[batch]
        if op < 0:
            waiting_batches[model].append(batch)
        else:
            done[batch].add(op)
            for name in resources[op]:
                free[name] += 1
                held[name].append((held_since.pop((batch, op, name)), now))
            for other, wanted in enumerate(needs):
                if op in wanted and set(wanted) <= done[batch]:
                    lines[resources[other][0]].append((batch, other))
            if len(done[batch]) == len(needs):
                ends[batch] = now
                in_flight[model] -= 1
        while waiting_batches[model] and in_flight[model] < threads:
            first = waiting_batches[model].pop(0)
            in_flight[model] += 1
            for other, wanted in enumerate(needs):
                if not wanted:
                    lines[resources[other][0]].append((first, other))
        for name in ORDER:
            while free[name] and lines[name]:
                got = lines[name].pop(0)
                free[name] -= 1
                held_since[(*got, name)] = now
                wanted_of = resources[got[1]]
                if name == wanted_of[-1]:
                    events.append((now + times[got[0]][got[1]], *got))
                else:
                    lines[wanted_of[-1]].append(got)
    return ends, held
