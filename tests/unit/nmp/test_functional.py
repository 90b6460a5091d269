"""The functional check passes for what is right and catches every planted fault."""

import re
from dataclasses import replace

import numpy as np
import pytest
from builders import placed_on, some_trace, system_of, trace_of

from recnmp.errors import ConfigError, RecnmpError
from recnmp.nmp import functional, recnmp
from recnmp.nmp.packet import FIELDS, decode, encode
from recnmp.trace.values import entry_codes, entry_content

BATCHES = {"per_batch": 2}


def compared(trace, system, **placement):
    placed = placed_on(system, trace, **placement)
    run = recnmp.run(trace, placed, system, recnmp.Options())
    return functional.compare(trace, placed, run.packets, system)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("pages", ["random", "coloured"])
@pytest.mark.parametrize("mapping", ["RoBaBgRaChCo", "ChRaRoBaBgCo", "RoCoBaBgRaChCo2"])
def test_whole_numbers_add_up_exactly_wherever_entries_live(mapping, pages, channels):
    system = system_of(mapping=mapping, channels=channels, dimms_per_channel=2)
    page_bytes = 256 if mapping.endswith("Co2") else 4096
    report = compared(some_trace(2, **BATCHES), system, pages=pages, page_bytes=page_bytes)
    assert report["status"] == "passed"
    assert report["bit_exact"]


HASHED = {"order": "RoBaBgRaChCo", "xor": {"Ra0": ["Ro0", "Ro3"], "Ch0": ["Ro1", "Ba0"], "Bg0": ["Ro2"]}}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("pages", ["random", "coloured"])
@pytest.mark.parametrize(
    ("mapping", "dims"),
    [(HASHED, (16, 32, 64)), ("permuted_banks", (16, 32, 64)), ("skylake_like", (16, 32))],
)
def test_whole_numbers_add_up_exactly_under_hashed_mappings(mapping, dims, pages, channels):
    system = system_of(mapping=mapping, channels=channels, dimms_per_channel=2)
    if mapping == "skylake_like" and channels == 2 and pages == "coloured":
        with pytest.raises(ConfigError, match="skylake_like switches ranks within a page"):
            compared(some_trace(2, dims, **BATCHES), system, pages=pages)
        return
    assert compared(some_trace(2, dims, **BATCHES), system, pages=pages)["bit_exact"]


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_means_and_weights_agree_but_for_rounding(pooling, weighted):
    weights = np.random.default_rng(4) if weighted else None
    trace = some_trace(4, dims=(16, 48), pooling=pooling, weights=weights)
    report = compared(trace, system_of(dimms_per_channel=2))
    assert report["status"] == "passed"
    assert report["largest_error"] < 1e-4


@pytest.mark.parametrize("dtype", ["fp32", "int8_rowwise"])
@pytest.mark.parametrize("dim", [1, 3, 4, 7, 8, 16, 17, 24, 56, 57, 100, 128])
def test_entries_need_not_fill_their_last_burst_nor_one(dim, dtype):
    assert compared(some_trace(5, dims=(dim,), dtypes=[dtype]), system_of())["bit_exact"]


def test_weights_of_powers_of_two_are_bit_exact_for_8_bit_entries():
    trace = some_trace(5, dims=(8, 64), dtypes=["int8_rowwise"])
    weight = np.ldexp(1.0, np.random.default_rng(0).integers(-2, 3, trace.lookups)).astype(np.float32)
    assert compared(replace(trace, weight=weight), system_of())["bit_exact"]


def test_large_weights_may_round_in_proportion():
    trace = some_trace(5, weights=np.random.default_rng(0))
    for factor in (1e-3, 1e6):
        weight = (trace.weight * np.float32(factor)).astype(np.float32)
        assert compared(replace(trace, weight=weight), system_of())["status"] == "passed"


def test_empty_bags_pool_to_zero_and_later_batches_keep_their_bags():
    trace = trace_of([(20, 16)], [(0, [[], [3, 3], []]), (0, [[], []]), (0, [[7], []])], per_batch=1)
    assert compared(trace, system_of())["bags"] == 7
    assert compared(trace.select(2), system_of())["bags"] == 2


def test_off_and_too_long_are_skipped_with_a_reason(monkeypatch):
    trace, system = some_trace(), system_of()
    placed = placed_on(system, trace)
    run = recnmp.run(trace, placed, system, recnmp.Options())
    assert functional.check("off", trace, placed, run, system)["status"] == "skipped"
    assert functional.check("on", trace, placed, None, system)["status"] == "skipped"
    monkeypatch.setattr(functional, "AUTO_LOOKUPS", trace.lookups - 1)
    assert functional.check("auto", trace, placed, run, system)["status"] == "skipped"
    assert functional.check("on", trace, placed, run, system)["status"] == "passed"


class Planted:
    """A run over several ranks, ready to be damaged."""

    def __init__(self, weighted: bool = False, **options) -> None:
        weights = np.random.default_rng(6) if weighted else None
        self.trace = some_trace(6, weights=weights, **options, **BATCHES)
        self.system = system_of(channels=2, dimms_per_channel=2)
        self.placed = placed_on(self.system, self.trace)
        self.packets = recnmp.run(self.trace, self.placed, self.system, recnmp.Options()).packets

    def judge(self, **changed) -> None:
        words = changed.pop("words", self.packets.words)
        packets = replace(self.packets, make_words=lambda: words, **changed)
        functional.compare(self.trace, self.placed, packets, self.system)

    def with_field(self, name: str, instruction: int, change) -> np.ndarray:
        fields = decode(self.packets.words)
        fields[name][instruction] = change(int(fields[name][instruction]))
        return encode(fields)


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted()


def some_instructions(planted: Planted) -> list[int]:
    return np.random.default_rng(1).integers(0, planted.trace.lookups, 5).tolist()


@pytest.mark.parametrize("bit", range(dict(FIELDS)["daddr"]))
def test_every_flipped_address_bit_is_caught(planted, bit):
    for n in some_instructions(planted):
        with pytest.raises(RecnmpError, match="functional check"):
            planted.judge(words=planted.with_field("daddr", n, lambda v: v ^ 1 << bit))


@pytest.mark.parametrize("bit", range(dict(FIELDS)["psum_tag"]))
def test_every_flipped_tag_bit_is_caught(planted, bit):
    for n in some_instructions(planted):
        with pytest.raises(RecnmpError, match="functional check"):
            planted.judge(words=planted.with_field("psum_tag", n, lambda v: v ^ 1 << bit))


@pytest.mark.parametrize("bit", range(dict(FIELDS)["vsize"]))
def test_every_flipped_size_bit_is_caught(planted, bit):
    for n in some_instructions(planted):
        with pytest.raises(RecnmpError, match="vsize"):
            planted.judge(words=planted.with_field("vsize", n, lambda v: v ^ 1 << bit))


@pytest.mark.parametrize("opcode", [1, 3])
def test_an_instruction_of_another_operation_than_its_call_is_caught(planted, opcode):
    with pytest.raises(RecnmpError, match=f"opcode {opcode}, not 0"):
        planted.judge(words=planted.with_field("opcode", 3, lambda _: opcode))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_wrong_weight_is_caught(weighted):
    planted = Planted(weighted)
    for n in some_instructions(planted):
        double = planted.with_field("weight", n, lambda v: int((np.uint32(v).view("f4") * 2).view("u4")))
        with pytest.raises(RecnmpError, match="functional check"):
            planted.judge(words=double)


@pytest.fixture(scope="module", params=["fp32", "int8_rowwise"])
def small(request) -> Planted:
    dim = {"fp32": 4, "int8_rowwise": 8}[request.param]  # 16 B: four entries in a burst
    return Planted(dims=(dim, 2 * dim), dtypes=[request.param])


@pytest.mark.parametrize("bit", range(dict(FIELDS)["daddr"]))
def test_every_flipped_address_bit_is_caught_where_entries_share_bursts(small, bit):
    for n in some_instructions(small):
        with pytest.raises(RecnmpError, match="functional check"):
            small.judge(words=small.with_field("daddr", n, lambda v: v ^ 1 << bit))


def test_small_entries_one_over_another_are_caught(small):
    slot = small.placed.slot.copy()
    slot[small.trace.entry % 2 == 0] ^= 1
    with pytest.raises(RecnmpError, match="two entries were placed at one address"):
        functional.compare(small.trace, replace(small.placed, slot=slot), small.packets, small.system)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "weighted"])
def quantised(request) -> Planted:
    return Planted(weighted=request.param, dims=(8, 24, 100), dtypes=["int8_rowwise"])


@pytest.mark.parametrize("part", ["code", "scale", "bias"])
def test_a_flipped_bit_of_one_stored_entry_is_caught(quantised, monkeypatch, part):
    number, entry = int(quantised.trace.table[40]), int(quantised.trace.entry[40])
    byte, bit = {"code": (3, 1), "scale": (-6, 7), "bias": (-1, 7)}[part]  # of a scale, the exponent's lowest

    def damaged(of_table, table, entries):
        content = entry_content(of_table, table, entries)
        if of_table == number:
            content[np.flatnonzero(entries == entry), byte] ^= 1 << bit
        return content

    _, _, bias = entry_codes(number, [entry], 1)
    assert bias[0] != 0  # a zero's sign would not show
    quantised.judge()
    monkeypatch.setattr(functional, "entry_content", damaged)
    with pytest.raises(RecnmpError, match=f"1 bags.*first bag {quantised.trace.bag[40]}"):
        quantised.judge()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda codes, scale, bias: codes * scale,
        lambda codes, scale, bias: codes + bias,
        lambda codes, scale, bias: codes * bias + scale,
        lambda codes, scale, bias: (codes + bias) * scale,
        lambda codes, scale, bias: codes.astype(np.int8) * scale + bias,
        lambda codes, scale, bias: codes[:, ::-1] * scale + bias,
        lambda codes, scale, bias: codes * scale[:1] + bias[:1],
    ],
    ids=["no bias", "no scale", "swapped", "bias scaled", "signed", "backwards", "one for all"],
)
def test_a_wrong_dequantiser_is_caught(quantised, monkeypatch, wrong):
    def dequantised(content):
        numbers = np.ascontiguousarray(content[:, -8:]).view("<f4")
        return wrong(content[:, :-8], numbers[:, :1], numbers[:, 1:]).astype(np.float32)

    monkeypatch.setattr(functional, "_dequantised", dequantised)
    with pytest.raises(RecnmpError, match="differ from"):
        quantised.judge()


@pytest.mark.parametrize("dtype", ["fp32", "int8_rowwise"])
def test_a_stream_of_instructions_for_the_other_type_is_caught(dtype):
    planted = Planted(dims=(8, 16, 64), dtypes=[dtype])
    fields = decode(planted.packets.words)
    fields["opcode"] ^= np.uint64(4)
    with pytest.raises(RecnmpError, match="functional check"):
        planted.judge(words=encode(fields))


def test_swapped_packets_are_caught(planted):
    for p in range(len(planted.packets.first_bag) - 1):
        swapped = planted.packets.first_bag.copy()
        swapped[[p, p + 1]] = swapped[[p + 1, p]]
        with pytest.raises(RecnmpError, match="functional check"):
            planted.judge(first_bag=swapped)


def test_an_instruction_sent_to_the_wrong_channel_is_caught(planted):
    for n in some_instructions(planted):
        channel = planted.packets.channel.copy()
        channel[n] ^= 1
        with pytest.raises(RecnmpError, match="address that holds no entry"):
            planted.judge(channel=channel)


def test_the_first_bag_that_differs_is_named(planted):
    bag = planted.trace.bag
    n = int(np.flatnonzero(np.diff(bag) == 0)[7])  # its bag has another lookup
    other = int(np.flatnonzero((bag != bag[n]) & (planted.trace.table == planted.trace.table[n]))[0])
    words = planted.packets.words.copy()
    words[n] = planted.with_field("daddr", n, lambda _: int(decode(words)["daddr"][other]))[n]
    channel = planted.packets.channel.copy()
    channel[n] = channel[other]
    with pytest.raises(RecnmpError, match=re.escape(f"first bag {bag[n]}")):
        planted.judge(words=words, channel=channel)


def test_two_entries_at_one_address_are_caught(planted):
    placed = planted.placed
    table = planted.trace.table
    same = np.flatnonzero((table == table[0]) & (planted.trace.entry != planted.trace.entry[0]))[0]
    moved = {}
    for name in ("channel", "rank", "flat_bank", "row", "column"):
        moved[name] = getattr(placed, name).copy()
        moved[name][placed.first[same] : placed.first[same + 1]] = moved[name][: placed.first[1]]
    with pytest.raises(RecnmpError, match="two entries were placed at one address"):
        functional.compare(planted.trace, replace(placed, **moved), planted.packets, planted.system)
