"""Which code a figure came from: a digest of every file that has a say in it."""

import hashlib
from functools import lru_cache
from pathlib import Path

from recnmp._registry import PACKAGE

OUTSIDE = ("cli", "overview", "plot", "reproduce", "search", "study", "sweep")
"""Folders that start runs, print or draw them; none changes what a run finds."""


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the digest of this installation's sources and library files, as they were when first asked."""
    return digest_of(PACKAGE)


def digest_of(package: Path) -> str:
    """Return 64 hexadecimal digits for all ``.py`` and ``.yaml`` files of ``package`` but those `OUTSIDE`."""
    digest = hashlib.sha256()
    files = [path for suffix in ("py", "yaml") for path in package.rglob(f"*.{suffix}")]
    for path in sorted(files):
        name = path.relative_to(package)
        if name.parts[0] not in (*OUTSIDE, "_data"):
            digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
