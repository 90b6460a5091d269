"""Foreign files into traces, and which formats there are: the modules of ``recnmp.trace.formats``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from recnmp._files import Progress
from recnmp._registry import did_you_mean, plugin, plugin_names
from recnmp.config.document import Document
from recnmp.config.load import override_document
from recnmp.errors import ConfigError
from recnmp.trace.formats._rows import Rows
from recnmp.trace.formats._sink import Sink

_PACKAGE = "trace.formats"


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes:
        lookups, bags, batches: what is in the trace.
        rows: rows or samples of the files.
        bad_rows: how many of them were left out.
        first_bad: the first few, as ``file:line: what is wrong``.
        backwards: rows whose time is before that of the row before.
    """

    lookups: int
    bags: int
    batches: int
    rows: int
    bad_rows: int
    first_bad: tuple[str, ...]
    backwards: int


def format_names() -> list[str]:
    """Return the names of all formats."""
    return plugin_names(_PACKAGE)


def find_format(name: str, *needs: str) -> ModuleType:
    """Return the module of format ``name``, which has one of the attributes ``needs``, such as ``read``.

    Raises ConfigError where there is no such format, or it does not do that.
    """
    able = [
        known for known in format_names() if any(hasattr(plugin(_PACKAGE, known), need) for need in needs)
    ]
    if name not in able:
        what = {"read": "read", "write": "written", "request_lines": "written"}[needs[0]]
        raise ConfigError(
            f"format {name!r} is not one that is {what}: {', '.join(able)}{did_you_mean(name, able)}"
        )
    return plugin(_PACKAGE, name)


def format_options(model: type[Any], file: Path | None, overrides: Sequence[str]) -> Any:
    """Return the options of a format: ``model`` as a YAML file and overrides such as ``"dim=16"`` have it.

    Raises ConfigError with file, line and column for whatever is wrong.
    """
    document = Document.from_data({}, "options") if file is None else Document.read(file)
    if overrides:
        document = document.merged(override_document(overrides))
    return document.validate(model)


def import_trace(
    kind: str,
    files: Sequence[Path],
    out: Path,
    options: Any,
    *,
    strict: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Read ``files`` in their order as format ``kind`` and write the trace ``out``, whole or not at all.

    Args:
        kind: a format that is read.
        files: what to read.
        out: trace to write.
        options: its ``ReadOptions``.
        strict: the first bad row is an error; else bad rows are left out and counted.
        progress: called with a line now and then.

    Raises ConfigError for files that are not of this format, damaged, or without a good row.
    """
    module = find_format(kind, "read")
    rows = Rows(strict)
    told = options.model_dump(mode="json", exclude_defaults=True)
    meta = {"source": "import", "format": kind, "files": [file.name for file in files], "options": told}
    with Sink(out, options, rows, meta, progress) as sink:
        module.read(list(files), options, sink)
    counts = sink.counts
    return Imported(
        counts.lookups, counts.bags, counts.batches, rows.read, rows.bad, tuple(rows.first), rows.backwards
    )
