"""What a trace file says about itself: tables, calls, provenance, and the digest of its content."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import ConfigError
from recnmp.trace.trace import POOLINGS, Calls, Table

VERSION = 1
"""Version of the file format; a reader refuses any other."""

METADATA_KEY = "recnmp.trace"
"""Key of the header in the metadata of the Parquet file."""

COLUMNS: dict[str, np.dtype[Any]] = {
    "table": np.dtype("<u2"),
    "bag": np.dtype("<u4"),
    "entry": np.dtype("<u4"),
    "weight": np.dtype("<f4"),
}
"""Columns of a trace and their types; ``weight`` is there in weighted traces only."""

_CALLS = {"table": "<u2", "first_bag": "<i8", "bags": "<i8", "batch": "<i8", "pooling": "u1"}


@dataclass(frozen=True)
class Header:
    """Everything of a trace but its lookups; ``digest`` is the one written in the file."""

    tables: tuple[Table, ...]
    calls: Calls
    meta: dict[str, Any]
    digest: str


class ContentDigest:
    """SHA-256 of a trace's content, fed in chunks of any size.

    It covers the little-endian bytes of every column, the tables and the calls. It does not cover ``meta``:
    two traces with one digest replay alike, wherever they come from.
    """

    def __init__(self) -> None:
        self._columns = {name: hashlib.sha256() for name in COLUMNS}

    def update(self, lookups: Mapping[str, NDArray[Any]]) -> None:
        """Add the next lookups: an array per column, named as in ``COLUMNS``."""
        for name, values in lookups.items():
            self._columns[name].update(np.ascontiguousarray(values, COLUMNS[name]).data)

    def result(self, tables: Sequence[Table], calls: Calls) -> str:
        """Return the digest of all lookups so far with these tables and calls, 64 hexadecimal digits."""
        content = {
            "tables": [asdict(table) for table in tables],
            "columns": {name: column.hexdigest() for name, column in self._columns.items()},
            "calls": {
                name: hashlib.sha256(np.ascontiguousarray(getattr(calls, name), dtype).data).hexdigest()
                for name, dtype in _CALLS.items()
            },
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def header_json(header: Header) -> str:
    """Return ``header`` as JSON, always the same; raises ConfigError if meta is not JSON."""
    calls = header.calls
    document = {
        "version": VERSION,
        "tables": [asdict(table) for table in header.tables],
        "calls": {
            "first_bag": int(calls.first_bag[0]),
            "table": calls.table.tolist(),
            "bags": _runs(calls.bags),
            "batch": _runs(calls.batch),
            "pooling": [[POOLINGS[value], count] for value, count in _runs(calls.pooling)],
        },
        "meta": header.meta,
        "digest": header.digest,
    }
    try:
        return json.dumps(document, sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"trace meta must be plain JSON: {error}") from None


def parse_header(text: str | bytes) -> Header:
    """Return the header written as ``text``; raises ConfigError for another version or a damaged one."""
    try:
        document = json.loads(text)
        if document["version"] != VERSION:
            raise ConfigError(
                f"trace format version {document['version']}; this release reads version {VERSION}"
            )
        tables = tuple(Table(**table) for table in document["tables"])
        return Header(
            tables, _parse_calls(document["calls"]), dict(document["meta"]), str(document["digest"])
        )
    except (KeyError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise ConfigError(f"damaged trace metadata ({type(error).__name__}: {error})") from None


def _parse_calls(calls: dict[str, Any]) -> Calls:
    bags = _expand(calls["bags"])
    ends = int(calls["first_bag"]) + np.cumsum(bags)
    pooling = [(POOLINGS.index(name), count) for name, count in calls["pooling"]]
    batch = _expand(calls["batch"])
    table = np.array(calls["table"], np.uint16)
    expanded = Calls(table, ends - bags, bags, batch, _expand(pooling).astype(np.uint8))
    if {len(expanded.pooling), len(bags), len(batch)} != {len(table)}:
        raise ConfigError("damaged trace metadata (columns of the calls differ in length)")
    return expanded


def _runs(values: NDArray[Any]) -> list[list[int]]:
    """Return ``[value, count]`` of every run of equal values: short for what seldom changes."""
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    counts = np.diff(np.append(starts, len(values)))
    return [[int(value), int(count)] for value, count in zip(values[starts], counts, strict=True)]


def _expand(runs: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    values, counts = np.array(runs, np.int64).reshape(-1, 2).T
    return np.repeat(values, counts)
