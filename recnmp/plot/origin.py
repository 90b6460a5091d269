"""Where figures come from, in words: a trace whose indices a generator drew is never called anything else."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]


def trace_note(file: str, meta: Json, checks: Iterable[Json] = ()) -> str:
    """Return a trace's name and where its indices come from, as its header tells and as its own reuse betrays.

    ``checks`` are those of `recnmp.trace.inspect.inspect_trace`: indices that repeat no more than by chance are
    called random whatever the header says.
    """
    raised = {check["name"] for check in checks if check["raised"]}
    if "uniform indices" in raised:
        return f"{file}: random indices, which repeat no more than by chance; real traffic repeats far more"
    source = meta.get("source")
    if meta.get("indices"):
        told = f"synthetic indices ({meta['indices']}, seed {meta.get('seed', 'unknown')})"
    elif meta.get("generator"):
        told = f"synthetic indices (generated from {source or 'a specification'}, seed {meta.get('seed', 'unknown')})"
    elif source == "import":
        told = f"imported from {meta.get('format', 'another format')}"
    else:
        told = str(source) if source else "where its indices come from is not told"
    signs = sorted(raised)
    return f"{file}: {told}{'; signs of a generator: ' + ', '.join(signs) if signs else ''}"


def origins(documents: Iterable[Json]) -> tuple[str, ...]:
    """Return what results say of their traces, and of the code that made them, each once."""
    traces: dict[str, None] = {}
    codes: dict[str, None] = {}
    for document in documents:
        trace, provenance = document.get("trace") or {}, document.get("provenance") or {}
        if trace.get("file"):
            traces[trace_note(str(trace["file"]), trace.get("meta") or {})] = None
        git = provenance.get("git") or {}
        commit = (
            f", commit {git['commit'][:10]}{' with changes' * bool(git.get('dirty'))}"
            if git.get("commit")
            else ""
        )
        if provenance.get("recnmp"):
            codes[f"recnmp {provenance['recnmp']}{commit}"] = None
    told = list(traces)[:3] + ([f"and {len(traces) - 3} traces more"] if len(traces) > 3 else [])
    lines = [f"Trace{'s' * (len(traces) > 1)} {'; '.join(told)}."] if traces else []
    return (*lines, *([f"Made by {' and '.join(codes)}."] if codes else []))
