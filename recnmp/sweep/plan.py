"""The points of a sweep: every one resolved and keyed before the first is run."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recnmp.config import Config, config_to_dict
from recnmp.config.document import Document
from recnmp.config.load import MANY, config_of, load_document
from recnmp.config.mapping import names_file
from recnmp.errors import ConfigError
from recnmp.report.provenance import config_digest
from recnmp.resolve import Parts, resolve
from recnmp.sweep.axes import Assignment, expand, seed_choices, seeds_of, with_choices
from recnmp.sweep.version import code_version

KEY_DIGITS = 32
"""Hexadecimal digits of a point's key."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """One run of a sweep.

    ``key`` is the digest of its resolved configuration, trace and code; ``options`` has every swept option with its
    value here (null where the point has no such option); ``seed`` the replicate's, None where nothing is repeated;
    ``config`` the configuration as data that any process can read, with its trace's file and digest.
    """

    key: str
    options: dict[str, Any]
    seed: int | None
    config: Json
    trace_file: Path
    trace_digest: str


@dataclass(frozen=True)
class Plan:
    """A sweep as asked: its points in order, and the configuration they all start from."""

    points: list[Point]
    document: Document
    code: str

    @property
    def different(self) -> list[Point]:
        """The points with one of each key: equal ones are run once."""
        return list({point.key: point for point in self.points}.values())


def make_plan(path: str | Path, overrides: Sequence[str] = ()) -> Plan:
    """Read the sweep at ``path`` with ``overrides`` on top, and check every point as `recnmp.resolve` does.

    Raises ConfigError with file, line and column for what is wrong, and for a point whose figures would not repeat:
    a dense part measured on cores that run other points.
    """
    document = load_document(path, overrides)
    assignments, seeds = expand(document), seeds_of(document)
    names = list(dict.fromkeys(choice.option for point in assignments for choice in point))
    not_overridden(names, overrides, "sweep")
    planner = Planner(document, "sweep", names)
    points = [planner.point(assignment, seed) for assignment in assignments for seed in seeds]
    return Plan(points, document, planner.code)


class Planner:
    """Turns options that vary into points: ``section`` of the document says how they do, ``names`` are theirs."""

    def __init__(self, document: Document, section: str, names: Sequence[str]) -> None:
        for other in MANY:
            if other != section and other in document.data:
                raise document.error(
                    (other,), f"a {section} has no {other}; that is a configuration of its own"
                )
        self.document = document
        self.base = document.without(section)
        self.names = names
        self.code = code_version()
        self._section = section
        self._digests: dict[str, str] = {}

    def point(self, assignment: Assignment, seed: int | None = None) -> Point:
        """Return the point of these options, checked as `recnmp.resolve` does; ConfigError for what cannot be."""
        parts = resolve(self._config(assignment, seed))
        config, resolved = parts.config, parts.resolved
        written = {choice.option: choice.value for choice in assignment}
        return Point(
            key=_key(parts, resolved, self.code, self._digests),
            options={name: _shown(name, written, resolved) for name in self.names},
            seed=seed,
            config=config.model_dump(mode="json"),
            trace_file=config.trace.file,
            trace_digest=parts.trace_digest,
        )

    def _config(self, assignment: Assignment, seed: int | None) -> Config:
        chosen = with_choices(self.base, assignment)
        if seed is not None:
            loc = (self._section, "seeds")
            choices = list(seed_choices(seed, chosen.data, self.document.place(loc)))
            varied = {choice.option for choice in assignment}
            for choice in choices:
                if choice.option in varied:
                    raise self.document.error(loc, f"an axis sets {choice.option}, too")
            chosen = with_choices(chosen, choices)
        config = config_of(chosen)
        if config.mlp.kind == "measured":
            raise config.error(
                ("mlp", "kind"),
                f"measured times of cores that run other points say nothing; in a {self._section} use profile "
                "(`recnmp measure mlp` makes one) or none",
            )
        return config


def _key(parts: Parts, resolved: Json, code: str, digests: dict[str, str]) -> str:
    """Return the digest of all a point's figures depend on; files count by their content, not by their name."""
    config = config_to_dict(parts.config) | {"nmp": resolved["nmp"]}
    config["trace"] = {**config["trace"], "file": parts.trace_digest}
    if names_file(parts.config.model):
        config["model"] = _file_digest(parts.config.model, digests)
    if parts.config.mlp.kind == "profile" and names_file(parts.config.mlp.device):
        config["mlp"]["device"] = _file_digest(parts.config.mlp.device, digests)
    return config_digest({"config": config, "code": code})[:KEY_DIGITS]


def _file_digest(name: str, digests: dict[str, str]) -> str:
    if name not in digests:
        digests[name] = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    return digests[name]


_FILES = ("model", "trace.file", "mlp.device", "memory.mapping")
"""Options that may name files, which the resolved configuration replaces; a table has them as written."""


def _shown(name: str, written: Json, resolved: Json) -> Any:
    """Return an option's value for tables: with units resolved, ``131072`` for ``128 KiB``."""
    if name in _FILES and name in written:
        return written[name]
    value: Any = resolved
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return Path(value).name if name == "trace.file" else value


def not_overridden(names: Sequence[str], overrides: Sequence[str], by: str) -> None:
    """Raise ConfigError for an override of what a sweep or search varies: it would take no effect."""
    for text in overrides:
        option = text.partition("=")[0]
        for name in names:
            if f"{name}.".startswith(f"{option}.") or f"{option}.".startswith(f"{name}."):
                raise ConfigError(f"--set {text}: the {by} varies {name}; it would take no effect")
