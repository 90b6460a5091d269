"""The computer at hand, as far as it says what it is: processor, cores, last-level cache, clocks."""

import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from recnmp._threads import available_cores

_CPUS = Path("/sys/devices/system/cpu")


class Machine(BaseModel):
    """The computer that was measured, without anything that names its owner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_model: str
    cores: Annotated[int, Field(ge=1, description="cores the process may run on")]
    system: str
    llc_bytes: int | None = Field(None, description="last-level cache of one socket, as the system tells it")
    gpu: str | None = Field(None, description="accelerator that was timed")

    def __str__(self) -> str:
        gpu = f", {self.gpu}" if self.gpu else ""
        return f"{self.cpu_model}, {self.cores} core{'s' * (self.cores > 1)}, {self.system}{gpu}"


def this_machine(gpu: str | None = None) -> Machine:
    """Describe the computer this runs on."""
    return Machine(
        cpu_model=cpu_model(),
        cores=available_cores(),
        system=f"{platform.system()} {platform.machine()}",
        llc_bytes=llc_bytes(),
        gpu=gpu,
    )


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's own name where the system tells it, else the architecture."""
    names = (value for key, value in _fields(cpuinfo) if key == "model name")
    return next(names, "") or platform.processor() or platform.machine()


def llc_bytes(cpus: Path = _CPUS) -> int | None:
    """Return the size of the first CPU's highest-level cache; None where the system does not tell it."""
    sizes = {}
    for index in sorted(cpus.glob("cpu0/cache/index*")):
        level, size = _text(index / "level"), _text(index / "size")
        if level.isdecimal() and size[:-1].isdecimal() and size[-1] in "KM":
            sizes[int(level)] = int(size[:-1]) * (1 << (10 if size[-1] == "K" else 20))
    return sizes[max(sizes)] if sizes else None


def clocks(cpuinfo: Path = Path("/proc/cpuinfo"), cpus: Path = _CPUS) -> dict[str, str]:
    """Return what the system tells of the CPU's clock now: MHz of each core, and who governs it.

    A virtual machine often shows one constant and no governor, which is then said.
    """
    mhz = [f"{float(value):.0f}" for key, value in _fields(cpuinfo) if key == "cpu MHz"]
    return {
        "cpu_mhz": " ".join(mhz) or "unknown",
        "governor": _text(cpus / "cpu0" / "cpufreq" / "scaling_governor") or "unknown",
    }


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the memory that a new process may take without swapping; None where the system does not tell."""
    found = (value.split()[0] for key, value in _fields(meminfo) if key == "MemAvailable")
    kib = next(found, None)
    return None if kib is None else int(kib) * 1024


def _fields(file: Path) -> Iterable[tuple[str, str]]:
    for line in _text(file).splitlines():
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
