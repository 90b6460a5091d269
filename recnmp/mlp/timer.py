"""The dense part's time by the configured way: measured here and now, or stored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recnmp.config.schema import MeasuredMlpConfig, NoMlpConfig, ProfileMlpConfig
from recnmp.library.device import DeviceProfile
from recnmp.library.model import RecModel
from recnmp.mlp.measured import Measurement
from recnmp.mlp.profile import time_from_profile
from recnmp.mlp.timing import MlpTiming


@contextmanager
def dense_timer(
    config: MeasuredMlpConfig | ProfileMlpConfig | NoMlpConfig,
    model_name: str,
    model: RecModel,
    device: DeviceProfile | None,
    batch_size: int,
) -> Iterator[Callable[[], MlpTiming | None]]:
    """Give a function that returns the dense part's time of one batch; call it when the machine is quiet.

    It returns None where the dense part is left out.

    A measuring process loads its library meanwhile, beside whatever else runs. Raises ConfigError at once for
    a backend, thread count, model or batch size that cannot be timed.
    """
    if isinstance(config, NoMlpConfig):
        yield lambda: None
        return
    if isinstance(config, ProfileMlpConfig):
        assert device is not None
        stored = time_from_profile(device, model_name, batch_size)
        yield lambda: stored
        return
    with Measurement(
        model, batch_size, backend=config.backend, threads=config.threads, repeats=config.repeats
    ) as measurement:
        yield measurement.time
