"""The dense part's time by the configured way: measured here and now, or stored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

from recnmp.config import Config
from recnmp.errors import ConfigError
from recnmp.library.device import DeviceProfile
from recnmp.library.model import RecModel
from recnmp.mlp.measured import Measurement
from recnmp.mlp.process import How
from recnmp.mlp.profile import slowdown_from_profile, stored_name, time_from_profile
from recnmp.mlp.timing import MlpTiming


@contextmanager
def dense_timer(
    config: Config, model: RecModel, device: DeviceProfile | None, batch_size: int
) -> Iterator[Callable[[], MlpTiming | None]]:
    """Give a function that returns the dense part's time of one batch; call it when the machine is quiet.

    It returns None where the dense part is left out.

    A measuring process loads its library meanwhile, beside whatever else runs. Raises ConfigError at once for
    a backend, thread count, model or batch size that cannot be timed.
    """
    if config.mlp.kind == "none":
        yield lambda: None
    elif config.mlp.kind == "profile":
        assert device is not None
        stored = _stored(config, device, batch_size)
        yield lambda: stored
    else:
        how = How(config.mlp.backend, config.mlp.threads, config.mlp.repeats)
        with Measurement(model, batch_size, how) as measurement:
            yield measurement.time


def dense_at(config: Config, device: DeviceProfile | None, known: MlpTiming) -> Callable[[int], MlpTiming]:
    """Return a function from the samples of a batch to the dense part's times; ``known`` are those of one size.

    The function raises ConfigError for other sizes where no profile has them: nothing is measured anew.
    """

    @cache
    def at(samples: int) -> MlpTiming:
        return known if samples == known.batch_size else stored_at(config, device, samples)

    return at


def stored_at(config: Config, device: DeviceProfile | None, batch_size: int) -> MlpTiming:
    """Return the profile's times at ``batch_size``; raises ConfigError where it lacks them, or there is none."""
    if device is None:
        raise ConfigError(f"batches of {batch_size} samples need mlp.kind: profile, got {config.mlp.kind}")
    return _stored(config, device, batch_size)


def _stored(config: Config, device: DeviceProfile, batch_size: int) -> MlpTiming:
    stored = time_from_profile(device, config.model, batch_size)
    if config.end_to_end.interference == "off":
        return stored
    factors, measured = slowdown_from_profile(device, config.model, batch_size, config.arrival.threads - 1)
    found = device.interference[stored_name(config.model)]
    why = measured.unstable_because
    return replace(
        stored,
        host_slowdown=factors,
        interference=f"measured on {found.date} beside {measured.gather_threads} gathering "
        f"thread{'s' * (measured.gather_threads != 1)} of {config.arrival.threads - 1} ({found.gather}); "
        f"the gather itself took {measured.sls_slowdown:.2f} x as long, which is not applied; "
        + (f"unstable: {why}" if why else "stable"),
    )
