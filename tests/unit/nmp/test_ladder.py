from dataclasses import replace

import numpy as np
import pytest
from builders import DDR4, some_trace

from recnmp.config import load_config
from recnmp.config.schema import ArrivalConfig, CacheConfig, CachesConfig, MemoryConfig, PlacementConfig
from recnmp.errors import ConfigError
from recnmp.library.host import load_host
from recnmp.nmp import host
from recnmp.nmp.base import System
from recnmp.nmp.ladder import host_ladder, ladder_on
from recnmp.placement.place import place

CPU = load_host("skylake_sp_18core")


def rungs(channels: int = 1, cores: int | None = None, llc: CacheConfig | None = None) -> dict:
    memory = MemoryConfig(channels=channels)
    system = System(DDR4, memory, CachesConfig(llc=llc), ArrivalConfig())
    trace = some_trace()
    placed = place(trace, memory, DDR4, PlacementConfig())
    alone = host.run(trace, placed, replace(system, cache=CachesConfig()), host.Options())
    ladder = {rung.name: rung for rung in host_ladder(trace, placed, system, CPU, cores)}
    assert ladder["dram_bound"].ns == alone.ns
    return ladder


def test_the_first_rung_is_the_host_without_a_cache_and_the_others_follow():
    assert list(rungs()) == ["dram_bound", "llc_filtered", "misses_under_way"]


def test_a_cache_of_the_system_takes_the_place_of_the_processors():
    small = CacheConfig(size_bytes=4096, ways=4)
    assert rungs(llc=small)["llc_filtered"].how.startswith("a last-level cache of 0.003906 MiB, 4 ways")
    assert "24.75 MiB, 11 ways" in rungs()["llc_filtered"].how
    assert rungs(llc=small)["llc_filtered"].ns >= rungs()["llc_filtered"].ns


def test_one_core_gathers_no_faster_than_its_misses_return():
    one, all_cores = rungs(cores=1), rungs()
    missed = one["llc_filtered"]
    assert one["misses_under_way"].ns > all_cores["misses_under_way"].ns >= missed.ns
    assert "1 core x 12 misses" in one["misses_under_way"].how


def test_the_misses_of_one_core_take_no_less_than_their_latency_allows():
    """Little's law: so many reads, at least their unloaded latency each, so many at a time."""
    memory, trace, t = MemoryConfig(), some_trace(), DDR4.cycles
    system = System(DDR4, memory, CachesConfig(llc=CacheConfig(size_bytes=256, ways=4)), ArrivalConfig())
    placed = place(trace, memory, DDR4, PlacementConfig())
    reads, _ = host.reads(trace, placed, system)
    *_, limited = host_ladder(trace, placed, system, CPU, 1)
    hit_ns = (1 + t["nCL"] + t["nBL"]) * DDR4.tCK_ps.value / 1000 + CPU.outside_dram_ns.value
    turns = len(reads) // CPU.misses_per_core.value
    assert limited.ns > (turns - 1) * hit_ns


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_places_for_misses_are_shared_out_to_channels(channels):
    ladder = rungs(channels, cores=1)
    assert np.isfinite(ladder["misses_under_way"].ns)
    assert ladder["misses_under_way"].ns >= ladder["llc_filtered"].ns


def test_a_configuration_says_on_what_the_rungs_are():
    trace = some_trace()
    config = load_config("rank8")
    assert [rung.name for rung in ladder_on(config, trace, 2)] == list(rungs())
    with pytest.raises(ConfigError, match="Skylake-SP has 18 cores, not 19"):
        ladder_on(config, trace, 19)
    with pytest.raises(ConfigError, match="there is no processor"):
        ladder_on(load_config("rank8", ["host.cpu=null"]), trace, 1)


@pytest.mark.parametrize("llc", [None, CacheConfig(size_bytes=4096, ways=4)], ids=["no cache", "cache"])
def test_a_host_that_has_been_simulated_is_the_rung_that_would_be(llc):
    memory, trace = MemoryConfig(), some_trace()
    system = System(DDR4, memory, CachesConfig(llc=llc), ArrivalConfig())
    placed = place(trace, memory, DDR4, PlacementConfig())
    own = host.run(trace, placed, system, host.Options())
    told = list(host_ladder(trace, placed, system, CPU, None, own.ns))
    assert told == list(host_ladder(trace, placed, system, CPU, None))
    assert own.ns == told[0 if llc is None else 1].ns
