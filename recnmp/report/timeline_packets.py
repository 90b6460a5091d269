"""Packets on the time axis: a channel's buses, rank units with their RankCaches, adders, and arrows between them."""

from typing import Any

import numpy as np

from recnmp.nmp._kernels import DELIVERED_AT, HEADER_AT, INSTRUCTIONS_AT, READY_AT, RESULTS_AT, RETURNED_AT
from recnmp.nmp.recorded import PacketLog
from recnmp.report.timeline_dram import sample_clocks
from recnmp.report.timeline_events import Events, Lanes, Track


def draw_channel(events: Events, pid: int, log: PacketLog, burst: int) -> None:
    """Draw deliveries, results and sums of a channel, whose bursts take ``burst`` clocks."""
    command_bus, data_bus = events.track(pid, "C/A"), events.track(pid, "DQ")
    if len(log.host_passed):
        _draw_host_bursts(events, events.track(pid, "DQ: host's own bursts"), log, burst)
    adders = _draw_adders(events, pid, log)
    packets = Lanes(events, pid, "packets in flight")
    for p in _in_window(events, log, HEADER_AT):
        clocks = [int(clock) for clock in log.clocks[p]]
        _draw_buses(events, command_bus, data_bus, log, p)
        track, name = packets.track_for(clocks[HEADER_AT], clocks[RETURNED_AT]), f"packet {log.packet[p]}"
        events.span(
            track, name, clocks[HEADER_AT], clocks[RETURNED_AT], instructions=int(log.instructions[p])
        )
        _draw_stages(events, track, clocks, log.after_last_burst)
        begin, end = clocks[INSTRUCTIONS_AT], clocks[RESULTS_AT] + log.read_latency
        if events.within(begin) and events.within(end) and log.return_cycles[p]:
            between = [(adders[p], clocks[READY_AT] - log.after_last_burst)] if p in adders else []
            events.flow(name, (command_bus, begin), *between, (data_bus, end))
    _count_packets(events, pid, log)


def _in_window(events: Events, log: PacketLog, begin: int) -> list[int]:
    """Return the packets of which something from column ``begin`` of their clocks on is in the window."""
    seen = (log.clocks[:, RETURNED_AT] > events.start) & (log.clocks[:, begin] < events.end)
    return [int(p) for p in np.flatnonzero(seen)]


def _draw_adders(events: Events, pid: int, log: PacketLog) -> dict[int, Track]:
    """Draw the last operand's way through pipeline and adders to each packet's sum; returns where."""
    lanes, drawn = Lanes(events, pid, "adders"), {}
    for p in np.argsort(log.clocks[:, READY_AT], kind="stable"):
        end = int(log.clocks[p, READY_AT])
        begin = end - log.after_last_burst
        if begin < end and end > events.start and begin < events.end:
            drawn[int(p)] = track = lanes.track_for(begin, end)
            events.span(track, f"packet {log.packet[p]}", begin, end)
    return drawn


def _draw_buses(events: Events, command_bus: Track, data_bus: Track, log: PacketLog, p: int) -> None:
    clocks = [int(clock) for clock in log.clocks[p]]
    args: dict[str, Any] = {"packet": int(log.packet[p])}
    header, returned = int(log.header_cycles[p]), int(log.return_cycles[p])
    begin = clocks[INSTRUCTIONS_AT]
    if header:
        events.span(data_bus, "configuration", begin - header, begin, **args)
    for bus in (command_bus, data_bus) if log.on_data_bus else (command_bus,):
        events.span(bus, "instructions", begin, clocks[DELIVERED_AT], **args, count=int(log.instructions[p]))
    read = clocks[RESULTS_AT]
    events.span(command_bus, "read results", read, read + returned, **args)
    events.span(data_bus, "results", read + log.read_latency, clocks[RETURNED_AT], **args)


def _draw_stages(events: Events, track: Track, clocks: list[int], adding: int) -> None:
    """Draw a packet's stages one after the other: adders end what ranks do, the channel ends what waits."""
    ready = clocks[READY_AT]
    events.span(track, "delivery", clocks[HEADER_AT], clocks[DELIVERED_AT])
    events.span(track, "ranks", clocks[DELIVERED_AT], ready - adding)
    events.span(track, "adders", ready - adding, ready)
    events.span(track, "waits for the channel", ready, clocks[RESULTS_AT])
    events.span(track, "result", clocks[RESULTS_AT], clocks[RETURNED_AT])


def _draw_host_bursts(events: Events, track: Track, log: PacketLog, burst: int) -> None:
    for passed, write in zip(log.host_passed, log.host_write, strict=True):
        begin = int(passed) - burst
        if passed >= 0 and events.within(begin):
            events.slice(track, "write data" if write else "read data", begin, int(passed))


def _count_packets(events: Events, pid: int, log: PacketLog) -> None:
    began, ended = np.sort(log.clocks[:, HEADER_AT]), np.sort(log.clocks[:, RETURNED_AT])
    for at in sample_clocks(events)[:-1]:
        there = np.searchsorted(began, at, "right") - np.searchsorted(ended, at, "right")
        events.counter(pid, "packets in flight", int(at), "packets", int(there))


def draw_rank_unit(events: Events, pid: int, log: PacketLog, rank: int) -> None:
    """Draw what the RankCache of a rank answers, and the packets for which the rank holds partial sums."""
    if log.hits is not None and len(log.hits):
        cache = events.track(pid, "RankCache")
        of_rank = log.hits[log.hits[:, 1] == rank]
        for at, _, bursts in of_rank[(of_rank[:, 0] >= events.start) & (of_rank[:, 0] < events.end)]:
            events.instant(cache, "hit", int(at), bursts=int(bursts))
    sums = Lanes(events, pid, "psum buffer")
    for p in _in_window(events, log, INSTRUCTIONS_AT):
        if log.used[rank, p]:
            begin, end = int(log.clocks[p, INSTRUCTIONS_AT]), int(log.clocks[p, RETURNED_AT])
            track = sums.track_for(begin, end)
            events.span(track, f"packet {log.packet[p]}", begin, end)
            events.span(track, "reads", begin, int(log.done[rank, p]))
