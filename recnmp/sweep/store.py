"""A sweep's folder: one file for each point that is done, one for each that failed, the manifest, the tables."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recnmp.errors import ConfigError, RecnmpError
from recnmp.report.result import json_text, load_result, write_whole
from recnmp.sweep.task import Outcome

MANIFEST_FORMAT = "recnmp-sweep-1"
SEARCH_FORMAT = "recnmp-search-1"
ERROR_FORMAT = "recnmp-point-error-1"
MANIFEST_FILE = "manifest.json"

Json = dict[str, Any]


class Store:
    """The points of a sweep on disk, each by its key; a file is there complete or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unpacked = folder / ".traces"

    def result_path(self, key: str) -> Path:
        """Return where a point's result document is: one that `recnmp rerun` and `recnmp compare` read."""
        return self.folder / "points" / f"{key}.json"

    def error_path(self, key: str) -> Path:
        """Return where a point's failure is; its traceback lies beside it, as text."""
        return self.folder / "errors" / f"{key}.json"

    def has(self, key: str, errors: bool = True) -> bool:
        """Return whether a point is done; one that failed is, too, unless ``errors`` is False."""
        return self.result_path(key).is_file() or (errors and self.error_path(key).is_file())

    def save(self, outcome: Outcome) -> None:
        """Keep an outcome; a result takes the place of an earlier failure."""
        try:
            if outcome.document is not None:
                document = outcome.document | {"worker": outcome.worker}
                self._write(self.result_path(outcome.key), document)
                self.error_path(outcome.key).unlink(missing_ok=True)
                self.error_path(outcome.key).with_suffix(".txt").unlink(missing_ok=True)
                return
            path = self.error_path(outcome.key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path.with_suffix(".txt"), outcome.traceback or f"{outcome.error}\n")
            document = {"format": ERROR_FORMAT, "error": outcome.error, "worker": outcome.worker}
            self._write(path, document)
        except OSError as error:
            raise RecnmpError(f"{self.folder}: cannot write: {error.strerror}") from None

    def outcome(self, key: str) -> Outcome | None:
        """Return what is kept of a point; None where it is missing."""
        path = self.result_path(key)
        if path.is_file():
            document = load_result(path)
            return Outcome(key, document, worker=document.get("worker"))
        path = self.error_path(key)
        if not path.is_file():
            return None
        document = read_json(path, ERROR_FORMAT)
        return Outcome(key, None, str(document["error"]), worker=document.get("worker"))

    def write_manifest(self, manifest: Json, format_: str = MANIFEST_FORMAT) -> None:
        """Write the manifest, whole or not at all."""
        try:
            self._write(self.folder / MANIFEST_FILE, {"format": format_} | manifest)
        except OSError as error:
            raise RecnmpError(f"{self.folder}: cannot write: {error.strerror}") from None

    def manifest(self) -> Json:
        """Return the manifest; raises ConfigError where there is none."""
        return read_json(self.folder / MANIFEST_FILE, MANIFEST_FORMAT)

    def missing(self, keys: Iterable[str], errors: bool) -> list[str]:
        """Return the keys of points that are not done."""
        return [key for key in keys if not self.has(key, errors)]

    @staticmethod
    def _write(path: Path, document: Json) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json_text(document) + "\n")


def is_sweep(path: Path) -> bool:
    """Return whether ``path`` is a sweep's or search's folder or its manifest."""
    return (path / MANIFEST_FILE).is_file() or (path.name == MANIFEST_FILE and path.is_file())


def read_json(path: Path, *formats: str) -> Json:
    """Return a document of one of ``formats``; raises ConfigError for anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a document of a sweep: {error}") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found not in formats:
        expected = " or ".join(map(repr, formats))
        raise ConfigError(f"{path}: not a document of a sweep: its format is {found!r}, expected {expected}")
    return dict(document)
