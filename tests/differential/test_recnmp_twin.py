"""The RecNMP channel against its tick-by-tick twin: the same commands, the same clocks, legal on every bus."""

from dataclasses import dataclass, fields
from functools import cache

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from reference import recnmp_tick
from reference.recnmp_bus import Bus, Passage, earliest, loads_of, violations
from reference.recnmp_cases import CASES, CHOICES, Case, case_of, choice
from reference.recnmp_packets import Settings

from recnmp import _threads
from recnmp.library.dram import COMMANDS
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.nmp import recnmp
from recnmp.nmp.instructions import instructions_of, send
from recnmp.nmp.packet import packet_of_bags

NUMBERS = range(0, CASES, 8 if numba.config.DISABLE_JIT else 1)
STEPS = ("header_at", "instructions_at", "delivered_at", "ready_at", "results_at", "returned_at")


@dataclass(frozen=True)
class Product:
    """What the product answers, channel by channel and rank by rank.

    Attributes:
        clocks: of each channel's packets in their order of delivery, the six of ``STEPS``, shape (P, 6).
        finish: clock of each channel at which its last result has left DQ.
        commands: issued by each rank, channel after channel; requests are numbered over a channel's ranks.
        accepted, depart: clocks of each rank's requests, in the order of their acceptance.
        outcomes: row hits, misses and conflicts of all ranks together.
        merged: requests that a waiting one answered.
        hits: bursts that RankCaches answered, by number in the placement.
    """

    clocks: list[NDArray[np.int64]]
    finish: list[int]
    commands: list[Commands]
    accepted: list[list[int]]
    depart: list[list[int]]
    outcomes: tuple[int, int, int]
    merged: int
    hits: set[int]


def product(case: Case) -> Product:
    """Run the case on the product: the only place here that knows how."""
    trace, placed, system = case.trace, case.placed, case.system
    options = recnmp.Options(**case.options)
    bag_packet, _ = packet_of_bags(trace, options.poolings_per_packet)
    cacheable = case.locality & (system.cache.rank is not None)
    sent = send(trace, placed, system, bag_packet, case.order, cacheable)
    channels = recnmp.run_channels(trace, sent, placed, system, options)
    position = np.argsort(case.order)
    hits: set[int] = set()
    accepted, depart = [], []
    for c, channel in enumerate(channels):
        carried = instructions_of(c, sent, placed, system, as_ddr_commands=options.delivery == "ddr_commands")
        mine = np.flatnonzero(sent.channel == c)
        mine = mine[np.argsort(position[sent.packet[mine]], kind="stable")]
        bursts = [n for lookup in mine for n in range(placed.first[lookup], placed.first[lookup + 1])]
        hits |= {n for n, by in zip(bursts, carried.filled_by.tolist(), strict=True) if by >= 0}
        ends = np.cumsum(carried.reads_per_rank())[:-1]
        accepted += [rank.tolist() for rank in np.split(channel.timeline.accepted, ends)]
        depart += [rank.tolist() for rank in np.split(channel.timeline.depart, ends)]
    counts = [channel.timeline.counts for channel in channels]
    return Product(
        [channel.clocks for channel in channels],
        [channel.cycles for channel in channels],
        [commands for channel in channels for commands in channel.timeline.commands],
        accepted,
        depart,
        tuple(sum(count[name] for count in counts) for name in ("row_hits", "row_misses", "row_conflicts")),
        sum(count["merged"] for count in counts),
        hits,
    )


@cache
def ours(number: int) -> Product:
    return product(case_of(number))


@cache
def twin(number: int) -> list[recnmp_tick.ChannelResult]:
    case = case_of(number)
    settings = Settings(**case.options)
    return recnmp_tick.run(case.trace, case.placed, case.system, settings, case.order, case.locality)


def cases():
    return pytest.mark.parametrize("number", list(NUMBERS))


def until_last_read(commands):
    """Drop what a rank does when it has nothing left to read: the twin's ranks tick on and refresh."""
    last = max((n for n, command in enumerate(commands) if command.name == "RD"), default=-1)
    return commands[: last + 1]


def test_the_cases_take_every_choice():
    taken = [choice(number) for number in range(CASES)]
    for name, values in CHOICES.items():
        assert {picked[name] for picked in taken} == set(values), name


def test_reads_are_merged_where_asked_for_and_nowhere_else():
    for merging in (False, True):
        runs = [ours(number).merged for number in NUMBERS if choice(number)["merge_reads"] == merging]
        assert (sum(runs) > 0) == merging


def test_hits_wait_for_lines_on_their_way_and_for_nothing_else():
    """Some hits are ready as soon as they were looked up, some only with the read that fetched their line."""
    ends = [set(channel.reads.values()) for number in NUMBERS for channel in twin(number)]
    hits = [channel.hits.values() for number in NUMBERS for channel in twin(number)]
    with_a_read = sum(ready in read for some, read in zip(hits, ends, strict=True) for ready in some)
    assert 0 < with_a_read < sum(map(len, hits))


@cases()
def test_every_rank_issues_the_commands_of_its_twin(number):
    twins = [commands for channel in twin(number) for commands in channel.commands]
    per_channel = case_of(number).system.ranks_per_channel
    assert len(ours(number).commands) == len(twins)
    for unit, (log, expected) in enumerate(zip(ours(number).commands, twins, strict=True)):
        # requests are numbered over a channel's ranks
        channel = twin(number)[unit // per_channel]
        before = sum(len(accepted) for accepted in channel.accepted[: unit % per_channel])
        expected = [
            (c.cycle, COMMANDS.index(c.name), c.rank, c.bank_group, c.bank, c.row, c.column,
             c.request + before if c.request >= 0 else -1)
            for c in until_last_read(expected)
        ]  # fmt: skip
        columns = (log.cycle, log.command, log.rank, log.bank_group, log.bank, log.row, log.column,
                   log.request)  # fmt: skip
        # a precharge closes whatever row is open; the twin leaves the row of PRE unsaid
        found = [(*c[:5], -1 if COMMANDS[c[1]] == "PRE" else c[5], *c[6:])
                 for c in zip(*(column.tolist() for column in columns), strict=True)]  # fmt: skip
        assert found == expected


@cases()
def test_every_packet_passes_at_the_clocks_of_its_twin(number):
    for clocks, channel in zip(ours(number).clocks, twin(number), strict=True):
        found = [dict(zip(STEPS, row, strict=True)) for row in clocks.tolist()]
        assert found == [dict(zip(STEPS, packet.clocks, strict=True)) for packet in channel.packets]
    assert ours(number).finish == [channel.finish for channel in twin(number)]


@cases()
def test_the_buses_are_used_as_they_may_be_and_no_clock_is_lost(number):
    case = case_of(number)
    cycles, settings = case.system.spec.cycles, Settings(**case.options)
    bus = Bus(
        *(cycles[name] for name in ("nCL", "nCWL", "nBL")),
        settings.turnaround_cycles,
        settings.packets_in_flight,
    )
    for clocks, channel in zip(ours(number).clocks, twin(number), strict=True):
        loads = loads_of(channel.packets, settings, cycles)
        passages = [Passage(*row) for row in clocks.tolist()]
        assert violations(loads, passages, bus) == []
        assert earliest(loads, [passage.ready_at for passage in passages], bus) == passages


@cases()
def test_the_caches_answer_the_bursts_that_they_answer_in_the_twin(number):
    assert ours(number).hits == {burst for channel in twin(number) for burst in channel.hits}


@cases()
def test_requests_meet_the_rows_and_waits_of_the_twin(number):
    outcomes = [outcome for channel in twin(number) for outcome in channel.outcomes]
    assert list(ours(number).outcomes) == np.sum(outcomes, axis=0).tolist()
    assert ours(number).merged == sum(sum(channel.merged) for channel in twin(number))
    assert ours(number).accepted == [rank for channel in twin(number) for rank in channel.accepted]
    assert ours(number).depart == [rank for channel in twin(number) for rank in channel.depart]


@cases()
def test_the_commands_of_every_rank_are_legal(number):
    system = case_of(number).system
    for commands in ours(number).commands:
        report = audit(system.spec, 1, commands, refresh=system.memory.refresh)
        assert report.count == 0, report.first


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="plain Python runs ranks in one thread")
@cases()
def test_ranks_in_threads_of_their_own_do_the_same(number, monkeypatch):
    ranks = case_of(number).system.ranks_per_channel
    monkeypatch.setattr(_threads, "_most", [ranks * case_of(number).system.memory.channels])
    monkeypatch.setattr("recnmp.nmp.channel.THREADS_FROM", 0)
    one, many = ours(number), product(case_of(number))
    for name in ("finish", "accepted", "depart", "outcomes", "merged", "hits"):
        assert getattr(many, name) == getattr(one, name), name
    for mine, theirs in zip(many.clocks, one.clocks, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(many.commands, one.commands, strict=True):
        for field in fields(Commands):
            np.testing.assert_array_equal(getattr(mine, field.name), getattr(theirs, field.name))
