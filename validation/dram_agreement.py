"""How the DRAM engine agrees with recorded runs of Ramulator 2.1 and DRAMsim3: every row of a folder of them.

python validation/dram_agreement.py FOLDER [--out validation/dram_agreement.md]

FOLDER holds ``golden.csv`` and ``traces/`` as described in ``tests/golden``. Equal means: cycles, last
acceptance, every command count and read latencies, and what was merged, forwarded or absorbed.
"""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

Row = dict[str, str]


def ramulator() -> Iterator[tuple[Row, Callable[[], None]]]:
    from golden import test_engine_against_ramulator as golden

    for row in golden.recorded_rows():
        yield row, lambda row=row: golden.test_totals_equal_a_row_of_the_folder(row)


def dramsim3() -> Iterator[tuple[Row, Callable[[], None]]]:
    from golden import test_dramsim3_golden as golden

    for row in golden.recorded_rows():
        yield row, lambda row=row: golden.test_totals_equal_a_row_of_the_folder(row)


def table(rows: list[tuple[Row, Callable[[], None]]]) -> list[str]:
    """Run every row; one line for each simulator, standard and configuration."""
    found: dict[tuple[str, ...], dict[str, Any]] = defaultdict(lambda: {"rows": 0, "equal": 0, "requests": 0})
    for n, (row, check) in enumerate(rows):
        line = found[row["sim"], row["standard"], row["config"]]
        line["rows"] += 1
        line["requests"] += int(row["n_req"])
        try:
            check()
            line["equal"] += 1
        except AssertionError as error:
            print(
                f"differs: {row['sim']} {row['config']} {row['trace']} {row['ranks']}: {error}",
                file=sys.stderr,
            )
        if sys.stderr.isatty():
            print(f"\r{n + 1} of {len(rows)}", end="", file=sys.stderr)
    lines = ["| peer | standard | configuration | rows | equal | requests |", "|---|---|---|--:|--:|--:|"]
    for (peer, standard, config), line in sorted(found.items()):
        lines.append(
            f"| {peer} | {standard} | `{config}` | {line['rows']} | {line['equal']} | {line['requests']:,} |"
        )
    rows_in_all, equal = (sum(line[key] for line in found.values()) for key in ("rows", "equal"))
    return [*lines, f"| all | | | {rows_in_all} | {equal} | |"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, help="also write the table into this file")
    arguments = parser.parse_args()
    os.environ |= {"RECNMP_GOLDEN_DRAM": str(arguments.folder), "RECNMP_GOLDEN_ALL": "1"}
    started = time.perf_counter()
    lines = table([*ramulator(), *dramsim3()])
    print("\n".join(lines))
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    if arguments.out:
        head = ["# Agreement with recorded runs", "", *__doc__.splitlines()[4:], "", ""]
        arguments.out.write_text("\n".join(head[:-1] + lines) + "\n")


if __name__ == "__main__":
    main()
