"""Every name, file and option of a run checked before its first cycle, or never."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from recnmp._registry import library_names, plugin, plugin_names
from recnmp.cache.policy import hardware_policies, parse_policy, policy_names, why_not_hardware
from recnmp.config import Config, config_to_dict
from recnmp.config.document import similar_file
from recnmp.config.mapping import names_file
from recnmp.errors import ConfigError
from recnmp.library.device import DeviceProfile, load_device
from recnmp.library.dram import DramSpec, load_standard
from recnmp.library.host import HostCpu, load_host
from recnmp.library.model import RecModel, load_model
from recnmp.memory.replay import POLICIES
from recnmp.mlp.dense import check_timeable
from recnmp.nmp.base import System, need_bursts_of_64_bytes
from recnmp.placement.place import make_mapping
from recnmp.trace.header import Header
from recnmp.trace.storage import read_header


@dataclass(frozen=True)
class Parts:
    """What a configuration names, found and read."""

    config: Config
    model: RecModel
    spec: DramSpec
    system: System
    host: ModuleType
    host_options: BaseModel
    nmp: ModuleType | None
    nmp_options: BaseModel | None
    device: DeviceProfile | None
    cpu: HostCpu | None
    trace_digest: str

    @property
    def resolved(self) -> dict[str, Any]:
        """Every option with its value, those of the architecture included, as plain JSON data."""
        data = config_to_dict(self.config)
        if self.nmp_options is not None:
            data["nmp"]["options"] = self.nmp_options.model_dump(mode="json")
        return data


def resolve(config: Config) -> Parts:
    """Find everything ``config`` names; raises ConfigError with file and line for what is not there."""
    if not names_file(config.model):  # the configuration's reader has found it
        _named(config, ("model",), config.model, library_names("models"))
    _named(config, ("memory", "standard"), config.memory.standard, library_names("standards"))
    _named(config, ("memory", "policy"), config.memory.policy, list(POLICIES))
    _named(config, ("nmp", "kind"), config.nmp.kind, plugin_names("nmp"))
    for place in ("rank", "llc"):
        cache = getattr(config.cache, place)
        if cache is not None:
            _cache_policy(config, place, cache.kind)
    device = None
    if config.mlp.kind == "profile":
        if not names_file(config.mlp.device):
            _named(config, ("mlp", "device"), config.mlp.device, library_names("devices"))
        device = load_device(config.mlp.device)
    cpu = None
    if config.host.cpu is not None:
        _named(config, ("host", "cpu"), config.host.cpu, library_names("hosts"))
        cpu = load_host(config.host.cpu)
        if (config.host.cores or 1) > cpu.cores.value:
            raise config.error(
                ("host", "cores"), f"{cpu.name} has {cpu.cores.value}, not {config.host.cores}"
            )
    elif config.host.cores is not None:
        raise config.error(("host", "cores"), "there is no processor to take them from: host.cpu is null")
    spec = load_standard(config.memory.standard)
    try:
        make_mapping(config.memory, spec)
    except ConfigError as error:
        raise config.error(("memory", "mapping"), str(error)) from None
    try:
        spec.check_refresh(config.memory.refresh)
    except ConfigError as error:
        raise config.error(("memory", "refresh"), str(error)) from None
    system = _system(config, spec)
    _interference(config)
    if config.end_to_end.serving and config.mlp.kind == "none":
        raise config.error(("end_to_end", "serving"), "queries need a dense part, but mlp.kind is none")
    model = load_model(config.model)
    try:
        if config.mlp.kind != "none":
            check_timeable(model)
    except ConfigError as error:
        raise config.error(("model",), f"{error}; mlp.kind: none simulates the gather-reduce alone") from None
    header = _trace_header(config)
    found = [table.dim for table in header.tables]
    if found != [group.dim for group in model.each_table]:
        raise config.error(
            ("trace", "file"),
            f"the trace has {len(found)} tables of dim {sorted(set(found))}, model {config.model} has "
            f"{model.n_tables} of dim {sorted({group.dim for group in model.tables})}",
        )
    stored = [table.dtype for table in header.tables], [group.dtype for group in model.each_table]
    if config.trace.table_dtype is None and stored[0] != stored[1]:
        of_trace, of_model = (", ".join(sorted(set(dtypes))) for dtypes in stored)
        raise config.error(
            ("trace", "file"),
            f"the trace's tables are {of_trace}, those of model {config.model} {of_model}; "
            "trace.table_dtype replays them as one or the other",
        )
    host = plugin("nmp", "host")
    near = None if config.nmp.kind == "host" else plugin("nmp", config.nmp.kind)
    if near is None and config.cache.rank is not None:
        raise config.error(("cache", "rank"), "a host-only run (nmp.kind: host) has no rank caches")
    if near is None and config.placement.replicate is not None:
        raise config.error(("placement", "replicate"), "a host-only run (nmp.kind: host) reads no copies")
    _refused(config, near or host)
    options = config.section(("nmp", "options"), (near or host).Options)
    locality = getattr(options, "locality", "all")
    if config.cache.rank is None and locality != "all":
        raise config.error(
            ("nmp", "options", "locality"), f"{locality} is for a RankCache, but cache.rank is not set"
        )
    return Parts(
        config,
        model,
        spec,
        system,
        host,
        host.Options() if near else options,
        near,
        options if near else None,
        device,
        cpu,
        header.digest,
    )


def _refused(config: Config, architecture: ModuleType) -> None:
    """Raise ConfigError for an option that is set and that the architecture says it does not have."""
    asked = config.model_dump()
    default = Config.model_construct(model=config.model, trace=config.trace).model_dump()
    for section, option in getattr(architecture, "REFUSES", ()):
        if asked[section][option] != default[section][option]:
            raise config.error(
                (section, option), f"nmp.kind {config.nmp.kind} does not model {section}.{option}"
            )


def _cache_policy(config: Config, place: str, kind: str) -> None:
    """Raise ConfigError where ``kind`` is no policy, one that no simulated cache can have, or has a bad option."""
    loc, name, able = ("cache", place, "kind"), kind.partition(":")[0], hardware_policies()
    if name in policy_names() and name not in able:
        why = why_not_hardware(name)
        raise config.error(
            loc, f"{name} is for `recnmp study cache` alone: {why}; allowed: {', '.join(able)}"
        )
    _named(config, loc, name, able)
    try:
        parse_policy(kind)
    except ConfigError as error:
        raise config.error(loc, str(error)) from None


def _interference(config: Config) -> None:
    """Raise ConfigError for interference without a profile that may have it, or without anything beside."""
    if config.end_to_end.interference == "off":
        return
    loc = ("end_to_end", "interference")
    if config.mlp.kind != "profile":
        raise config.error(loc, f"profile needs mlp.kind: profile, got {config.mlp.kind}")
    if config.arrival.threads == 1:
        raise config.error(loc, "profile is for models that run beside each other; arrival.threads is 1")


def _system(config: Config, spec: DramSpec) -> System:
    try:
        if config.nmp.kind != "host":
            need_bursts_of_64_bytes(spec, f"nmp.kind {config.nmp.kind}")
        return System(spec, config.memory, config.cache, config.arrival)
    except ConfigError as error:
        raise config.error(("memory", "standard"), str(error)) from None


def _trace_header(config: Config) -> Header:
    file = config.trace.file
    if not file.is_file():
        raise config.error(("trace", "file"), f"{file}: no such file{similar_file(file)}")
    try:
        return read_header(file)
    except ConfigError as error:
        raise config.error(("trace", "file"), str(error)) from None


def _named(config: Config, loc: tuple[str, ...], name: str, allowed: list[str]) -> None:
    if name not in allowed:
        raise config.error(loc, f"unknown {loc[-1]} {name!r}", allowed)
