"""A roofline of a model's operators: what each does, how fast the profile says it ran, and what bounds it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recnmp.config.schema import MemoryConfig
from recnmp.errors import ConfigError
from recnmp.library.device import TRANSFERS, DeviceProfile
from recnmp.library.dram import load_standard
from recnmp.library.host_times import Roof
from recnmp.library.model import load_model
from recnmp.memory.roofs import memory_roofs
from recnmp.mlp.profile import sls_from_profile, stored_name, time_from_profile
from recnmp.mlp.work import FLOAT_BYTES, work_of
from recnmp.units import gb_per_s


def roofline(
    device: DeviceProfile, models: Sequence[str], batches: Sequence[int], memory: MemoryConfig
) -> dict[str, Any]:
    """Return a roofline of ``models`` at ``batches`` as plain data: ``roofs``, ``memory`` and ``points``.

    ``roofs`` are those that were measured on ``device``: products, copies in DRAM and in cache. ``memory`` is the
    modelled memory's: ``host_gb_per_s`` over its channels, ``near_memory_gb_per_s`` inside its ranks, for the
    smallest entries of the models. Each point has an operator's work, its measured time (``sls`` none where the
    profile lacks it), what it reached, and the most that the measured roofs allow when all bytes come from DRAM or
    from cache. Raises ConfigError for a device without measured roofs and for what `time_from_profile` refuses.
    """
    if device.roof is None:
        raise ConfigError(
            f"device profile {device.name!r} has no roof; `recnmp measure roof --out` adds it to a file"
        )
    spec = load_standard(memory.standard)
    spec.check_ranks(memory.dimms_per_channel * memory.ranks_per_dimm)
    entry_bytes = min(FLOAT_BYTES * group.dim for model in models for group in load_model(model).tables)
    points = [
        point
        for model in models
        for batch_size in sorted(set(batches))
        for point in _points(device, device.roof, model, batch_size)
    ]
    return {
        "device": device.name,
        "machine": str(device.machine),
        "backend": device.backend,
        "threads": device.threads,
        "clock": device.clock,
        "measured_on": device.date,
        "roofs": {
            "gflop_per_s": device.roof.gflop_per_s,
            "dram_gb_per_s": device.roof.dram_gb_per_s,
            "cache_gb_per_s": device.roof.cache_gb_per_s,
            "method": f"measured on {device.roof.date}, {device.roof.threads} thread"
            f"{'s' * (device.roof.threads != 1)}: FP32 product of {device.roof.gemm_size} x "
            f"{device.roof.gemm_size}, copies of {device.roof.dram_copy_bytes >> 20} MiB and "
            f"{device.roof.cache_copy_bytes >> 10} KiB",
            "stable": device.roof.stable,
        },
        "memory": {
            "standard": memory.standard,
            "channels": memory.channels,
            "ranks": memory.channels * memory.dimms_per_channel * memory.ranks_per_dimm,
            "entry_bytes": entry_bytes,
            **memory_roofs(spec, memory, entry_bytes)._asdict(),
        },
        "points": points,
    }


def _points(device: DeviceProfile, roof: Roof, model: str, batch_size: int) -> Iterator[dict[str, Any]]:
    dense = time_from_profile(device, model, batch_size)
    times: Mapping[str, float] = {name: part.median_ns for name, part in dense.parts.items()}
    sls = (
        sls_from_profile(device, model, batch_size)[0].median_ns
        if stored_name(model) in device.sls_batches
        else None
    )
    for operator, work in work_of(load_model(model), batch_size).items():
        ns = sls if operator == "sls" else times[operator]
        assert operator not in TRANSFERS  # work is of operators alone
        allowed = {
            where: min(roof.gflop_per_s, work.intensity * rate)
            for where, rate in (("dram", roof.dram_gb_per_s), ("cache", roof.cache_gb_per_s))
        }
        yield {
            "model": stored_name(model),
            "operator": operator,
            "batch_size": batch_size,
            "product_flop": work.products,
            "other_flop": work.others,
            "bytes": work.bytes,
            "flop_per_byte": work.intensity,
            "ns": ns,
            "gflop_per_s": None if ns is None else work.flop / ns,
            "gb_per_s": None if ns is None else gb_per_s(work.bytes, ns),
            "roof_from_dram_gflop_per_s": allowed["dram"],
            "roof_from_cache_gflop_per_s": allowed["cache"],
            "bound": "compute" if allowed["dram"] == roof.gflop_per_s else "memory",
        }
