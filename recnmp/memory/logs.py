"""Command and request logs of a replay as CSV, in the trace's own numbering."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from recnmp.library.dram import COMMANDS
from recnmp.memory.run import Replayed


def write_commands(replayed: Replayed, path: Path) -> None:
    """Write every command in the order of issue, by channel within a clock.

    Columns ``cycle,cmd,rank,bankgroup,bank,row,col,req``, then ``channel`` where there are several; -1 = not
    applicable; ``req`` is the request that the command serves, counted from 0 in the trace.
    """
    timeline = replayed.timeline
    names = ("cycle", "command", "rank", "bank_group", "bank", "row", "column", "request")
    columns = {name: np.concatenate([getattr(c, name) for c in timeline.commands]) for name in names}
    channel = np.repeat(np.arange(len(timeline.commands)), [len(c) for c in timeline.commands])
    by_time = np.argsort(columns["cycle"], kind="stable")
    request = columns["request"][by_time]
    columns = {name: values[by_time] for name, values in columns.items()}
    kind = pa.DictionaryArray.from_arrays(pa.array(columns["command"]), pa.array(COMMANDS)).cast(pa.string())
    table = {
        "cycle": columns["cycle"],
        "cmd": kind,
        "rank": columns["rank"],
        "bankgroup": columns["bank_group"],
        "bank": columns["bank"],
        "row": columns["row"],
        "col": columns["column"],
        "req": np.where(request < 0, -1, replayed.order[np.maximum(request, 0)]),
    }
    if len(timeline.commands) > 1:
        table["channel"] = channel[by_time]
    _write(table, path)


def write_requests(replayed: Replayed, path: Path) -> None:
    """Write every request in the order of the trace, columns ``req,is_write,arrive,depart``.

    ``arrive`` is the clock of acceptance, ``depart`` that of the last data beat, -1 for writes.
    """
    accepted, depart = np.empty((2, len(replayed.order)), np.int64)
    accepted[replayed.order] = replayed.timeline.accepted
    depart[replayed.order] = replayed.timeline.depart
    number = np.arange(len(replayed.order))
    _write({"req": number, "is_write": replayed.trace.write, "arrive": accepted, "depart": depart}, path)


def _write(columns: dict[str, object], path: Path) -> None:
    with path.open("wb") as file:
        file.write(f"{','.join(columns)}\n".encode())
        csv.write_csv(pa.table(columns), file, csv.WriteOptions(include_header=False, quoting_style="none"))
