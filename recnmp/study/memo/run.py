"""A memoization study from its request to its document and its rewritten traces."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recnmp.config import Config
from recnmp.errors import ConfigError
from recnmp.report.provenance import provenance
from recnmp.study.memo.bags import Longs, TrainingBags, known_bags, summed_tables, training_bags
from recnmp.study.memo.checked import check_sums
from recnmp.study.memo.layout import MemoTable, check_summable, memo_tables, rewrite
from recnmp.study.memo.merging import cut, find_merges
from recnmp.study.memo.partition import partition, read_parts
from recnmp.study.memo.request import Request
from recnmp.study.memo.runs import Sides, against_plain
from recnmp.study.memo.source import read_both
from recnmp.trace.storage import save_trace, trace_digest
from recnmp.trace.trace import Trace

FORMAT = "recnmp-memo-study-1"
Row = dict[str, Any]
Progress = Callable[[str], object]


def memo_study(
    path: Path,
    request: Request,
    config: Config,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Row:
    """Return what memo tables are worth for the bags at ``path``, a trace or a MERCI bag file, ready for JSON.

    With a ``folder`` the judged part goes there as ``plain.parquet`` and, for every budget, rewritten as
    ``memo_<budget>x.parquet``: traces like any other.

    Keys:
        format, trace, train, request, provenance: what was asked of what; ``system`` where it was run, else null.
        partition: parts, and items in them.
        known_bags_share: judged bags that training has as they are.
        memory: a row for every budget, plain tables (1) among them: memory, clusters, reads, making the sums.
        runs: a row for every budget and architecture: time, energy, speed-ups.
        clusters: a row for every cluster of two entries or more.

    Raises ConfigError where something does not suit, RecnmpError where rewritten bags do not add up to the same.
    """
    tell: Progress = progress or str
    tell("reading bags")
    sides = Sides.of(config) if request.simulate else None
    train, judged = read_both(path, request, config.trace.table_dtype)
    tables = tuple(sorted(set(summed_tables(train)) & set(summed_tables(judged))))
    if not tables:
        raise ConfigError(f"{path}: no table is summed in all its calls, so partial sums are of no use")
    check_summable(judged, tables)
    digest = trace_digest(judged)
    bags = training_bags(train, tables, request.least)
    tell(f"parting {bags.items:,} items")
    part = _parts(bags, request, judged, tables)
    tell("merging clusters")
    judge = _Judge(judged, digest, sides, request.batches, folder)
    rows: dict[str, list[Row]] = {"memory": [], "runs": [], "clusters": []}
    for ratio, made in _budgets(bags, part, request, judged, tables):
        tell(f"{ratio:g} times the memory")
        for name, found in judge.rows(ratio, made).items():
            rows[name] += found
    if sides is not None:
        rows["runs"] = against_plain(rows["runs"], {row["memory"]: row["build_ns"] for row in rows["memory"]})
    learnt = request.train if isinstance(request.train, Path) else path
    return {
        "format": FORMAT,
        "trace": _described(path, judged) | {"digest": digest},
        "train": _described(learnt, train) | {"digest": trace_digest(train), "items": bags.items},
        "known_bags_share": known_bags(train, judged, tables),
        "partition": {"parts": len(np.unique(part[part >= 0])), "items": int((part >= 0).sum())},
        **_origin(request, config, digest),
        **rows,
    }


@dataclass(frozen=True)
class _Judge:
    """What memo tables are tried on: judged bags, architectures, and the folder for rewritten traces."""

    judged: Trace
    digest: str
    sides: Sides | None
    batches: int | None
    folder: Path | None

    def rows(self, ratio: float, made: dict[int, MemoTable]) -> dict[str, list[Row]]:
        """Return the rows of one budget by table; 1 leaves the bags as they are."""
        rewritten, runs = self.judged, []
        if ratio > 1:
            meta = {**self.judged.meta, "memo": {"memory": ratio, "of": self.digest}}
            rewritten = replace(rewrite(self.judged, made), meta=meta)
        told = _memory_row(ratio, self.judged, rewritten, made) | check_sums(self.judged, rewritten, made)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_trace(
                rewritten, self.folder / (f"memo_{ratio:g}x.parquet" if ratio > 1 else "plain.parquet")
            )
        if self.sides is not None:
            told |= self.sides.build(told["build_read_bytes"], told["build_written_bytes"])
            replayed = rewritten.select(0, self.batches)
            head = {"memory": ratio, "batches": replayed.batches}
            runs = [head | row for row in self.sides.run(replayed)]
        return {"memory": [told], "runs": runs, "clusters": _cluster_rows(ratio, self.judged, made)}


def _budgets(
    bags: TrainingBags, part: Longs, request: Request, judged: Trace, tables: tuple[int, ...]
) -> Iterator[tuple[float, dict[int, MemoTable]]]:
    """Yield every budget with its memo tables, first 1 with plain ones."""
    base = sum(judged.tables[t].entries * judged.tables[t].entry_bytes for t in tables)
    widths = np.array([table.entry_bytes for table in judged.tables], np.int64)[bags.table]
    # what alone takes twice the largest budget is beyond all of them
    merges = find_merges(bags, part, widths, 2 * max(request.memory) * base)
    budgets = [(1.0, 0), *zip(request.memory, cut(merges, base, request.memory), strict=True)]
    for ratio, count in budgets:
        yield ratio, memo_tables(judged, tables, bags, merges.clusters(count, bags.items))


def _origin(request: Request, config: Config, digest: str) -> Row:
    """Return what was asked for, and the sections of the configuration that were used; none where nothing was run."""
    data, asked = config.model_dump(mode="json"), request.document()
    used = ("memory", "placement", "cache", "arrival", "nmp", "functional_check")
    system = {name: data[name] for name in used} if request.simulate else None
    record = provenance({"request": asked, "system": system}, digest)
    return {"request": asked, "system": system, "provenance": record}


def _parts(bags: TrainingBags, request: Request, judged: Trace, tables: tuple[int, ...]) -> Longs:
    if isinstance(request.partition, Path):
        return read_parts(request.partition, bags, judged.tables[tables[0]].entries)
    return partition(bags, request.partition, request.part_size)


def _described(path: Path, trace: Trace) -> Row:
    return {
        "file": path.name,
        "tables": len(trace.tables),
        "batches": trace.batches,
        "bags": trace.bags,
        "lookups": trace.lookups,
    }


def _memory_row(ratio: float, judged: Trace, rewritten: Trace, made: dict[int, MemoTable]) -> Row:
    """Return what a budget makes of the memoised tables, and of the judged bags that read them.

    Reads are lookups of the rewritten bags; of sums, those of clusters of two entries or more.
    """
    width = {t: judged.tables[t].entry_bytes for t in made}
    plain_bytes = sum(judged.tables[t].entries * width[t] for t in made)
    memo_bytes = sum(one.entries * width[t] for t, one in made.items())
    mine = np.isin(judged.table, list(made))
    lookups, bags = int(mine.sum()), len(np.unique(judged.bag[mine]))
    new = np.isin(rewritten.table, list(made))
    reads = int(new.sum())
    of_sums = sum(
        int((rewritten.entry[rewritten.table == t] < one.row[np.count_nonzero(one.size > 1)]).sum())
        for t, one in made.items()
    )
    key = rewritten.table[new].astype(np.int64) << 32 | rewritten.entry[new]
    return {
        "memory": ratio,
        "actual_memory": memo_bytes / plain_bytes,
        "plain_bytes": plain_bytes,
        "memo_bytes": memo_bytes,
        "clusters": sum(int((one.size > 1).sum()) for one in made.values()),
        "largest_cluster": max(int(one.size.max(initial=1)) for one in made.values()),
        "bags": bags,
        "lookups": lookups,
        "reads": reads,
        "lookups_per_bag": lookups / max(bags, 1),
        "reads_per_bag": reads / max(bags, 1),
        "reads_over_lookups": reads / max(lookups, 1),
        "share_of_sums": of_sums / max(reads, 1),
        "unique_share": len(np.unique(key)) / max(reads, 1),
        "build_read_bytes": sum(one.clustered * width[t] for t, one in made.items()),
        "build_written_bytes": memo_bytes - plain_bytes,
    }


def _cluster_rows(ratio: float, judged: Trace, made: dict[int, MemoTable]) -> list[Row]:
    """Return a row for each cluster of two entries or more: where its sums begin, its entries, lowest bit first."""
    return [
        {
            "memory": ratio,
            "table": judged.tables[t].name,
            "first_entry": int(one.row[c]),
            "size": int(one.size[c]),
            "entries": " ".join(map(str, one.order[one.first[c] : one.first[c + 1]].tolist())),
        }
        for t, one in made.items()
        for c in range(int(np.count_nonzero(one.size > 1)))
    ]
