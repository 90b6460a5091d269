"""A memoization study as text and as files: ``study.json``, tidy tables and a figure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recnmp.report.cache_rows import size_text
from recnmp.report.memo_figure import plot_memo_study
from recnmp.report.study_files import write_study

Json = Mapping[str, Any]
_TABLES = ("memory", "runs", "clusters")


def write_memo_study(document: Json, folder: Path) -> list[Path]:
    """Write a study into ``folder`` and return the files' paths.

    ``study.json`` has the request and where everything comes from; ``memory``, ``runs`` and ``clusters`` are
    tables, as CSV and Parquet; ``study.svg`` and ``study.png`` the figure. Raises RecnmpError where that cannot
    be written.
    """
    return write_study(document, folder, _TABLES, plot_memo_study)


def memo_study_lines(document: Json) -> Iterator[str]:
    """Yield a study for a terminal: memory and reads, then time and energy of every side."""
    train, request, parts = document["train"], document["request"], document["partition"]
    yield heading(document)
    yield (
        f"learnt from {train['bags']:,} bags of {train['file']}: {train['items']:,} entries in {parts['parts']:,} "
        f"parts ({request['partition']})"
    )
    yield (
        f"{document['known_bags_share']:.1%} of the judged bags of two lookups or more are among these as they are"
    )
    yield ""
    yield "  memory  actual        bytes  reads per bag  of lookups  of sums  clusters  largest  first reads"
    for row in document["memory"]:
        yield (
            f"  {row['memory']:>5g}x {row['actual_memory']:>6.3f}x {size_text(row['memo_bytes']):>12}"
            f"  {row['reads_per_bag']:>13.2f}  {row['reads_over_lookups']:>10.1%}  {row['share_of_sums']:>7.1%}"
            f"  {row['clusters']:>8,}  {row['largest_cluster']:>7}  {row['unique_share']:>11.1%}"
        )
    checked = document["memory"][-1]
    yield (
        f"  every sum of {checked['checked_lookups']:,} lookups adds what it replaces; "
        f"{checked['checked_bags']:,} bags added up both ways are equal"
    )
    if document["runs"]:
        yield from _run_lines(document)


def _run_lines(document: Json) -> Iterator[str]:
    yield ""
    yield "  memory  on             time  over plain host  over plain  energy saved  pays back after  making sums"
    made = {row["memory"]: row for row in document["memory"]}
    for row in document["runs"]:
        back = row["paid_back_after_batches"]
        paid = "-" if back is None else f"{back:,.1f} batches" if row["memory"] > 1 else "-"
        yield (
            f"  {row['memory']:>5g}x  {row['architecture']:<8}  {row['ns'] / 1e3:>7,.1f} us"
            f"  {_times(row['speedup_over_host']):>15}  {_times(row['speedup_over_plain']):>10}"
            f"  {saved(row):>12}  {paid:>15}  {made[row['memory']]['build_ns'] / 1e3:>8,.1f} us"
        )
    yield "  energy over that of the plain host: DRAM by supply currents where they are known, else by operations"


def heading(document: Json) -> str:
    """Return what was studied in one line."""
    trace, row = document["trace"], document["memory"][0]
    return f"{trace['file']}: {row['lookups']:,} lookups in {row['bags']:,} bags that sums may serve"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"


def saved(row: Json) -> str:
    """Return the energy saved against the plain host, in words."""
    percent = row["idd_saving_percent"]
    percent = row["recnmp_isca20_saving_percent"] if percent is None else percent
    return "-" if percent is None else f"{percent:.1f} %"
