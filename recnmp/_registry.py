"""Finding plug-ins by their folder: a new file in ``cache/``, ``nmp/`` or ``library/*/`` is a new choice."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent


def plugin_names(package: str) -> list[str]:
    """Return the plug-ins of ``recnmp.<package>``: its modules and packages that declare ``PLUGIN = True``, by name.

    The line is looked for in the text, so listing imports nothing heavy; again only where files came or went.
    """
    folder = PACKAGE / package.replace(".", "/")
    return list(_plugins_in(folder, folder.stat().st_mtime_ns))


@lru_cache(maxsize=32)
def _plugins_in(folder: Path, _changed_ns: int) -> tuple[str, ...]:
    modules = (m.name for m in pkgutil.iter_modules([str(folder)]) if not m.name.startswith("_"))
    return tuple(sorted(m for m in modules if "\nPLUGIN = True" in _source(folder / m).read_text()))


def _source(module: Path) -> Path:
    """Return the file of a module, or of a package its ``__init__.py``."""
    return module / "__init__.py" if module.is_dir() else module.with_suffix(".py")


def plugin(package: str, name: str) -> ModuleType:
    """Import plug-in ``name`` of ``recnmp.<package>``; the caller has checked the name."""
    return importlib.import_module(f"recnmp.{package}.{name}")


def library_names(kind: str) -> list[str]:
    """Return the stems of ``library/<kind>/*.yaml``: ``standards``, ``models``, ``mappings``, ..."""
    return sorted(p.stem for p in (PACKAGE / "library" / kind).glob("*.yaml"))


def did_you_mean(name: object, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest allowed word, or nothing."""
    close = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
