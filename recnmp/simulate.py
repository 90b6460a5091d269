"""The main path: one run from its configuration to its result."""

from collections.abc import Callable, Iterator
from pathlib import Path

from recnmp.config import Config
from recnmp.mlp.profile import measured_gathers
from recnmp.mlp.timer import dense_timer
from recnmp.nmp import functional
from recnmp.nmp.base import SlsRun
from recnmp.nmp.ladder import Rung, host_ladder
from recnmp.nmp.sharing import run_shared
from recnmp.placement.place import PlacedLookups, place
from recnmp.report.energy import energy_section
from recnmp.report.provenance import provenance
from recnmp.report.result import Result
from recnmp.report.sections import memory_section, nmp_section, sls_section, trace_section
from recnmp.resolve import Parts, resolve
from recnmp.serving.section import check_serving, end_to_end_section
from recnmp.trace.colocation import with_own_tables
from recnmp.trace.storage import load_trace
from recnmp.trace.trace import Trace


def simulate(
    config: Config,
    progress: Callable[[str], None] | None = None,
    read: Callable[[Path, int, int | None], Trace] | None = None,
    recorded: Callable[[Parts, SlsRun, SlsRun | None], None] | None = None,
) -> Result:
    """Replay a model's embedding accesses on the host and near memory, and time its dense part.

    ``progress`` is told each step; ``read`` (file, first batch, batches) gives traces that the caller keeps, read
    from the file when None; ``recorded`` gets both runs, host and near memory, once they are checked. Raises
    ConfigError for what cannot be done as asked, and RecnmpError when a check of the run itself fails: a pooled
    vector that differs, a DRAM command that breaks the standard.
    """
    parts = resolve(config)
    system = parts.system
    tell: Callable[[str], object] = progress or str  # str(step) says nothing to anybody
    tell("reading the trace")
    trace, profiled = _read_trace(config, read or _read)
    check_serving(config, parts.device, trace.batch_size)
    placed = place(trace, config.memory, parts.spec, config.placement, profiled)
    with dense_timer(config, parts.model, parts.device, trace.batch_size) as time_dense:
        tell("host: gather and reduce over the memory channels")
        host = run_shared(lambda on: parts.host.run(trace, placed, on, parts.host_options), system)
        ladder = list(_ladder(parts, trace, placed, host.ns))
        near = None
        if parts.nmp is not None:
            tell(f"{config.nmp.kind}: gather and reduce near memory")
            nmp, options = parts.nmp, parts.nmp_options
            near = run_shared(lambda on: nmp.run(trace, placed, on, options), system)
        tell("checking pooled vectors and DRAM commands")
        checked = functional.check(config.functional_check, trace, placed, near, system)
        audited = [None if side is None else side.audit(system) for side in (host, near)]
        if recorded is not None:
            recorded(parts, host, near)
        tell("timing the dense part")
        dense = time_dense()
    sls = sls_section(host, near, trace, ladder)
    return Result(
        config=parts.resolved,
        sls=sls,
        memory=memory_section(host, near, audited),
        nmp=nmp_section(near, config, trace, placed.replication),
        energy=energy_section(host, near, trace, system),
        mlp=dense.to_dict() if dense else {},
        end_to_end=end_to_end_section(config, parts.device, dense, sls),
        trace=trace_section(trace, config.trace.file),
        functional_check=checked,
        provenance=provenance(
            parts.resolved,
            parts.trace_digest,
            placement_seed=config.placement.seed,
            arrival_seed=config.arrival.seed,
        ),
    )


def _ladder(parts: Parts, trace: Trace, placed: PlacedLookups, own_ns: float) -> Iterator[Rung]:
    """Yield the host's gather-reduce on ever more real hosts; none beside other traffic, which nobody limits."""
    if parts.cpu is None or parts.config.memory.host_traffic is not None:
        return
    yield from host_ladder(trace, placed, parts.system, parts.cpu, parts.config.host.cores, own_ns)
    if parts.device is not None:
        dtypes = {table.dtype for table in trace.tables}
        for how, lookup_ns in measured_gathers(parts.device, parts.trace_digest, dtypes):
            yield Rung("measured", lookup_ns * trace.lookups, how)


def _read(file: Path, first_batch: int, batches: int | None) -> Trace:
    return load_trace(file, first_batch=first_batch, batches=batches)


def _read_trace(config: Config, read: Callable[[Path, int, int | None], Trace]) -> tuple[Trace, Trace]:
    """Return the batches that are replayed, and the trace in which ``placement.profile`` counts its own.

    Without a profile nothing but what is replayed is kept in memory.
    """
    first, batches = config.trace.first_batch, config.trace.batches
    alone = config.placement.profile is None
    kept = (first, batches) if alone else (0, None)
    trace = read(config.trace.file, *kept)
    trace = trace.stored_as(config.trace.table_dtype)
    if config.arrival.tables == "separate":
        trace = with_own_tables(trace, config.arrival.threads, kept[0])
    return (trace, trace) if alone else (trace.select(first, batches), trace)
