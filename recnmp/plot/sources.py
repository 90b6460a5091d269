"""What a figure can be of: results, sweeps, tables, studies, rooflines and traces, told apart by what they hold."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recnmp.errors import ConfigError
from recnmp.plot.files import Json, read_csv, read_json, read_parquet
from recnmp.plot.table import SERVICE, Row, Table
from recnmp.report.result import FORMAT, RESULT_FILE, load_result
from recnmp.report.tidy import METADATA_KEY
from recnmp.sweep.figures import figures
from recnmp.sweep.store import MANIFEST_FILE, MANIFEST_FORMAT, SEARCH_FORMAT, Store, is_sweep

TRACE, STUDY, ROOFLINE, RESULT = "trace", "cache study", "roofline", "result"
SWEEP, SEARCH, TABLE = "sweep", "search", "table"
_WHOLE = (MANIFEST_FILE, "results.csv", "results.parquet", "trials.csv", "trials.parquet")


@dataclass(frozen=True)
class Source:
    """A file or folder and what it is."""

    kind: str
    path: Path

    @property
    def name(self) -> str:
        """What figures call it: the folder's name of a result, else the file's."""
        whole = self.path.resolve()
        return whole.parent.name if whole.name in (RESULT_FILE, MANIFEST_FILE, "study.json") else whole.name


def find_source(path: Path) -> Source:
    """Return what is at ``path``; raises ConfigError for what no figure can be made of."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    folder = path if path.is_dir() else path.parent
    if (path.is_dir() or path.name in _WHOLE) and is_sweep(folder):
        kinds = {MANIFEST_FORMAT: SWEEP, SEARCH_FORMAT: SEARCH}
        kind = kinds.get(str(read_json(folder / MANIFEST_FILE).get("format")))
        if kind:
            return Source(kind, folder)
    if path.is_dir():
        for name, kind in ((RESULT_FILE, RESULT), ("study.json", STUDY), ("results.parquet", TABLE)):
            if (path / name).is_file():
                return Source(kind, path / name)
        raise ConfigError(f"{path}: no {RESULT_FILE}, {MANIFEST_FILE} or study.json in it")
    if path.suffix == ".csv":
        return Source(TABLE, path)
    if path.suffix == ".parquet":
        return Source(_parquet_kind(path), path)
    return Source(_json_kind(path), path)


def _parquet_kind(path: Path) -> str:
    try:
        names = set(pq.read_schema(path).names)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{path}: not a Parquet file: {error}") from None
    return TRACE if {"table", "bag", "entry"} <= names else TABLE


def _json_kind(path: Path) -> str:
    document = read_json(path)
    if document.get("format") == FORMAT:
        return RESULT
    if path.name == "study.json":
        return STUDY
    if {"roofs", "points", "memory"} <= set(document):
        return ROOFLINE
    raise ConfigError(f"{path}: neither a result nor a study nor a roofline")


def table_of(sources: Sequence[Source]) -> Table:
    """Return the points of one sweep or table, or of one or more results."""
    alone = {SWEEP: _sweep, SEARCH: _search, TABLE: _loose}
    if len(sources) == 1 and sources[0].kind in alone:
        return alone[sources[0].kind](sources[0])
    if any(source.kind != RESULT for source in sources):
        raise ConfigError("several sources in one figure are all results; a sweep, search or table is alone")
    documents = {source.name: load_result(source.path) for source in sources}
    if len(documents) < len(sources):
        raise ConfigError("two results of one name; a result is called by its folder")
    flat = {name: dict(_leaves(document["config"])) for name, document in documents.items()}
    names = [n for n in dict.fromkeys(n for one in flat.values() for n in one) if _varies(n, flat)]
    rows = [
        {"result": name, **_derived(document["config"], document), **{n: flat[name].get(n) for n in names}}
        | figures(document)
        for name, document in documents.items()
    ]
    told = next(iter(documents)) if len(documents) == 1 else f"{len(documents)} results"
    options = ("result", "ranks", "vector_bytes", *names)
    return Table(told, tuple(rows), options, lambda row: documents[row["result"]])


def _varies(name: str, flat: Mapping[str, Json]) -> bool:
    return len({json.dumps(one.get(name)) for one in flat.values()}) > 1


def _leaves(value: Json, at: str = "") -> Any:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{at}{key}.")
        elif not isinstance(inner, list):
            yield f"{at}{key}", inner


def _sweep(source: Source) -> Table:
    store = Store(source.path)
    manifest = store.manifest()
    rows = read_parquet(source.path / "results.parquet")
    names = list(rows[0])
    options = [name for name in names[: names.index("status")] if name not in SERVICE]
    documents: dict[str, Any] = {}

    def document(row: Row) -> Any:
        key = row["point"]
        if key not in documents:
            found = store.outcome(key) if row["status"] == "done" else None
            documents[key] = found and found.document
        return documents[key]

    base = manifest.get("document", {})
    sized = _vector_bytes(rows, options, document)
    for row in rows:
        set_here = {name: row[name] for name in options}
        row |= {"ranks": _ranks(base, set_here), "vector_bytes": sized(row)}
    seeds = {row.get("seed") for row in rows}
    told = f"{source.name}, a sweep of {len(rows)} points" + (
        f", {len(seeds)} seeds" if len(seeds) > 1 else ""
    )
    return Table(told, tuple(rows), ("ranks", "vector_bytes", *options), document)


def _ranks(base: Json, options: Json) -> int | None:
    memory = base.get("memory", {})
    shape = [options.get(f"memory.{key}", memory.get(key)) for key in ("dimms_per_channel", "ranks_per_dimm")]
    return shape[0] * shape[1] if all(isinstance(n, int) for n in shape) else None


def _derived(config: Json, document: Json) -> Row:
    return {"ranks": _ranks(config, {}), "vector_bytes": _bytes_of(document)}


def _bytes_of(document: Json) -> int | None:
    """Return the bytes of a lookup, in whole bursts: what a host without a cache reads for each."""
    host, lookups = (
        (document.get("memory") or {}).get("host") or {},
        (document.get("sls") or {}).get("lookups"),
    )
    bits = (((document.get("energy") or {}).get("operations") or {}).get("host") or {}).get(
        "data_bits_per_run"
    )
    cached = (document["config"].get("cache") or {}).get("llc") is not None
    if not bits or not lookups or cached or host.get("merged") or bits % (8 * lookups):
        return None
    return int(bits // (8 * lookups))


def _vector_bytes(
    rows: list[Row], options: list[str], document: Callable[[Row], Any]
) -> Callable[[Row], int | None]:
    """Return what tells a point's bytes of a lookup; for points that failed, those of others of the same trace."""
    names = [name for name in options if name.split(".")[0] in ("trace", "model")]
    found: dict[tuple[Any, ...], int | None] = {}
    for row in rows:
        if (of := document(row)) is not None:
            found.setdefault(tuple(row[name] for name in names), _bytes_of(of))
    return lambda row: found.get(tuple(row[name] for name in names))


def _search(source: Source) -> Table:
    """Return the designs that a search tried: no trial twice, none that broke a constraint or failed."""
    path, store = source.path / "trials.parquet", Store(source.path)
    rows = read_parquet(path)
    told = json.loads((pq.read_schema(path).metadata or {}).get(METADATA_KEY.encode(), b"{}")).get(
        "search", {}
    )
    tried = [row for row in rows if row["trial"] > 0]
    done = [row for row in tried if row["status"] == "done" and row["repeats"] is None]
    if not done:
        raise ConfigError(f"{path}: no trial in it is done")
    left = [
        f"{n} {name}" for name in ("infeasible", "error") if (n := sum(r["status"] == name for r in tried))
    ]
    name = f"{source.name}, a search of {len(tried)} trials: {', '.join([f'{len(done)} designs', *left])}"

    def document(row: Row) -> Any:
        found = store.outcome(row["point"])
        return found and found.document

    objectives = tuple(f"{column}:{best}" for column, best in (told.get("objectives") or {}).items())
    return Table(
        name, tuple(done), tuple(told.get("space", ())), document, objectives=objectives, sparse=True
    )


def _loose(source: Source) -> Table:
    """Return any table of numbers and texts, such as a search's."""
    rows = read_parquet(source.path) if source.path.suffix == ".parquet" else read_csv(source.path)
    told = f"{source.path.resolve().parent.name}/{source.path.name}, {len(rows)} rows"
    return Table(told, tuple(rows), tuple(rows[0]), loose=True)
