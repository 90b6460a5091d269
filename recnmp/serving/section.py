"""The ``end_to_end`` section of a result."""

from typing import Any

from recnmp.config.schema import Config
from recnmp.errors import ConfigError
from recnmp.library.device import DeviceProfile
from recnmp.mlp.timer import dense_at, stored_at
from recnmp.mlp.timing import MlpTiming
from recnmp.serving.end_to_end import EndToEnd
from recnmp.serving.load import draw_load
from recnmp.serving.served import Served


def end_to_end_section(
    config: Config, device: DeviceProfile | None, dense: MlpTiming | None, sls: dict[str, Any]
) -> dict[str, Any]:
    """Return how the parts of one batch meet and, where that is configured, how queries are served.

    ``sls`` is the result's section of that name. Empty where the dense part is left out.
    """
    if dense is None:
        return {}
    lookups = sls["lookups"] / sls["batches"]
    batch = EndToEnd(dense, sls["host_ns"], sls["nmp_ns"], config.end_to_end.overlap, lookups)
    serving = config.end_to_end.serving
    served = serving and Served(batch, dense_at(config, device, dense), serving, config.arrival)
    return batch.to_dict() | {"serving": served and served.to_dict()}


def check_serving(config: Config, device: DeviceProfile | None, batch_size: int) -> None:
    """Raise ConfigError for batches that serving would need and whose dense part's times are not to be had.

    ``batch_size`` is the trace's.
    """
    serving = config.end_to_end.serving
    if serving is None:
        return
    most, pieces = serving.batch_samples or batch_size, serving.batch_pieces
    sizes = {most, *draw_load(serving, most, 1).batch_samples.tolist()}
    if pieces > 1 and config.nmp.kind != "host":
        sizes |= {(size + up) // pieces for size in sizes for up in (0, pieces - 1)}
    others = sorted(sizes - {0, batch_size})
    for size in others[:1] + others[1:][-1:]:  # a profile has all between what it has
        try:
            stored_at(config, device, size)
        except ConfigError as error:
            raise config.error(("end_to_end", "serving"), str(error)) from None
