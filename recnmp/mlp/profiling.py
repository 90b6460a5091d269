"""Make a device profile: time models on this machine, and keep what was found in a file."""

import datetime
import importlib.metadata
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import recnmp
from recnmp.errors import ConfigError
from recnmp.library.device import BatchTimes, DeviceProfile, ModelTimes, read_profile
from recnmp.library.machine import clocks, this_machine
from recnmp.library.model import load_model
from recnmp.mlp.measured import timing_from_samples
from recnmp.mlp.on_gpu import gpu_clocks
from recnmp.mlp.process import How, Point, Samples, checked, sample_in_fresh_process
from recnmp.mlp.profile import stored_name
from recnmp.mlp.timing import MlpTiming

BATCHES = (1, 4, 16, 64, 256, 1024)
"""Batch sizes a profile is measured at."""

Progress = Callable[[str], object]


def measure_profile(
    name: str,
    models: Sequence[str],
    batches: Sequence[int] = BATCHES,
    *,
    how: How = How(),  # noqa: B008  (it never changes)
    processes: int = 5,
    note: str = "",
    progress: Progress | None = None,
) -> DeviceProfile:
    """Time ``models`` (names in ``library/models``, or YAML files) at ``batches`` here, as a device profile.

    Every model is sampled in ``processes`` fresh processes of its own, one round over all models after the
    other, and the samples are pooled: the spread then holds what differs between processes and over minutes,
    not only between neighbouring calls. Raises as `recnmp.mlp.measured.measure_mlp`.
    """
    sizes, how = sorted(set(batches)), checked(how)
    points = {model: [Point(load_model(model), size) for size in sizes] for model in models}
    clocks_before = read_clocks(how, "before")
    runs: dict[str, list[list[Samples]]] = {model: [] for model in models}
    for number in range(1, processes + 1):
        for at, model in enumerate(models, start=1):
            if progress is not None:
                progress(f"round {number} of {processes}: {model} ({at} of {len(models)})")
            runs[model].append(sample_in_fresh_process(points[model], how))
    timings = {
        model: [
            timing_from_samples(point, of_point, how)
            for point, of_point in zip(points[model], zip(*runs[model], strict=True), strict=True)
        ]
        for model in models
    }
    first = timings[models[0]][0]
    return DeviceProfile(
        **header(name, note, clocks_before | read_clocks(how, "after"), first.backend),
        source=f"measured by recnmp {recnmp.__version__}: {how.repeats} samples per part in each of {processes} "
        "fresh processes, pooled; weights stay in the caches between calls",
        machine=first.machine,
        device=how.device,
        dtype=how.dtype,
        compiled=how.compiled,
        clock=how.clock,
        threads=how.threads,
        models={stored_name(model): _model_times(model, timings[model]) for model in models},
    )


def header(name: str, note: str, clocks_read: Mapping[str, str], backend: str) -> dict[str, Any]:
    """Return what every profile made here and now says of itself."""
    return {
        "name": name,
        "note": note,
        "date": today(),
        "clocks": dict(clocks_read),
        "backend": backend,
        "versions": versions(backend),
    }


def today() -> str:
    """Return the day by this system's clock, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def read_clocks(how: How, when: str) -> dict[str, str]:
    """Return the clocks that the system and the GPU's driver tell now, each key ending in ``when``."""
    read = clocks() | (gpu_clocks() if how.device == "cuda" else {})
    return {f"{key} {when}": value for key, value in read.items()}


def versions(backend: str) -> dict[str, str]:
    """Return the versions of what took part."""
    used = ["numpy", "torch"] if backend.startswith("torch") else ["numpy"]
    installed = {name: importlib.metadata.version(name) for name in used}
    return {"recnmp": recnmp.__version__, "python": platform.python_version(), **installed}


def add_to_profile(new: DeviceProfile, path: Path) -> DeviceProfile:
    """Write ``new`` to ``path``; a profile that is there keeps its other sections.

    ``models`` are replaced as a whole, since one date, library and thread count holds for all of them, and so is
    ``roof``; of ``sls``, ``sls_batches`` and ``interference`` each entry by its name. Raises ConfigError for a
    file of another machine.
    """
    merged = new
    if path.exists():
        old = read_profile(path)
        if old.machine.model_copy(update={"gpu": None}) != new.machine.model_copy(update={"gpu": None}):
            raise ConfigError(f"{path} was measured on another machine: {old.machine}; name another file")
        beside = {
            "sls": old.sls | new.sls,
            "sls_batches": old.sls_batches | new.sls_batches,
            "roof": new.roof or old.roof,
            "interference": old.interference | new.interference,
        }
        merged = (new if new.models else old).model_copy(update=beside)
    write_profile(merged, path)
    return merged


def without_models(how: How, name: str, note: str, **sections: Any) -> DeviceProfile:
    """Return a profile of this machine with no times of dense parts, only the given ``sections``."""
    return DeviceProfile(
        **header(name, note, read_clocks(how, "after"), "torch " + importlib.metadata.version("torch")),
        source=f"measured by recnmp {recnmp.__version__}",
        machine=this_machine(),
        clock=how.clock,
        threads=how.threads,
        **sections,
    )


def write_profile(profile: DeviceProfile, path: Path) -> None:
    """Write ``profile`` as YAML, one line per part, ready for ``library/devices``."""
    values = profile.model_dump(mode="json", exclude_none=True)
    text = yaml.safe_dump(
        {key: value for key, value in values.items() if value not in ({}, "")},
        sort_keys=False,
        width=110,
        default_flow_style=None,
        allow_unicode=True,
    )
    path.write_text(text, encoding="utf-8")


def _model_times(name: str, timings: Sequence[MlpTiming]) -> ModelTimes:
    return ModelTimes(
        layers=load_model(name).layers,
        batches=tuple(
            BatchTimes(
                batch_size=t.batch_size,
                parts=dict(t.parts),
                kernel_only=None if t.kernel_only is None else dict(t.kernel_only),
                cpu_share=t.cpu_share,
                stable=t.stable,
            )
            for t in timings
        ),
    )
