"""What was measured on a machine as text: dense parts, the host's gather-reduce, and how they disturb each other."""

from collections.abc import Iterator, Mapping

from recnmp.library.device import (
    BesideTimes,
    DeviceProfile,
    GatherProfile,
    Interference,
    ModelTimes,
    PartTiming,
    instability,
)
from recnmp.library.host_times import Roof, SlsTimes
from recnmp.report.tables import PART_LABELS

_MIB = 1 << 20


def profile_lines(profile: DeviceProfile) -> Iterator[str]:
    """Yield a table per model and section of ``profile``."""
    machine = profile.machine
    llc = f", last-level cache {machine.llc_bytes / _MIB:,.0f} MiB" if machine.llc_bytes else ""
    yield f"{machine}{llc}"
    clocks = ", ".join(f"{key}: {value}" for key, value in profile.clocks.items())
    yield f"  {profile.date}, recnmp {profile.versions.get('recnmp', '?')}{clocks and f'; {clocks}'}"
    threads = f"{profile.threads} thread{'s' * (profile.threads != 1)}"
    how = f"{profile.backend}, {threads}, {profile.dtype}{', compiled' * profile.compiled}"
    how += ", CPU time" * (profile.clock == "cpu")
    for name, times in profile.models.items():
        yield ""
        yield f"{name} · dense part on the {profile.device.upper()} · {how}"
        yield from _model_lines(times)
    for name, gather in profile.sls.items():
        yield ""
        yield from _gather_lines(name, gather)
    for name, sls in profile.sls_batches.items():
        yield ""
        yield from _sls_lines(name, sls)
    if profile.roof is not None:
        yield ""
        yield from _roof_lines(profile.roof)
    for name, interference in profile.interference.items():
        yield ""
        yield from _interference_lines(name, interference)


def _model_lines(times: ModelTimes) -> Iterator[str]:
    widths = {name: max(12, len(PART_LABELS[name]) + 2) for name in times.batches[0].parts}
    labels = [f"{PART_LABELS[name]:>{width}}" for name, width in widths.items()]
    yield f"{'batch':>7}{''.join(labels)}{'total':>12}{'spread':>8}"
    for batch in times.batches:
        why = instability(batch.parts, batch.cpu_share)
        worst = max(part.spread for part in batch.parts.values())
        yield f"{batch.batch_size:>7}{_row(batch.parts, widths)}{worst:>8.0%}{_unstable(why)}"
        if batch.kernel_only:
            yield f"{'kernels':>7}{_row(batch.kernel_only, widths)}"


def _row(parts: Mapping[str, PartTiming], widths: Mapping[str, int]) -> str:
    cells = [
        f"{_us(parts[name].median_ns) if name in parts else '-':>{width}}" for name, width in widths.items()
    ]
    return "".join(cells) + f"{_us(sum(part.median_ns for part in parts.values())):>12}"


def _unstable(why: str) -> str:
    return f"  unstable: {why}" if why else ""


def _gather_lines(name: str, gather: GatherProfile) -> Iterator[str]:
    yield f"{name} · gather-reduce on this CPU · {gather.backend}, {gather.lookups:,} lookups a pass"
    yield f"  tables of {gather.logical_bytes / _MIB:,.0f} MiB in FP32; {gather.placement}"
    yield f"  {'tables':<14}{'threads':>8}{'allocated':>12}{'per lookup':>12}{'spread':>8}{'rate':>12}"
    for point in gather.points:
        why = instability({"lookup": point.per_lookup}, point.cpu_share)
        yield (
            f"  {point.dtype:<14}{point.threads:>8}{f'{point.table_bytes / _MIB:,.0f} MiB':>12}"
            f"{f'{point.per_lookup.median_ns:.1f} ns':>12}{point.per_lookup.spread:>8.0%}"
            f"{f'{point.gb_per_s:.2f} GB/s':>12}{_unstable(why)}"
        )


def _sls_lines(name: str, found: SlsTimes) -> Iterator[str]:
    yield f"{name} · SLS of a batch on this CPU · {_how(found)}, tables of {found.table_bytes / _MIB:,.0f} MiB"
    yield f"  {found.dtype} entries of the {found.indices}"
    yield f"{'batch':>7}{'SLS':>12}{'spread':>8}"
    for batch in found.batches:
        why = instability({"SLS": batch.sls}, batch.cpu_share)
        yield f"{batch.batch_size:>7}{_us(batch.sls.median_ns):>12}{batch.sls.spread:>8.0%}{_unstable(why)}"


def _roof_lines(roof: Roof) -> Iterator[str]:
    yield f"roofs of this CPU · {_how(roof)}{_unstable(instability(roof.parts, roof.cpu_share))}"
    rows = {
        f"FP32 product of {roof.gemm_size} x {roof.gemm_size}": f"{roof.gflop_per_s:,.1f} GFLOP/s",
        f"copy of {roof.dram_copy_bytes / _MIB:,.0f} MiB": f"{roof.dram_gb_per_s:,.2f} GB/s",
        f"copy of {roof.cache_copy_bytes / 1024:,.0f} KiB": f"{roof.cache_gb_per_s:,.2f} GB/s",
    }
    for what, rate in rows.items():
        yield f"  {what:<30}{rate:>18}"


def _how(found: SlsTimes | Roof) -> str:
    threads = f"{found.threads} thread{'s' * (found.threads != 1)}"
    return f"{found.backend}, {threads}{', CPU time' * (found.clock == 'cpu')}"


def _interference_lines(name: str, found: Interference) -> Iterator[str]:
    yield f"{name} · beside a gather of {found.gather}"
    yield f"{'batch':>7}{'gather':>11}{'dense alone':>13}{'beside':>12}{'slower':>9}{'gather slower':>15}"
    for point in found.points:
        threads = f"{point.gather_threads} thread{'s' * (point.gather_threads != 1)}"
        alone, beside = (
            sum(part.median_ns for part in parts.values()) for parts in (point.alone, point.beside)
        )
        yield (
            f"{point.batch_size:>7}{threads:>11}{_us(alone):>13}{_us(beside):>12}{f'{beside / alone:.2f} x':>9}"
            f"{f'{_ratio(point):.2f} x':>15}{_unstable(point.unstable_because)}"
        )


def _ratio(point: BesideTimes) -> float:
    return point.gather_beside.median_ns / point.gather_alone.median_ns


def _us(ns: float) -> str:
    return f"{ns / 1e3:,.2f} µs" if ns < 1e5 else f"{ns / 1e3:,.0f} µs"
