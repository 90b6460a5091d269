"""RAM2BIN files read back by their published layout, and held against the command log."""

import csv
import struct

import numpy as np
import pytest

from recnmp.library.dram import COMMANDS, load_standard
from recnmp.memory import ram2bin
from recnmp.memory.ram2bin import KINDS
from recnmp.memory.run import replay_trace
from recnmp.memory.setup import Setup


def read(path):
    """Header, names, kinds, timings and arrays of a file, by the layout's table of offsets."""
    data = path.read_bytes()
    names = ("magic", "major", "minor", "flags", "levels", "commands", "timings", "width", "prefetch", "dq")
    names += ("channel", "read_latency", "entries", "offset", "type")
    header = dict(zip(names, struct.unpack_from("<8s2B7HIi2Q16s", data), strict=True))
    place = 64

    def words(n):
        nonlocal place
        found = []
        for _ in range(n):
            end = data.index(b"\0", place)
            found.append(data[place:end].decode())
            place = end + 1
        return found

    def numbers(kind, n):
        nonlocal place
        values = np.frombuffer(data, kind, n, place)
        place += values.nbytes
        return values

    told = {"level": words(header["levels"]), "size": numbers("<u4", header["levels"]).tolist()}
    told |= {"command": words(header["commands"]), "meta": numbers("u1", header["commands"]).tolist()}
    told["clocks"] = numbers("u1", header["commands"]).tolist()
    timings = words(header["timings"])
    told["timing"] = dict(zip(timings, numbers("<i4", header["timings"]).tolist(), strict=True))
    assert header["offset"] == -(-place // 8) * 8
    place = header["offset"]
    kinds = {"clk": "<i8", "arrive": "<i8", "cmd": "u1", "type": "i1", "source": "<i2"}
    arrays = {name: numbers(kind, header["entries"]) for name, kind in kinds.items()}
    arrays["addr"] = np.stack([numbers("<i4", header["entries"]) for _ in told["level"]])
    assert place == len(data)
    return header, told, arrays


@pytest.fixture
def trace(tmp_path):
    rng = np.random.default_rng(3)
    lines = [f"{'LD' if rng.random() < 0.8 else 'ST'} {rng.integers(1 << 20) << 13:#x}" for _ in range(300)]
    (tmp_path / "t.trc").write_text("\n".join(lines))
    return tmp_path / "t.trc"


@pytest.mark.parametrize("standard", ["ddr4_2400", "ddr5_4800"])
def test_the_commands_are_those_of_the_log(trace, tmp_path, standard, monkeypatch):
    monkeypatch.setattr("recnmp.memory.spool.ROWS", 37)
    setup = Setup(standard=standard, channels=2, ranks=2)
    log, requests = tmp_path / "c.csv", tmp_path / "r.csv"
    replay_trace(trace, "ramulator", setup, commands=log, requests=requests, viewer=tmp_path / "run")
    rows = list(csv.DictReader(log.read_text().splitlines()))
    request = list(csv.DictReader(requests.read_text().splitlines()))
    for channel in range(2):
        _, told, arrays = read(tmp_path / f"run.ch{channel}.ram2bin")
        mine = [row for row in rows if int(row["channel"]) == channel]
        assert arrays["clk"].tolist() == [int(row["cycle"]) for row in mine]
        assert [told["command"][c] for c in arrays["cmd"]] == [KINDS[row["cmd"]][0] for row in mine]
        columns = ("channel", "rank", "bankgroup", "bank", "row", "col")
        assert arrays["addr"].T.tolist() == [[int(row[name]) for name in columns] for row in mine]
        served = [request[int(row["req"])] if int(row["req"]) >= 0 else None for row in mine]
        assert arrays["arrive"].tolist() == [-1 if r is None else int(r["arrive"]) for r in served]
        assert arrays["type"].tolist() == [-1 if r is None else int(r["is_write"]) for r in served]
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_the_header_says_what_the_memory_is(trace, tmp_path):
    replay_trace(trace, "ramulator", Setup(ranks=4), viewer=tmp_path / "run")
    header, told, arrays = read(tmp_path / "run.ch0.ram2bin")
    spec = load_standard("ddr4_2400")
    assert (header["magic"], header["major"], header["minor"], header["flags"]) == (b"RAM2BIN\0", 1, 1, 0)
    assert (header["width"], header["prefetch"], header["read_latency"]) == (64, 8, 20)
    assert header["type"].rstrip(b"\0") == b"DDR4"
    assert told["level"] == ["Channel", "Rank", "BankGroup", "Bank", "Row", "Column"]
    assert told["size"] == [1, 4, 4, 4, 65536, 128]
    assert told["timing"] == spec.cycles | {"tCK_ps": spec.tCK_ps.value}
    kinds = dict(zip(told["command"], told["meta"], strict=True))
    assert kinds == {
        "ACT": 0b10001,
        "PREpb": 0b10010,
        "PREab": 0b10010,
        "RD": 0b100100,
        "WR": 0b100100,
        "REFab": 0b11000,
    }
    assert set(arrays["cmd"].tolist()) <= set(range(len(kinds)))


def test_every_command_has_a_name_for_the_viewer():
    assert set(KINDS) == set(COMMANDS)


def test_a_failed_write_leaves_no_half_file(tmp_path, monkeypatch):
    log = ram2bin.ViewerLog(tmp_path / "run", load_standard("ddr4_2400"), ranks=1, channels=1)

    def fail(*_):
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(log, "_write", fail)
        with pytest.raises(OSError, match="full"):
            log.write()
    assert list(tmp_path.iterdir()) == []
    log.write()
    assert [path.name for path in tmp_path.iterdir()] == ["run.ch0.ram2bin"]
