"""RecNMP's channels that carry other traffic of the host, too, against their tick-by-tick twin."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from reference import shared_tick
from reference.beside_cases import as_request, bursts_of
from reference.recnmp_cases import Case, case_of
from reference.recnmp_packets import Settings
from reference.traffic import size

from recnmp.library.dram import COMMANDS
from recnmp.memory.audit import audit
from recnmp.memory.traffic import HostBursts
from recnmp.nmp import recnmp
from recnmp.nmp.channel import Channel
from recnmp.nmp.instructions import send
from recnmp.nmp.packet import packet_of_bags

NUMBERS = range(0, 60, size(3, 15))
PACKETS = ("header_at", "instructions_at", "delivered_at", "ready_at", "results_at", "returned_at")


@dataclass(frozen=True)
class Shared:
    """RecNMP's channels with other traffic: what the product did, and the twins of channels and bursts."""

    case: Case
    others: HostBursts
    channels: list[Channel]
    twins: list[shared_tick.ChannelResult]
    bursts: list[list[shared_tick.HostBurst]]


@cache
def shared(number: int) -> Shared:
    case = case_of(number)
    trace, placed, system = case.trace, case.placed, case.system
    gathered = np.stack([placed.channel, placed.rank, placed.flat_bank, placed.row, placed.column], axis=1)
    others = bursts_of(number, system, 12 * trace.lookups + 3000, gathered)
    options = recnmp.Options(**case.options)
    bag_packet, _ = packet_of_bags(trace, options.poolings_per_packet)
    sent = send(
        trace, placed, system, bag_packet, case.order, case.locality & (system.cache.rank is not None)
    )
    channels = recnmp.run_channels(trace, sent, placed, system, options, others)
    bursts = [
        [
            shared_tick.HostBurst(
                k, int(mine.rank[k]), as_request(mine, k, 0, system.spec.organization.banks_per_group.value)
            )
            for k in range(len(mine))
        ]
        for mine in (others.of_channel(c) for c in range(system.memory.channels))
    ]
    twins = shared_tick.run(
        trace, placed, system, Settings(**case.options), bursts, case.order, case.locality
    )
    return Shared(case, others, channels, twins, bursts)


def numbered():
    return pytest.mark.parametrize("number", list(NUMBERS))


@numbered()
def test_packets_pass_among_the_hosts_bursts_at_the_clocks_of_the_twin(number):
    run = shared(number)
    for channel, twin in zip(run.channels, run.twins, strict=True):
        found = [dict(zip(PACKETS, row, strict=True)) for row in channel.clocks.tolist()]
        assert found == [dict(zip(PACKETS, packet.clocks, strict=True)) for packet in twin.packets]


@numbered()
def test_the_hosts_bursts_cross_at_the_clocks_of_the_twin(number):
    run = shared(number)
    nBL = run.case.system.spec.cycles["nBL"]
    for channel, bursts in zip(run.channels, run.bursts, strict=True):
        assert channel.others.passed.tolist() == [
            burst.crosses_at + nBL if burst.crosses_at >= 0 else -1 for burst in bursts
        ]


@numbered()
def test_ranks_issue_the_commands_of_their_twins_for_instructions_and_host(number):
    run = shared(number)
    for channel, twin in zip(run.channels, run.twins, strict=True):
        last = twin.packets[-1].ready_at if twin.packets else 0
        for log, commands in zip(channel.timeline.commands, twin.commands, strict=True):
            columns = (log.cycle, log.command, log.bank_group, log.bank, log.column)
            found = list(zip(*(column.tolist() for column in columns), strict=True))
            expected = [
                (c.cycle, COMMANDS.index(c.name), c.bank_group, c.bank, c.column)
                for c in commands
                if c.cycle < last
            ]
            found = [c for c in found if c[0] < last]
            assert found == expected[: len(found)]
            # a rank with nothing left to do stops, and all do when the last results go; their twins tick on
            assert not {COMMANDS[c[1]] for c in expected[len(found) :]} & {"ACT", "RD", "WR"}


@numbered()
def test_the_commands_for_instructions_and_host_are_legal(number):
    system = shared(number).case.system
    for channel in shared(number).channels:
        for commands in channel.timeline.commands:
            report = audit(system.spec, 1, commands, refresh=system.memory.refresh)
            assert report.count == 0, report.first
