"""Tidy tables: one row per observation, as CSV for people and as Parquet with its origin for programs."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recnmp.report.result import write_whole

METADATA_KEY = "recnmp.table"


def write_tidy(rows: Sequence[Mapping[str, Any]], stem: Path, origin: Mapping[str, Any]) -> list[Path]:
    """Write ``stem.csv`` and ``stem.parquet``, each whole or not at all, and return their paths.

    Columns are those of the first row, in its order; ``origin``, plain values, stands in the Parquet file's metadata.
    The same rows and origin give the same bytes.
    """
    columns = list(rows[0]) if rows else []
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: f"{v:.9g}" if isinstance(v, float) else v for key, v in row.items()} for row in rows
    )
    table = pa.table({name: [row[name] for row in rows] for name in columns})
    told = json.dumps(origin, sort_keys=True, ensure_ascii=False, allow_nan=False)
    csv_path, parquet_path = stem.with_name(f"{stem.name}.csv"), stem.with_name(f"{stem.name}.parquet")
    write_whole(csv_path, text.getvalue())
    handle, name = tempfile.mkstemp(dir=stem.parent, prefix=f".{stem.name}.")
    os.close(handle)
    try:
        pq.write_table(table.replace_schema_metadata({METADATA_KEY: told}), name)
        Path(name).chmod(csv_path.stat().st_mode)
        Path(name).replace(parquet_path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return [csv_path, parquet_path]
