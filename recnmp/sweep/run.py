"""A sweep from its file to its tables: what is missing is run, everything that is done is told."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recnmp.errors import RecnmpError
from recnmp.report.provenance import now_utc, provenance
from recnmp.sweep.estimate import Estimate
from recnmp.sweep.plan import Plan, Point, make_plan
from recnmp.sweep.runner import Where, running
from recnmp.sweep.store import Store
from recnmp.sweep.tables import write_tables
from recnmp.sweep.task import Outcome

__all__ = ["Done", "Where", "run_sweep"]


@dataclass(frozen=True)
class Done:
    """What a sweep came to.

    ``points`` all there are, ``run`` those of this call, ``failed`` all that failed, by key and message; ``tables``
    the files written.
    """

    points: int
    run: int
    failed: dict[str, str]
    tables: list[Path]


def run_sweep(
    path: str | Path,
    out: Path,
    overrides: Sequence[str] = (),
    *,
    where: Where | None = None,
    retry: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Done:
    """Run what ``out`` lacks of the sweep at ``path``, keep each point as it ends, and write tables of all.

    With ``retry`` points that failed are run again. ``progress`` is told how far it is and how long it may take.
    However a run ends, what is done stays; the next call goes on from there.

    Raises ConfigError for a sweep that cannot be run as asked, RecnmpError where a cluster or the disk fails.
    """
    plan, store, where = make_plan(path, overrides), Store(out), where or Where()
    points = {point.key: point for point in plan.different}
    missing = store.missing(points, errors=not retry)
    manifest = _manifest(plan, overrides, where)
    store.write_manifest(manifest | {"finished_utc": None})
    timing = _run([points[key] for key in sorted(missing)], plan, store, where, progress or str)
    outcomes = [_kept(store, point.key) for point in plan.points]
    tables = write_tables(plan, outcomes, out)
    failed = {one.key: str(one.error) for one in outcomes if one.document is None}
    store.write_manifest(
        manifest
        | {
            "finished_utc": now_utc(),
            "failed": failed,
            "last_run": timing,
            "tables": [table.name for table in tables],
        }
    )
    return Done(len(plan.points), len(missing), failed, tables)


def _run(
    points: Sequence[Point], plan: Plan, store: Store, where: Where, tell: Callable[[str], object]
) -> dict[str, Any]:
    """Run points in the order of their keys, which is none of their options', and keep each outcome as it comes."""
    if not points:
        return {"points": 0}
    tell("starting workers")
    with running(store, where, plan.code) as runner:
        estimate, errors = Estimate(len(points), runner.workers()), 0
        tell(estimate.line(errors))
        for outcome, facts in runner.run(points):
            errors += outcome.document is None
            estimate.add(facts["seconds"], runner.waited, facts["pid"])
            tell(estimate.line(errors))
        return runner.timing()


def _kept(store: Store, key: str) -> Outcome:
    outcome = store.outcome(key)
    if outcome is None:
        raise RecnmpError(f"{store.folder}: point {key} has gone while the sweep ran")
    return outcome


def _manifest(plan: Plan, overrides: Sequence[str], where: Where) -> dict[str, Any]:
    """Return what was asked, where it came from, and which points that makes."""
    data = plan.document.data
    text = plan.document.path.read_text(encoding="utf-8-sig")
    return {
        "config_file": plan.document.path.name,
        "config_text_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "overrides": list(overrides),
        "document": data,
        "code_sha256": plan.code,
        "traces": {point.trace_digest: point.trace_file.name for point in plan.points},
        "cluster": where.cluster.partition(":")[0],
        "provenance": provenance(data, None),
        "points": [{"key": point.key, "options": point.options, "seed": point.seed} for point in plan.points],
    }
