"""JSON documents and tables as files hold them."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recnmp.errors import ConfigError

Json = Mapping[str, Any]
Row = dict[str, Any]


def read_json(path: Path) -> Json:
    """Return the JSON object in ``path``; raises ConfigError for anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: neither JSON, nor a table, nor a trace") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: neither a result nor a study nor a roofline")
    return document


def read_parquet(path: Path, of: str = "sweep") -> list[Row]:
    """Return the rows of a Parquet file, which a sweep or what else it is ``of`` writes when it ends.

    Raises ConfigError where there are none.
    """
    try:
        rows: list[Row] = pq.read_table(path).to_pylist()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such table: the {of} has not ended yet; run it again") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{path}: not a Parquet file: {error}") from None
    if not rows:
        raise ConfigError(f"{path}: a table without rows")
    return rows


def read_csv(path: Path) -> list[Row]:
    """Return the rows of a CSV file, empty cells as None; raises ConfigError where there are none."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{str(k): _cell(v) for k, v in row.items()} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a CSV table: {error}") from None
    if not rows:
        raise ConfigError(f"{path}: a table without rows")
    return rows


def _cell(text: Any) -> Any:
    if not isinstance(text, str) or not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
