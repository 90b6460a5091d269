"""The result of a run as one JSON document: stable keys, plain values, saved whole or not at all."""

import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import yaml

from recnmp.errors import ConfigError, RecnmpError

FORMAT = "recnmp-result-1"
"""First value of every result document; the number changes when a key changes its meaning."""

RESULT_FILE = "result.json"
CONFIG_FILE = "config.yaml"

Json = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """Everything a run found, section by section; every section is a dict of plain or NumPy values.

    ``config`` is the resolved configuration, ``sls`` the gather-reduce per batch, ``memory`` what DRAM did
    for host and near memory, ``nmp`` packets and rank units, ``energy`` what both took, ``mlp`` the dense
    part's time, ``end_to_end`` latency and throughput, ``trace`` what was replayed, ``functional_check``
    whether the pooled vectors were right, ``provenance`` where all this came from. A section that a run does
    not have stays empty.
    """

    config: Mapping[str, Any]
    sls: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    nmp: Mapping[str, Any] = field(default_factory=dict)
    energy: Mapping[str, Any] = field(default_factory=dict)
    mlp: Mapping[str, Any] = field(default_factory=dict)
    end_to_end: Mapping[str, Any] = field(default_factory=dict)
    trace: Mapping[str, Any] = field(default_factory=dict)
    functional_check: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Json:
        """Return plain values in a fixed order; raises RecnmpError for a number that is not finite."""
        return {"format": FORMAT} | {f.name: plain(getattr(self, f.name), f.name) for f in fields(self)}

    def to_json(self) -> str:
        """Return the document as JSON text, without a final newline."""
        return json_text(self.to_dict())

    def save(self, folder: Path) -> Path:
        """Write ``result.json`` and the resolved ``config.yaml`` into ``folder``; returns the former's path.

        Each file appears complete or not at all. Raises RecnmpError when the folder cannot be written.
        """
        document = self.to_dict()
        config = yaml.safe_dump(document["config"], sort_keys=False, allow_unicode=True, width=110)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / CONFIG_FILE, config)
            write_whole(folder / RESULT_FILE, self.to_json() + "\n")
        except OSError as error:
            raise RecnmpError(f"{folder}: cannot write the result: {error.strerror}") from None
        return folder / RESULT_FILE


def load_result(path: Path) -> Json:
    """Return the result document at ``path``, a ``result.json`` or the folder that holds one.

    Raises ConfigError when it is missing, is not JSON, or is something else than a result of this format.
    """
    file = path / RESULT_FILE if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such result file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not a result: {error}") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise ConfigError(f"{file}: not a result: its format is {found!r}, expected {FORMAT!r}")
    document.setdefault("energy", {})  # results were once without
    for section in fields(Result):
        if not isinstance(document.get(section.name), dict):
            raise ConfigError(f"{file}: not a complete result: section {section.name!r} is missing")
    return dict(document)


def json_text(document: Mapping[str, Any]) -> str:
    """Return ``document`` as JSON for people: indented, but a list of numbers on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # text in quotes holds no line break, so nothing in it is taken for a list
    return re.sub(
        r"\[\n[-+\d.eE,\s]+\]",
        lambda found: " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]"),
        text,
    )


def plain(value: Any, where: str) -> Any:
    """Return ``value`` with NumPy values, tuples and paths turned into what JSON holds.

    ``where`` names the value in the RecnmpError for a number that is not finite: JSON has no NaN, and a
    result with one is wrong.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biu":
        return value.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist(), where)
    if isinstance(value, list | tuple):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise RecnmpError(f"result: {where} is {value}, not a finite number")
    if isinstance(value, PurePath):
        return value.as_posix()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"result: {where} is a {type(value).__name__}, which JSON cannot hold")


def write_whole(path: Path, text: str) -> None:
    """Write beside ``path``, then move over it, so that no reader ever sees half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # mkstemp makes files private; a result is an ordinary file
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
