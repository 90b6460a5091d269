"""Reading a run's configuration: files that extend files, overrides, and what ships with the package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recnmp._registry import PACKAGE, did_you_mean
from recnmp.config._yaml import Entry, Node, Place, parse
from recnmp.config.document import Document, similar_file
from recnmp.config.mapping import names_file, read_mapping
from recnmp.config.schema import Config
from recnmp.errors import ConfigError

MANY = ("sweep", "search")
"""Sections that make many runs of one configuration."""


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read the configuration at ``path`` with ``overrides`` such as ``"memory.channels=2"`` on top.

    A file may start from another one by ``extends: other.yaml`` (relative to itself); mappings are merged key
    by key and the later value wins. ``rank8``, ``rank8.yaml`` and ``configs/rank8.yaml`` name the
    configuration that ships with the package where there is no such file. ``trace.file`` becomes absolute: it
    is relative to the file that names it, or to the working folder in an override. So are ``model`` where it
    names a YAML file, and ``memory.mapping``, whose content takes its place: a result says all of it.

    Raises ConfigError with file, line and column for whatever is wrong, and for a sweep or search: many runs.
    """
    document = load_document(path, overrides)
    for section in MANY:
        if section in document.data:
            raise document.error((section,), f"many runs; `recnmp {section}` runs them")
    return config_of(document)


def load_document(path: str | Path, overrides: Sequence[str] = ()) -> Document:
    """Return what is written at ``path`` and in all it extends, ``overrides`` on top; its options are unchecked."""
    document = _read_chain(_find(Path(path)), ())
    if not overrides:
        return document
    return Document(document.merged(override_document(overrides)).root, document.path)


def load_config_dict(data: Mapping[str, Any], source: str = "configuration") -> Config:
    """Return the resolved configuration ``data`` of a result; errors name it as ``source``.

    A trace that is not where it was is looked for, by its name, among those that ship with the package.
    """
    config = config_of(Document.from_data(data, source))
    here = shipped("traces") / config.trace.file.name
    return _with_trace_file(config, here) if here.is_file() and not config.trace.file.exists() else config


def config_to_dict(config: Config) -> dict[str, Any]:
    """Return every option with its value as plain JSON data: the resolved configuration of a run.

    A trace or model file below the working folder is named from there, so that the same run in another copy of
    a project gives the same data.
    """
    data = config.model_dump(mode="json")
    data["trace"]["file"] = _from_here(config.trace.file)
    if names_file(config.model):
        data["model"] = _from_here(Path(config.model))
    if config.mlp.kind == "profile" and names_file(config.mlp.device):
        data["mlp"]["device"] = _from_here(Path(config.mlp.device))
    return data


def _from_here(file: Path) -> str:
    return file.relative_to(Path.cwd()).as_posix() if file.is_relative_to(Path.cwd()) else str(file)


def shipped(folder: str) -> Path:
    """Return the ``configs`` or ``traces`` folder that comes with the wheel or lies in the source tree."""
    installed = PACKAGE / "_data" / folder
    return installed if installed.is_dir() else PACKAGE.parent / folder


def config_names() -> list[str]:
    """Return the names of the configurations that come with the package."""
    return sorted(p.stem for p in shipped("configs").glob("*.yaml"))


def trace_names() -> list[str]:
    """Return the file names of the traces that come with the package."""
    return sorted(p.name for p in shipped("traces").glob("*.parquet"))


def config_of(document: Document) -> Config:
    """Return a document without `MANY`, checked, with files found; raises ConfigError as ``load_config`` does."""
    config = document.validate(Config, other_keys=["extends", *MANY])
    file = document.place(("trace", "file")).folder / config.trace.file
    config = _with_device_file(_with_model_file(_with_mapping(config, document), document), document)
    config = _with_trace_file(config, file.parent.resolve() / file.name)
    config._document = document
    return config


def _with_mapping(config: Config, document: Document) -> Config:
    given, loc = config.memory.mapping, ("memory", "mapping")
    folder = document.place(loc).folder
    if names_file(given) and not (file := folder / str(given)).is_file():
        raise document.error(loc, f"{file}: no such file{similar_file(file)}")
    memory = config.memory.model_copy(update={"mapping": read_mapping(given, folder)})
    return config.model_copy(update={"memory": memory})


def _with_model_file(config: Config, document: Document) -> Config:
    if not names_file(config.model):
        return config
    return config.model_copy(update={"model": _found(document, ("model",), config.model)})


def _with_device_file(config: Config, document: Document) -> Config:
    if config.mlp.kind != "profile" or not names_file(config.mlp.device):
        return config
    device = _found(document, ("mlp", "device"), config.mlp.device)
    return config.model_copy(update={"mlp": config.mlp.model_copy(update={"device": device})})


def _found(document: Document, loc: tuple[str, ...], name: str) -> str:
    file = document.place(loc).folder / name
    if not file.is_file():
        raise document.error(loc, f"{file}: no such file{similar_file(file)}")
    return str(file.parent.resolve() / file.name)


def _with_trace_file(config: Config, file: Path) -> Config:
    changed = config.model_copy(update={"trace": config.trace.model_copy(update={"file": file})})
    changed._document = config._document
    return changed


def _find(path: Path, place: Place | None = None) -> Path:
    """Return ``path``, or the shipped configuration it names; ``place`` is that of an ``extends``."""
    if path.exists():
        return path
    if path.parent in (Path(), Path("configs")) or (place is not None and path.parent == place.folder):
        packaged = shipped("configs") / f"{path.name.removesuffix('.yaml')}.yaml"
        if packaged.is_file():
            return packaged
    beside = [p.name for p in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    hint = did_you_mean(path.name, [*beside, *config_names(), *(f"{n}.yaml" for n in config_names())])
    before = f"{place}: extends: " if place else ""
    raise ConfigError(
        f"{before}{path}: no such file; shipped configurations: {', '.join(config_names())}{hint}"
    )


def _read_chain(path: Path, seen: tuple[Path, ...]) -> Document:
    """Read ``path`` on top of what it extends; ``seen`` are the files that led here."""
    document = Document.read(path)
    entries = document.root.value
    if not isinstance(entries, dict) or "extends" not in entries:
        return document
    node = entries["extends"].node
    if not isinstance(node.value, str):
        raise document.error(("extends",), "must be the name of one file")
    base = _find(path.parent / node.value, node.place)
    chain = (*seen, path.resolve())
    if base.resolve() in chain:
        names = " -> ".join(p.name for p in (*chain, base))
        raise document.error(("extends",), f"files extend each other in a circle: {names}")
    return _read_chain(base, chain).merged(document.without("extends"))


def override_document(texts: Sequence[str]) -> Document:
    """Return overrides as one document; each value's place is the text of its override."""
    result = Document.from_data({}, "--set")
    for text in texts:
        place = Place(f"--set {text if len(text) <= 80 else text[:77] + '...'}")
        path, equals, value = text.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            raise ConfigError(f"{place}: write --set section.option=value, such as --set memory.channels=2")
        node = parse(value, place)
        for key in reversed(keys):
            node = Node({key: Entry(place, node)}, place)
        result = result.merged(Document(node, result.path))
    return result
