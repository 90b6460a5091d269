"""Where a result came from: versions, machine, source state, and digests of what went in."""

import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import recnmp
from recnmp._registry import PACKAGE
from recnmp._threads import available_cores
from recnmp.library.machine import cpu_model
from recnmp.report.result import plain

_LIBRARIES = ("numpy", "numba", "llvmlite", "pyarrow", "pydantic", "torch")


def provenance(config: Mapping[str, Any], trace_digest: str | None, **seeds: int) -> dict[str, Any]:
    """Return the record that lets a reader judge and repeat a run.

    ``config`` : the resolved configuration; ``trace_digest`` : the content digest of the replayed trace;
    ``seeds`` : every seed the run used, by name. The record has no user name, host name or path. A library
    that is not installed has version None; ``git`` is None unless the package lies in a checkout of its own
    source.
    """
    return {
        "recnmp": recnmp.__version__,
        "git": _own_state(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}},
        "machine": {
            "cpu_model": cpu_model(),
            "cores": available_cores(),
            "platform": platform.platform(),
        },
        "config_sha256": config_digest(config),
        "trace_digest": trace_digest,
        "seeds": dict(seeds),
        "created_utc": now_utc(),
    }


def now_utc() -> str:
    """Return the time as records have it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def config_digest(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a resolved configuration, independent of the order of its keys."""
    text = json.dumps(plain(config, "config"), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache  # the code that runs is that which was there when it was first asked for
def _own_state() -> dict[str, Any] | None:
    return git_state(PACKAGE)


def git_state(package: Path) -> dict[str, Any] | None:
    """Return commit and dirty flag of the checkout that tracks ``package``; None where there is none.

    A package installed below someone else's checkout is not tracked by it, so it gets None. ``dirty`` looks
    at the package's own files, new ones included.
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = _git(package, "rev-parse", "HEAD")
    changes = _git(package, "status", "--porcelain", "--", ".")
    if commit is None or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache  # many runs of a process ask, and each answer reads a file
def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None
