"""A search from its file to its front: trials are chosen, run where they are missing, and told to the sampler."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.report.provenance import now_utc, provenance
from recnmp.search.figure import draw_front
from recnmp.search.points import Points
from recnmp.search.request import Request, make_request
from recnmp.search.samplers import Sampler
from recnmp.search.tables import Found, found_in, write_tables
from recnmp.search.trial import Trial
from recnmp.sweep.runner import Where
from recnmp.sweep.store import SEARCH_FORMAT, Store


@dataclass(frozen=True)
class Done:
    """What a search came to: all it tried and found, the points run by this call, and the files written."""

    request: Request
    trials: list[Trial]
    found: Found
    run: int
    files: list[Path]

    def settings(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return every open option of a row as it is written in the space; ``-`` where its conditions are not met."""
        number, names = row["trial"], self.request.space.names
        if not number:
            return {name: _written(self.request.space.own(name, row[name])) for name in names}
        chosen = {choice.option: choice.value for choice in self.trials[number - 1].assignment}
        return {name: _written(chosen[name]) if name in chosen else "-" for name in names}


def run_search(
    path: str | Path,
    out: Path,
    overrides: Sequence[str] = (),
    *,
    where: Where | None = None,
    retry: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Done:
    """Try the designs that the search at ``path`` chooses; keep each in ``out`` as it ends; tell the front.

    Trials follow from configuration, seed and what earlier trials found, so the same call goes on from wherever a
    run ended: it chooses the same trials, most of which are done. With ``retry`` those that failed are run again.
    ``progress`` is told how far it is and how long it may take.

    Raises ConfigError for a search that cannot be run as asked, and a sampler that is not installed; RecnmpError
    where the configuration's own run or all trials fail, a cluster or the disk does.
    """
    request, store, where = make_request(path, overrides), Store(out), where or Where()
    sampler = request.sampler()
    manifest = _manifest(request, overrides, where)
    store.write_manifest(manifest | {"finished_utc": None}, SEARCH_FORMAT)
    with contextlib.closing(Points(store, where, request.planner.code, retry, progress or str)) as points:
        baseline = points.run([(request.baseline, None)])[0]
        if baseline.figures is None:
            raise RecnmpError(f"the configuration's own run failed: {baseline.error}")
        request.check_names(baseline.figures)
        trials = _trials(request, sampler, points)
        timing = points.timing()
    found = found_in(request, baseline.figures, trials)
    if found.count("error") == len(trials):
        first = str(trials[0].error).splitlines()[0]
        raise RecnmpError(f"all {len(trials)} trials failed; the first: {first}")
    files = write_tables(request, found, out) + draw_front(request, found, out)
    ended = {"last_run": timing, "files": [file.name for file in files]}
    store.write_manifest(manifest | _ended(trials, found) | ended, SEARCH_FORMAT)
    return Done(request, trials, found, timing["points"], files)


def _trials(request: Request, sampler: Sampler, points: Points) -> list[Trial]:
    """Choose trials some at a time until there are enough or no more, and run what is missing of them."""
    trials: list[Trial] = []
    most = min(count for count in (request.trials, sampler.most) if count is not None)
    points.expect(most)
    first: dict[str, int] = {}
    while len(trials) < most:
        wanted = min(request.together, most - len(trials))
        asked = sampler.ask(wanted)
        planned = [request.point(assignment) for assignment in asked]
        batch: list[Trial] = []
        for assignment, (point, _), ran in zip(asked, planned, points.run(planned), strict=True):
            number = len(trials) + len(batch) + 1
            before = first.setdefault(point.key, number) if point else number
            batch.append(Trial.of(request, number, assignment, point, ran, before))
        sampler.tell([trial.told for trial in batch])
        trials += batch
        if len(asked) < wanted:
            break
    return trials


def _manifest(request: Request, overrides: Sequence[str], where: Where) -> dict[str, Any]:
    """Return what was asked and where it came from."""
    document = request.document
    text = document.path.read_text(encoding="utf-8-sig")
    return {
        "config_file": document.path.name,
        "config_text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "overrides": list(overrides),
        "document": document.data,
        "objectives": {one.column: one.best for one in request.objectives},
        "code_sha256": request.planner.code,
        "sampler": request.sampler_version,
        "cluster": where.cluster.partition(":")[0],
        "provenance": provenance(document.data, None),
        "baseline": request.baseline.key,
    }


def _ended(trials: Sequence[Trial], found: Found) -> dict[str, Any]:
    """Return what the manifest says of what was tried and found."""
    return {
        "finished_utc": now_utc(),
        "trials": [
            {"trial": one.number, "key": one.point and one.point.key, "error": one.error} for one in trials
        ],
        "front": [row["trial"] for row in found.front],
    }


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_written(inner)}" for key, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value)
