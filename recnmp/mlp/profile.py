"""Stored times in place of a measurement: what a device profile says of a model at a batch size."""

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

from recnmp._registry import did_you_mean
from recnmp.config.mapping import names_file
from recnmp.errors import ConfigError
from recnmp.library.device import BatchTimes, BesideTimes, DeviceProfile, PartTiming
from recnmp.library.host_times import SlsTimes
from recnmp.library.model import load_model
from recnmp.mlp.timing import MlpTiming


class _AtBatch(Protocol):
    @property
    def batch_size(self) -> int: ...


_Times = TypeVar("_Times", bound=_AtBatch)
_Found = TypeVar("_Found")


def stored_name(model: str) -> str:
    """Return the name under which a profile has a model of the library, or the YAML file ``model``."""
    return Path(model).stem if names_file(model) else model


def time_from_profile(profile: DeviceProfile, model_name: str, batch_size: int) -> MlpTiming:
    """Return the stored times of a model (its file name in ``library/models``) at ``batch_size``.

    Between two measured batch sizes the logarithm of the time runs straight over the logarithm of the batch,
    which is exact for any power law, so for time in proportion to the batch and for constant time alike.
    Raises ConfigError for a model that the profile lacks, whose layers have changed since it was measured,
    and for a batch outside the measured ones: nothing is extrapolated.
    """
    where, model = f"device profile {profile.name!r}", load_model(model_name)
    times = find(profile.models, model_name, where)
    if not times.fits(model):
        raise ConfigError(f"{where} was measured for other layers than model {model_name!r} has now")
    low, high, share = around(times.batches, batch_size, f"{where}, model {model_name!r}")
    kernels = (
        _between_all(low.kernel_only, high.kernel_only, share)
        if low.kernel_only and high.kernel_only
        else None
    )
    shares = [times.cpu_share for times in (low, high) if times.cpu_share is not None]
    return MlpTiming(
        model=model.name,
        batch_size=batch_size,
        parts=_between_all(low.parts, high.parts, share),
        kernel_only=kernels,
        method="profile",
        backend=profile.backend,
        threads=profile.threads,
        machine=profile.machine,
        cpu_share=min(shares, default=None),
        device_kind=profile.device,
        dtype=profile.dtype,
        compiled=profile.compiled,
        clock=profile.clock,
        device=profile.name,
        measured_on=profile.date,
        age_days=age_days(profile.date),
        note=_note(profile, low, high),
    )


def sls_from_profile(profile: DeviceProfile, model_name: str, batch_size: int) -> tuple[PartTiming, SlsTimes]:
    """Return the stored time of SLS of one batch on the host, and the measurement that it is from.

    Between measured batch sizes as `time_from_profile`. Raises ConfigError for a model that the profile lacks, whose
    tables have changed since it was measured, and for a batch outside the measured ones.
    """
    where = f"SLS of batches in device profile {profile.name!r}"
    times = find(profile.sls_batches, model_name, where)
    if not times.fits(load_model(model_name)):
        raise ConfigError(f"{where} was measured for other tables than model {model_name!r} has now")
    low, high, share = around(times.batches, batch_size, f"{where}, model {model_name!r}")
    return (_between(low.sls, high.sls, share) if share else low.sls), times


def operator_times(profile: DeviceProfile, model_name: str, batch_size: int) -> dict[str, PartTiming]:
    """Return the stored times of all operators of a model for one batch: ``sls``, then those of `RecModel.parts`.

    Raises as `sls_from_profile` and `time_from_profile` do.
    """
    sls, _ = sls_from_profile(profile, model_name, batch_size)
    return {"sls": sls} | dict(time_from_profile(profile, model_name, batch_size).parts)


def slowdown_from_profile(
    profile: DeviceProfile, model_name: str, batch_size: int, others: int
) -> tuple[dict[str, float], BesideTimes]:
    """Return how much longer each dense part takes while ``others`` other models gather, and what says so.

    Measured figures of as many gathering threads are used, of the next fewer where there are none: a floor,
    not an extrapolation. Between batch sizes the logarithm of the factor runs straight. Raises ConfigError for
    a model or batch that was not measured, and for other layers.
    """
    where = f"interference in device profile {profile.name!r}"
    found = find(profile.interference, model_name, where)
    if found.layers != load_model(model_name).layers:
        raise ConfigError(f"{where} was measured for other layers than model {model_name!r} has now")
    counts = [point.gather_threads for point in found.points if point.gather_threads <= others]
    if not counts:
        raise ConfigError(f"{where} has no figures for {others} gathering thread(s) beside {model_name!r}")
    points = [point for point in found.points if point.gather_threads == max(counts)]
    low, high, share = around(points, batch_size, f"{where}, model {model_name!r}")
    factors = {
        name: _power(factor, high.dense_slowdown[name], share) for name, factor in low.dense_slowdown.items()
    }
    return factors, low


def measured_gathers(
    profile: DeviceProfile, trace_digest: str, dtypes: Set[str]
) -> Iterator[tuple[str, float]]:
    """Yield how the profile's machine gathered the lookups of a trace, and the time of a lookup [ns].

    Only where it did so with that very trace, and with tables all stored as the trace's are.
    """
    for gather in profile.sls.values():
        for point in gather.points if gather.trace_digest == trace_digest else ():
            if dtypes == {point.dtype}:
                unstable = "" if point.stable else ", unstable"
                threads = f"{point.threads} thread{'s' * (point.threads > 1)}"
                how = f"{gather.backend} on {profile.name}, {threads}, {point.dtype}, {gather.date}{unstable}"
                yield how, point.per_lookup.median_ns


def find(stored: Mapping[str, _Found], model_name: str, where: str) -> _Found:
    """Return what ``where`` has of a model; raises ConfigError, naming what it has, where it lacks it."""
    key, known = stored_name(model_name), sorted(stored)
    if key not in stored:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise ConfigError(f"{where} has no model {key!r}; {has}{did_you_mean(key, known)}")
    return stored[key]


def around(points: Sequence[_Times], batch_size: int, where: str) -> tuple[_Times, _Times, float]:
    """Return the measured neighbours of ``batch_size`` and its place between them, from 0 to 1."""
    for point in points:
        if point.batch_size == batch_size:
            return point, point, 0.0
    for low, high in pairwise(points):
        if low.batch_size < batch_size < high.batch_size:
            share = math.log2(batch_size / low.batch_size) / math.log2(high.batch_size / low.batch_size)
            return low, high, share
    sizes = ", ".join(str(point.batch_size) for point in points)
    raise ConfigError(f"{where}: batch size {batch_size} lies outside what was measured: {sizes}")


def age_days(date: str, today: datetime.date | None = None) -> int:
    """Return how many days ago ``date`` was, by the clock of this system (UTC)."""
    return ((today or datetime.datetime.now(datetime.UTC).date()) - datetime.date.fromisoformat(date)).days


def _power(a: float, b: float, share: float) -> float:
    return float(a * (b / a) ** share)


def _between_all(
    low: Mapping[str, PartTiming], high: Mapping[str, PartTiming], share: float
) -> dict[str, PartTiming]:
    if not share:
        return dict(low)
    return {name: _between(part, high[name], share) for name, part in low.items()}


def _between(low: PartTiming, high: PartTiming, share: float) -> PartTiming:
    median = _power(low.median_ns, high.median_ns, share)
    return PartTiming(
        median_ns=median,
        iqr_ns=median * ((1 - share) * low.spread + share * high.spread),
        min_ns=_power(low.min_ns, high.min_ns, share),
        repeats=min(low.repeats, high.repeats),
    )


def _note(profile: DeviceProfile, low: BatchTimes, high: BatchTimes) -> str:
    between = "" if low is high else f", interpolated between batch {low.batch_size} and {high.batch_size}"
    stored = f"stored times of {profile.date}, not measured in this run{between}"
    return f"{stored}; {profile.note}" if profile.note else stored
