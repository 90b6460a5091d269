"""Trace formats: what a line means, and what is said of a line that means nothing."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from builders import DDR4, trace_of

from recnmp._files import line_blocks
from recnmp.config.schema import MemoryConfig, PlacementConfig
from recnmp.errors import ConfigError
from recnmp.memory import _text, formats
from recnmp.memory.formats import MemoryTrace, may_write, read_chunks, read_memory_trace
from recnmp.placement.place import make_mapping, place
from recnmp.trace.storage import save_trace

MEMORY = MemoryConfig(ranks_per_dimm=2, mapping="RoBaBgRaCo")
LANES = DDR4.banks_per_rank


def read(path: Path, text: str | bytes, kind: str, memory: MemoryConfig = MEMORY, limit=None) -> MemoryTrace:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_memory_trace(path, kind, DDR4, memory, limit)


def refused(path: Path, text: str | bytes, kind: str, memory: MemoryConfig = MEMORY, limit=None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(path, text, kind, memory, limit)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}")


def address(rank=0, group=0, bank=0, row=0, column=0) -> int:
    """The byte address by the mapping RoBaBgRaCo of two ranks, worked out by hand."""
    return ((((row * 4 + bank) * 4 + group) * 2 + rank) * 128 + column) * 64


def places(trace: MemoryTrace) -> list[tuple[int, ...]]:
    columns = (trace.channel, trace.lane, trace.row, trace.column, trace.write, trace.arrive)
    return [tuple(map(int, line)) for line in zip(*columns, strict=True)]


WHERE = {"rank": 1, "group": 2, "bank": 3, "row": 70, "column": 5}
LANE = (1 * 4 + 2) * 4 + 3


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ramulator", f"LD {address(**WHERE):#x}\nST {address(row=1)}\n"),
        ("ramulator", f"LD {address(**WHERE) + 63}\r\nST  0X{address(row=1):X}"),
        ("ramulator", f"{address(**WHERE):#x} R\n{address(row=1)} W\n"),
        ("ramulator", "R 0,1,2,3,70,5\n\n  \nW 0,0,0,0,1,0\n"),
    ],
)
def test_every_ramulator_format_says_the_same_in_its_own_way(tmp_path, kind, text):
    assert places(read(tmp_path / "t", text, kind)) == [(0, LANE, 70, 5, 0, 0), (0, 0, 1, 0, 1, 0)]


def test_dramsim3_lines_have_hexadecimal_addresses_and_clocks(tmp_path):
    words = ["READ", "WRITE", "read", "write", "P_MEM_WR", "BOFF", "P_MEM_RD", "P_FETCH"]
    lines = [f"0x{address(row=i):X}\t{word}   {10 * i}" for i, word in enumerate(words)]
    lines.append(f"{address(**WHERE):x} READ 71")
    trace = read(tmp_path / "t", "\n".join(lines), "dramsim3")
    assert trace.write.tolist() == [0, 1, 0, 1, 1, 1, 0, 0, 0]
    assert trace.arrive.tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 71]
    assert places(trace)[-1] == (0, LANE, 70, 5, 0, 71)


def test_a_clock_that_goes_back_keeps_its_place_in_the_file(tmp_path):
    trace = read(tmp_path / "t", "0x0 READ 30\n0x40 READ 10\n0x80 READ 40\n", "dramsim3")
    assert trace.arrive.tolist() == [30, 30, 40]
    assert trace.column.tolist() == [0, 1, 2]


def test_channels_come_from_the_mapping_or_the_address_vector(tmp_path):
    memory = MemoryConfig(channels=2, ranks_per_dimm=2, mapping="RoBaBgRaCoCh")
    assert places(read(tmp_path / "t", "LD 64\nLD 128\n", "ramulator", memory)) == [
        (1, 0, 0, 0, 0, 0),
        (0, 0, 0, 1, 0, 0),
    ]
    assert read(tmp_path / "t", "R 1,0,0,0,0,0\n", "ramulator", memory).channel.tolist() == [1]


def test_gzip_is_read_as_what_it_holds(tmp_path):
    text = f"LD {address(**WHERE):#x}\n".encode() * 1000
    assert places(read(tmp_path / "t.gz", gzip.compress(text), "ramulator"))[-1] == (0, LANE, 70, 5, 0, 0)
    assert "damaged compressed file" in refused(tmp_path / "t.gz", gzip.compress(text)[:-20], "ramulator")
    assert "damaged compressed file" in refused(tmp_path / "t.gz", b"\x1f\x8bnonsense", "ramulator")


def test_blocks_do_not_show(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    numbers = rng.integers(0, 16 << 30, 500).tolist()
    text = "".join(f"{'ST' if n % 3 else 'LD'} {n:#x}\n" + "\n" * (n % 2) for n in numbers)
    whole = read(tmp_path / "t", text, "ramulator")
    fields = make_mapping(MEMORY, DDR4).decode(np.array(numbers) // 64)
    np.testing.assert_array_equal(whole.row, fields["Ro"])
    np.testing.assert_array_equal(whole.write, [n % 3 > 0 for n in numbers])
    for size in (20, 100, 999):
        cut = list(line_blocks(tmp_path / "t", size))
        assert b"".join(block for _, block in cut) == text.encode()
        assert all(text[: text.index(block.decode())].count("\n") + 1 == first for first, block in cut[:3])
        monkeypatch.setattr(formats, "BLOCK_BYTES", size)
        assert places(read(tmp_path / "t", text, "ramulator")) == places(whole)
        bad = text.replace(f"{numbers[400]:#x}", "0xyz")
        at = bad[: bad.index("0xyz")].count("\n") + 1
        assert refused(tmp_path / "bad", bad, "ramulator").startswith(f":{at}: found ")


def test_a_limit_reads_no_line_more(tmp_path):
    text = "LD 0\nST 64\nLD 128\nnonsense\n"
    assert len(read(tmp_path / "t", text, "ramulator", limit=3)) == 3
    assert refused(tmp_path / "t", text, "ramulator", limit=4).startswith(":4: found 'nonsense'")
    assert len(read(tmp_path / "t", "LD 0\nLD", "ramulator", limit=1)) == 1


VECTOR = "an address has 6 numbers, channel,rank,bank group,bank,row,column"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            "ramulator",
            "LD 0\nLD\n",
            ":2: found 'LD'; a request is LD or ST and an address: 'LD 0x12340', 'ST 4096'",
        ),
        ("ramulator", "LD 0\nLD 0 0\n", ":2: found 'LD 0 0'; a request is LD or ST"),
        ("ramulator", "LD 0\n# note\n", ":2: found '# note'; neither LD nor ST"),
        ("ramulator", "LD 0\nld 0\n", ":2: found 'ld 0'; neither LD nor ST"),
        ("ramulator", "LD 0\n\nLD 12a4\n", ":3: found 'LD 12a4'; the address is not a number"),
        ("ramulator", "LD 0\nLD 0x\n", ":2: found 'LD 0x'; the address is not a number"),
        ("ramulator", "LD 0\nLD -64\n", ":2: found 'LD -64'; the address is not a number"),
        (
            "ramulator",
            "LD 0\nLD 0x12345678123456781\n",
            ":2: found 'LD 0x12345678123456781'; the address is not",
        ),
        (
            "ramulator",
            "LD 0\nLD 0xffffffffffffffff\n",
            ":2: found 'LD 0xffffffffffffffff'; with channels 1 and ranks",
        ),
        ("ramulator", "LD 0\nLD 0x400000000\n", "with channels 1 and ranks 2 the memory ends at 0x3ffffffff"),
        ("ramulator", "0x40 R\n0x40 X\n", ":2: found '0x40 X'; neither R nor W"),
        ("ramulator", "0x40 R\nR 0x40\n", ":2: found 'R 0x40'; neither R nor W"),
        ("ramulator", "R 0,0,0,0,0,0\nR 0,0,0,0,0\n", f":2: found 'R 0,0,0,0,0'; {VECTOR}"),
        ("ramulator", "R 0,0,0,0,0,0\nR 0,0,0,0,0,0,0\n", f":2: found 'R 0,0,0,0,0,0,0'; {VECTOR}"),
        ("ramulator", "R 0,0,0,0,0,0\nR 5\n", f":2: found 'R 5'; {VECTOR}"),
        ("ramulator", "R 0\n", f":1: found 'R 0'; {VECTOR}"),
        (
            "ramulator",
            "R 0,0,0,0,0,0\nR 0,0,,0,0,0\n",
            ":2: found 'R 0,0,,0,0,0'; the bank group is not a number",
        ),
        (
            "ramulator",
            "R 0,0,0,0,0,0\nR 0,0,0,0,0,1f\n",
            ":2: found 'R 0,0,0,0,0,1f'; the column is not a number",
        ),
        ("ramulator", "R 1,0,0,0,0,0\n", ":1: found 'R 1,0,0,0,0,0'; the channel is 0 to 0"),
        ("ramulator", "R 0,2,0,0,0,0\n", "; the rank is 0 to 1"),
        ("ramulator", "R 0,0,4,0,0,0\n", "; the bank group is 0 to 3"),
        ("ramulator", "R 0,0,0,4,0,0\n", "; the bank is 0 to 3"),
        ("ramulator", "R 0,0,0,0,65536,0\n", "; the row is 0 to 65535"),
        ("ramulator", "R 0,0,0,0,0,128\n", "; the column is 0 to 127"),
        ("ramulator", "\n3 20734016\n", ":2: found '3 20734016'; a Ramulator request is one of: LD or ST"),
        ("dramsim3", "0x40 READ 0\n0x40 READ\n", ":2: found '0x40 READ'; a request is hexadecimal address"),
        (
            "dramsim3",
            "0x40 READ 0\n0xg0 READ 0\n",
            ":2: found '0xg0 READ 0'; the address is not a hexadecimal",
        ),
        (
            "dramsim3",
            "0x40 READ 0\n0x40 READ 1.5\n",
            ":2: found '0x40 READ 1.5'; the clock is not a whole number",
        ),
        ("dramsim3", "0x40 READ 0\n0x40 W 0\n", ":2: found '0x40 W 0'; a write is one of WRITE, write"),
        (
            "dramsim3",
            "ffffffffff READ 0\n",
            ":1: found 'ffffffffff READ 0'; with channels 1 and ranks 2",
        ),
        ("ramulator", "", ": the trace has no requests"),
        ("dramsim3", " \n\n", ": the trace has no requests"),
        ("ramulator", "LD 0\n" + "LD 9z\nxx\n", ":2: found 'LD 9z'"),
        ("ramulator", "LD 0\n" + "xx\nLD 9z\n", ":2: found 'xx'"),
        ("ramulator", "LD 0\nxx 9z" + "y" * 99, ":2: found 'xx 9z" + "y" * 52 + "...'; neither"),
        ("litex", "LD 0\n", "format 'litex' is not one of ramulator, dramsim3, recnmp"),
    ],
)
def test_a_bad_line_is_named_with_what_is_allowed(tmp_path, kind, text, message):
    assert message in refused(tmp_path / "t", text, kind)


def test_a_file_that_is_no_text_or_not_there_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="nowhere: no such file"):
        read_memory_trace(tmp_path / "nowhere", "ramulator", DDR4, MEMORY)
    random = np.random.default_rng(0).integers(0, 256, 4 << 20, np.uint8)
    assert "a line of more than" in refused(tmp_path / "t", random[random != 10].tobytes(), "ramulator")
    assert ":1: found" in refused(tmp_path / "t", b"\xff\xfe\x00\n" + random.tobytes(), "ramulator")


def test_numbers_of_every_length_and_base_are_read_as_python_reads_them():
    rng = np.random.default_rng(1)
    values = [int(rng.integers(0, 2**62)) >> int(shift) for shift in rng.integers(0, 62, 300)]
    values = [v for v in values if v < 10**18] + [10**18 - 1, 0, 9, 10, 15, 16]
    for base, form in ((10, "d"), (16, "x"), (16, "X"), (10, "018d"), (16, "016x")):
        words = [format(v, form) for v in values]
        lines = _text.split_lines(1, ("\n".join(words) + "\n").encode(), 1)
        value, bad = _text.numbers(lines.text, lines.start[:, 0], lines.end[:, 0], base)
        assert not bad.any()
        assert value.tolist() == values


def test_an_embedding_trace_reads_its_entries_from_random_pages(tmp_path):
    trace = trace_of([(1000, 32), (50, 8)], [(0, [[1, 999], [5]]), (1, [[7]])])
    save_trace(trace, tmp_path / "t.parquet")
    got = read_memory_trace(tmp_path / "t.parquet", "recnmp", DDR4, MEMORY)
    placed = place(trace, MEMORY, DDR4, PlacementConfig())
    assert len(got) == placed.bursts == 2 * 3 + 1
    np.testing.assert_array_equal(got.lane, placed.rank * LANES + placed.flat_bank)
    np.testing.assert_array_equal(got.row, placed.row)
    np.testing.assert_array_equal(got.column, placed.column)
    assert not got.write.any()
    assert not got.arrive.any()
    assert len(read_memory_trace(tmp_path / "t.parquet", "recnmp", DDR4, MEMORY, 3)) == 3
    assert "not a readable trace file" in refused(tmp_path / "t", "LD 0\n", "recnmp")


@pytest.mark.parametrize("lookups", [1, 2, 3, 100])
def test_an_embedding_trace_in_pieces_is_the_whole_one(tmp_path, monkeypatch, lookups):
    calls = [(0, [[1, 999], [5]]), (1, [[], [7]]), (0, [[]]), (0, []), (0, [[3, 4, 3]]), (1, [[49], []])]
    save_trace(trace_of([(1000, 32), (50, 8)], calls), tmp_path / "t.parquet")
    whole = read_memory_trace(tmp_path / "t.parquet", "recnmp", DDR4, MEMORY)
    monkeypatch.setattr(formats, "LOOKUPS", lookups)
    assert places(read_memory_trace(tmp_path / "t.parquet", "recnmp", DDR4, MEMORY)) == places(whole)
    for limit in range(1, len(whole) + 1):
        limited = read_memory_trace(tmp_path / "t.parquet", "recnmp", DDR4, MEMORY, limit)
        assert places(limited) == places(whole)[:limit]


def test_an_embedding_trace_without_lookups_has_no_requests(tmp_path):
    save_trace(trace_of([(1000, 32)], [(0, [[], []])]), tmp_path / "t.parquet")
    with pytest.raises(ConfigError, match="the trace has no requests"):
        read_memory_trace(tmp_path / "t.parquet", "recnmp", DDR4, MEMORY)


def test_a_clock_that_goes_back_over_the_border_of_a_piece_keeps_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "BLOCK_BYTES", 24)
    (tmp_path / "t").write_text("0x0 READ 30\n0x40 READ 35\n0x80 READ 10\n0xc0 READ 40\n")
    chunks = list(read_chunks(tmp_path / "t", "dramsim3", DDR4, MEMORY))
    assert len(chunks) > 1
    assert np.concatenate([chunk.arrive for chunk in chunks]).tolist() == [30, 35, 35, 40]


@pytest.mark.parametrize(
    ("kind", "reads", "write"),
    [
        ("ramulator", "LD 0x5\nLD 0xABCDEF0\n", "ST 0x5"),
        ("ramulator", "0x40 R\n0xABCDEF R\n", "0x40 W"),
        ("ramulator", "R 0,0,0,0,1,2\nR 0,1,2,3,4,5\n", "W 0,0,0,0,0,0"),
        *(
            ("dramsim3", "0xABCDEF READ 1\nbeef read 1\n0 P_MEM_RD 2\n0 P_FETCH 3\n", f"0x40 {word} 9")
            for word in ("WRITE", "write", "P_MEM_WR", "BOFF")
        ),
    ],
)
def test_writes_are_known_by_their_letters_before_a_line_is_read(tmp_path, kind, reads, write):
    file = tmp_path / "t"
    lines = len(reads.splitlines())
    file.write_text(reads)
    assert not may_write(file, kind)
    file.write_bytes(gzip.compress(reads.encode()))
    assert not may_write(file, kind)
    file.write_text("\n\n" + reads + write + "\n")
    assert may_write(file, kind)
    assert may_write(file, kind, lines + 1)


def test_a_write_beyond_the_limit_is_not_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "BLOCK_BYTES", 10)
    (tmp_path / "t").write_text("LD 0\n\nLD 64\nLD 128\nST 192\n")
    assert not may_write(tmp_path / "t", "ramulator", 2)
    assert may_write(tmp_path / "t", "ramulator", 4)
    with pytest.raises(ConfigError, match="format 'litex'"):
        may_write(tmp_path / "t", "litex")


@pytest.mark.parametrize("base", [10, 16])
def test_a_word_with_any_other_letter_is_no_number(base):
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    letters = [chr(code) for code in range(33, 127)]
    words = [word for letter in letters for word in (letter, f"1{letter}2", f"{letter}3", f"4{letter}")]
    lines = _text.split_lines(1, ("\n".join(words) + "\n").encode(), 1)
    value, bad = _text.numbers(lines.text, lines.start[:, 0], lines.end[:, 0], base)
    assert bad.tolist() == [not set(word) <= set(digits) for word in words]
    good = [word for word in words if set(word) <= set(digits)]
    assert value[~bad].tolist() == [int(word, base) for word in good]
    nothing = np.zeros(1, np.int64)
    assert _text.numbers(lines.text, nothing + 3, nothing + 3, base)[1].all()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_lines_are_found_up_to_the_first_of_another_shape(width):
    rng = np.random.default_rng(width)
    for _ in range(100):
        counts = rng.choice(
            [0, width, width, width, width + 1, width - 1], 9, p=[0.2, 0.25, 0.25, 0.2, 0.05, 0.05]
        )
        text = [
            " \t"[rng.integers(2)] * int(rng.integers(2)) + "  ".join(["ab", "c", "defg", "h"][:n])
            for n in counts
        ]
        lines = _text.split_lines(11, ("\r\n".join(text) + "\n").encode(), width)
        odd = next((n for n, count in enumerate(counts) if count not in (0, width)), len(counts))
        kept = [n for n in range(odd) if counts[n]]
        assert lines.number.tolist() == [11 + n for n in kept]
        assert lines.odd == (11 + odd if odd < len(counts) else None)
        found = [
            [bytes(lines.text[a:b]).decode() for a, b in zip(*ends, strict=True)]
            for ends in zip(lines.start.tolist(), lines.end.tolist(), strict=True)
        ]
        assert found == [text[n].split() for n in kept]
