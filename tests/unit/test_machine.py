"""What the computer at hand says of itself, read from files that a test writes."""

from pathlib import Path

import pytest

from recnmp.library.machine import available_bytes, clocks, llc_bytes


def cache(cpus: Path, index: int, level: str, size: str) -> None:
    folder = cpus / "cpu0" / "cache" / f"index{index}"
    folder.mkdir(parents=True)
    (folder / "level").write_text(f"{level}\n")
    (folder / "size").write_text(f"{size}\n")


@pytest.mark.parametrize(("size", "n_bytes"), [("266240K", 260 << 20), ("32M", 32 << 20)])
def test_the_last_level_cache_is_that_of_the_highest_level(tmp_path, size, n_bytes):
    cache(tmp_path, 0, "1", "48K")
    cache(tmp_path, 3, "3", size)
    cache(tmp_path, 2, "2", "2048K")

    assert llc_bytes(tmp_path) == n_bytes


def test_caches_that_the_system_does_not_tell_are_not_made_up(tmp_path):
    assert llc_bytes(tmp_path) is None
    cache(tmp_path, 0, "1", "unknown")
    assert llc_bytes(tmp_path) is None


def test_clocks_are_read_where_there_are_any(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("cpu MHz\t\t: 2300.4\nbogus\ncpu MHz\t\t: 3100.0\n")
    governor = tmp_path / "cpu0" / "cpufreq" / "scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("performance\n")

    assert clocks(cpuinfo, tmp_path) == {"cpu_mhz": "2300 3100", "governor": "performance"}
    assert clocks(tmp_path / "no", tmp_path / "no") == {"cpu_mhz": "unknown", "governor": "unknown"}


def test_free_memory_is_what_the_system_calls_available(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:       4 kB\n")

    assert available_bytes(meminfo) == 4096
    assert available_bytes(tmp_path / "no") is None
