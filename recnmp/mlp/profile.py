"""Stored times in place of a measurement: reading a device profile, and making one on this machine."""

import datetime
import importlib.metadata
import math
import platform
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import yaml

import recnmp
from recnmp._registry import did_you_mean
from recnmp.errors import ConfigError
from recnmp.library.device import PARTS, BatchTimes, DeviceProfile, ModelTimes, PartTiming, this_machine
from recnmp.library.model import load_model
from recnmp.mlp.measured import timing_from_samples
from recnmp.mlp.process import Point, sample_in_fresh_process
from recnmp.mlp.timing import MlpTiming

BATCHES = (1, 4, 16, 64, 256, 1024)
"""Batch sizes a profile is measured at."""


def time_from_profile(profile: DeviceProfile, model_name: str, batch_size: int) -> MlpTiming:
    """Return the stored times of a model (its file name in ``library/models``) at ``batch_size``.

    Between two measured batch sizes the logarithm of the time runs straight over the logarithm of the batch,
    which is exact for any power law, so for time in proportion to the batch and for constant time alike.
    Raises ConfigError for a model that the profile lacks, whose layers have changed since it was measured,
    and for a batch outside the measured ones: nothing is extrapolated.
    """
    where = f"device profile {profile.name!r}"
    if model_name not in profile.models:
        known = sorted(profile.models)
        raise ConfigError(
            f"{where} has no model {model_name!r}; it has {', '.join(known)}{did_you_mean(model_name, known)}"
        )
    times = profile.models[model_name]
    model = load_model(model_name)
    if not times.fits(model):
        raise ConfigError(f"{where} was measured for other layers than model {model_name!r} has now")
    low, high = _neighbours(times.batches, batch_size, f"{where}, model {model_name!r}")
    share = 0.0
    if high.batch_size > low.batch_size:
        share = math.log2(batch_size / low.batch_size) / math.log2(high.batch_size / low.batch_size)
    parts = {name: _between(low.parts[name], high.parts[name], share) for name in PARTS}
    return MlpTiming(
        model=model.name,
        batch_size=batch_size,
        bottom_mlp=parts["bottom_mlp"],
        interaction=parts["interaction"],
        top_mlp=parts["top_mlp"],
        method="profile",
        backend=profile.backend,
        threads=profile.threads,
        machine=profile.machine,
        cpu_share=min(low.cpu_share, high.cpu_share),
        device=profile.name,
        measured_on=profile.date,
        note=_note(profile, low, high),
    )


def measure_profile(
    name: str,
    models: Sequence[str],
    batches: Sequence[int] = BATCHES,
    *,
    backend: str = "auto",
    threads: int = 1,
    repeats: int = 30,
    processes: int = 5,
    note: str = "",
    progress: Callable[[str], None] | None = None,
) -> DeviceProfile:
    """Time ``models`` (file names in ``library/models``) at ``batches`` on this CPU, as a device profile.

    Every point is sampled in each of ``processes`` fresh processes, one process after the other over all
    points, and the samples are pooled: the spread then holds what differs between processes and over minutes,
    not only between neighbouring calls. Raises as `recnmp.mlp.measured.measure_mlp`.
    """
    points = [Point(load_model(model), batch) for model in models for batch in sorted(set(batches))]
    runs = []
    for number in range(1, processes + 1):
        if progress is not None:
            progress(f"process {number} of {processes}: {len(points)} points")
        runs.append(sample_in_fresh_process(points, backend=backend, threads=threads, repeats=repeats))
    timings = [
        timing_from_samples(point, of_point, threads)
        for point, of_point in zip(points, zip(*runs, strict=True), strict=True)
    ]
    by_model = {
        model: timings[i * len(set(batches)) :][: len(set(batches))] for i, model in enumerate(models)
    }
    return DeviceProfile(
        name=name,
        source=f"measured by recnmp {recnmp.__version__}: {repeats} samples per part in each of {processes} "
        "fresh processes, pooled; weights stay in the CPU's caches between calls",
        note=note,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=this_machine(),
        backend=timings[0].backend,
        threads=threads,
        versions=_versions(timings[0].backend),
        models={model: _model_times(model, of_model) for model, of_model in by_model.items()},
    )


def write_profile(profile: DeviceProfile, path: Path) -> None:
    """Write ``profile`` as YAML, one line per part, ready for ``library/devices``."""
    text = yaml.safe_dump(
        profile.model_dump(mode="json"),
        sort_keys=False,
        width=110,
        default_flow_style=None,
        allow_unicode=True,
    )
    path.write_text(text, encoding="utf-8")


def _neighbours(batches: Sequence[BatchTimes], batch_size: int, where: str) -> tuple[BatchTimes, BatchTimes]:
    for entry in batches:
        if entry.batch_size == batch_size:
            return entry, entry
    for low, high in pairwise(batches):
        if low.batch_size < batch_size < high.batch_size:
            return low, high
    sizes = ", ".join(str(entry.batch_size) for entry in batches)
    raise ConfigError(f"{where}: batch size {batch_size} lies outside what was measured: {sizes}")


def _between(low: PartTiming, high: PartTiming, share: float) -> PartTiming:
    def power(a: float, b: float) -> float:
        return float(a * (b / a) ** share)

    median = power(low.median_ns, high.median_ns)
    relative_iqr = (1 - share) * low.iqr_ns / low.median_ns + share * high.iqr_ns / high.median_ns
    return PartTiming(
        median_ns=median,
        iqr_ns=median * relative_iqr,
        min_ns=power(low.min_ns, high.min_ns),
        repeats=min(low.repeats, high.repeats),
    )


def _note(profile: DeviceProfile, low: BatchTimes, high: BatchTimes) -> str:
    between = "" if low is high else f", interpolated between batch {low.batch_size} and {high.batch_size}"
    stored = f"stored times of {profile.date}, not measured in this run{between}"
    return f"{stored}; {profile.note}" if profile.note else stored


def _model_times(name: str, timings: Sequence[MlpTiming]) -> ModelTimes:
    model = load_model(name)
    return ModelTimes(
        bottom_mlp=model.bottom_mlp,
        interaction=model.interaction,
        top_input=model.top_input,
        top_mlp=model.top_mlp,
        batches=tuple(
            BatchTimes(batch_size=t.batch_size, **t.parts, cpu_share=t.cpu_share, stable=t.stable)
            for t in timings
        ),
    )


def _versions(backend: str) -> dict[str, str]:
    used = ["numpy", "torch"] if backend.startswith("torch") else ["numpy"]
    versions = {name: importlib.metadata.version(name) for name in used}
    return {"recnmp": recnmp.__version__, "python": platform.python_version(), **versions}
