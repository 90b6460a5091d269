"""The main path: one run from its configuration to its result."""

from collections.abc import Callable
from typing import Any

from recnmp.config import Config, config_to_dict
from recnmp.errors import RecnmpError
from recnmp.memory.audit import audit
from recnmp.mlp.measured import measure_mlp
from recnmp.mlp.profile import time_from_profile
from recnmp.mlp.timing import MlpTiming
from recnmp.nmp import functional
from recnmp.nmp.base import SlsRun
from recnmp.placement.place import PlacedLookups, place
from recnmp.report.provenance import provenance
from recnmp.report.result import Result
from recnmp.report.sections import memory_section, nmp_section, sls_section, trace_section
from recnmp.resolve import Parts, resolve
from recnmp.serving.end_to_end import EndToEnd
from recnmp.trace.storage import load_trace, trace_digest
from recnmp.trace.trace import Trace

Progress = Callable[[str], None]


def simulate(config: Config, progress: Progress | None = None) -> Result:
    """Replay a model's embedding accesses on the host and near memory, and time its dense part.

    ``progress`` is told each step. Raises ConfigError for what cannot be done as asked, and RecnmpError when
    a check of the run itself fails: a pooled vector that differs, a DRAM command that breaks the standard.
    """
    tell = progress or (lambda step: None)
    parts = resolve(config)
    tell("reading the trace")
    trace = load_trace(config.trace.file).select(config.trace.first_batch, config.trace.batches)
    placed = place(trace, config.memory, parts.spec, config.placement)
    tell("host: gather and reduce over the memory channels")
    host = parts.host.run(trace, placed, parts.system, parts.host_options)
    near = None
    if parts.nmp is not None:
        tell(f"{config.nmp.kind}: gather and reduce near memory")
        near = parts.nmp.run(trace, placed, parts.system, parts.nmp_options)
    tell("checking")
    checked = _functional_check(config, trace, placed, near, parts)
    audits = [_audit(run, parts) for run in (host, near)]
    tell("timing the dense part")
    dense = _dense(parts, round(trace.samples / trace.batches))
    sls = sls_section(host, near, trace)
    whole = EndToEnd(dense, sls["host_ns"], sls["nmp_ns"], config.end_to_end.overlap)
    resolved = config_to_dict(config)
    return Result(
        config=resolved,
        sls=sls,
        memory=memory_section(host, near, audits),
        nmp=nmp_section(near, config, trace),
        mlp=dense.to_dict(),
        end_to_end=whole.to_dict(),
        trace=trace_section(trace, config.trace.file),
        functional_check=checked,
        provenance=provenance(resolved, trace_digest(trace), placement_seed=config.placement.seed),
    )


def _dense(parts: Parts, batch_size: int) -> MlpTiming:
    mlp = parts.config.mlp
    if mlp.kind == "profile":
        assert parts.device is not None
        return time_from_profile(parts.device, parts.config.model, batch_size)
    return measure_mlp(parts.model, batch_size, backend=mlp.backend, threads=mlp.threads, repeats=mlp.repeats)


def _functional_check(
    config: Config, trace: Trace, placed: PlacedLookups, near: SlsRun | None, parts: Parts
) -> dict[str, Any]:
    if near is None or near.packets is None:
        return {"status": "skipped", "reason": "nothing was offloaded"}
    if config.functional_check == "off":
        return {"status": "skipped", "reason": "functional_check is off"}
    if config.functional_check == "auto" and trace.lookups > functional.AUTO_LOOKUPS:
        return {"status": "skipped", "reason": f"auto checks up to {functional.AUTO_LOOKUPS} lookups"}
    return functional.check(trace, placed, near.packets, parts.system)


def _audit(run: SlsRun | None, parts: Parts) -> int | None:
    """Judge every recorded command of a run; returns how many were judged, None when none was recorded."""
    if run is None or not parts.config.memory.audit:
        return None
    for ranks, commands in run.commands:
        report = audit(parts.spec, ranks, commands, refresh=parts.config.memory.refresh)
        if report.count:
            raise RecnmpError(
                f"audit: {report.count} DRAM commands break {parts.spec.name}: {report.first[0]}"
            )
    return sum(len(commands) for _, commands in run.commands)
