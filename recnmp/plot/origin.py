"""Where figures come from, in words: a trace whose indices a generator drew is never called anything else."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]


def trace_note(file: str, meta: Json, checks: Iterable[Json] = ()) -> str:
    """Return a trace's name and where its indices come from; ``checks`` are those of its inspection."""
    return f"{file}: {indices_from(meta, checks)}"


def indices_from(meta: Json, checks: Iterable[Json] = ()) -> str:
    """Return where a trace's indices come from, as its header tells and as its own reuse betrays.

    ``checks`` are those of `recnmp.trace.inspect.inspect_trace`: indices that repeat no more than by chance are
    called random whatever the header says.
    """
    raised = {check["name"] for check in checks if check["raised"]}
    if "uniform indices" in raised:
        return "random indices, which repeat no more than by chance; real traffic repeats far more"
    source = meta.get("source")
    if meta.get("indices"):
        told = f"synthetic indices ({meta['indices']}, seed {meta.get('seed', 'unknown')})"
    elif meta.get("generator"):
        made_of = source or "a specification"
        told = f"synthetic indices (generated from {made_of}, seed {meta.get('seed', 'unknown')})"
    elif source == "import":
        told = f"imported from {meta.get('format', 'another format')}"
    else:
        told = str(source) if source else "where its indices come from is not told"
    return f"{told}{'; signs of a generator: ' + ', '.join(sorted(raised)) if raised else ''}"


def origins(documents: Iterable[Json]) -> tuple[str, ...]:
    """Return what results say of their traces, those of one origin together, and of the code that made them."""
    traces: dict[str, dict[str, None]] = {}
    codes: dict[str, None] = {}
    for document in documents:
        trace, provenance = document.get("trace") or {}, document.get("provenance") or {}
        if trace.get("file"):
            traces.setdefault(indices_from(trace.get("meta") or {}), {})[str(trace["file"])] = None
        if provenance.get("recnmp"):
            codes[f"recnmp {provenance['recnmp']}{_commit(provenance.get('git') or {})}"] = None
    lines = [f"Trace{'s' * (len(files) > 1)} {_some(list(files))}: {told}." for told, files in traces.items()]
    return (*lines, *([f"Made by {' and '.join(codes)}."] if codes else []))


def _some(files: list[str]) -> str:
    return ", ".join(files) if len(files) <= 4 else f"{', '.join(files[:3])} and {len(files) - 3} more"


def _commit(git: Json) -> str:
    if not git.get("commit"):
        return ""
    return f", commit {git['commit'][:10]}{' with changes' * bool(git.get('dirty'))}"
