"""One rank of RecNMP's slow twin: it decodes its instructions as they come, asks its cache, and reads the rest.

Its DRAM controller knows one rank only, and is offered the bursts that the cache lacks, one a clock.
"""

from collections import OrderedDict, deque

from reference.dram_ranks import Device
from reference.frfcfs_tick import Controller, Rules
from reference.recnmp_packets import Burst, Instruction, Packet


class Cache:
    """Set-associative, least recently used line out first; knows which burst's read fetched a line."""

    def __init__(self, sets: int, ways: int) -> None:
        self.sets: list[OrderedDict[int, Burst]] = [OrderedDict() for _ in range(sets)]
        self.ways = ways

    def look_up(self, burst: Burst) -> Burst | None:
        """Who fetched the burst's line; None for a miss, which fetches it. Now it is the youngest of its set."""
        lines = self.sets[burst.line % len(self.sets)]
        source = lines.pop(burst.line, None)
        lines[burst.line] = source or burst
        if len(lines) > self.ways:
            lines.popitem(last=False)
        return source


class RankUnit(Controller):
    """One rank: instructions on their way to it, its cache, and its own DRAM controller."""

    def __init__(self, system, settings, window: int, rank: int) -> None:
        memory, cache = system.memory, system.cache.rank
        rules = Rules(
            page_policy=memory.page_policy,
            row_hit_cap=memory.row_hit_cap,
            merge_reads=memory.merge_reads,
            hold_slots=True,
        )
        super().__init__(Device(system.spec, 1), memory.policy, memory.refresh, window, 1, rules)
        self.cache = Cache(cache.size_bytes // 64 // cache.ways, cache.ways) if cache else None
        self.decoding = settings.rank_cache_cycles if cache else 0
        self.coming: deque[tuple[int, Instruction]] = deque()
        self.missing: deque[Burst] = deque()
        self.held: list[Packet] = []  # packets it was sent, in order
        self.place = rank, system.ranks_per_channel

    def first_due(self, rank: int, ranks: int) -> int:
        """The rank is one of a channel's, with which it shares the interval."""
        return super().first_due(*self.place)

    def has_buffer(self, buffers: int) -> bool:
        """Was the packet that many before the next one read back, or is it being read?"""
        return len(self.held) < buffers or self.held[-buffers].results_at >= 0

    def receive(self, clock: int) -> None:
        """Decode what is complete at this clock: the cache answers, or DRAM will be asked."""
        while self.coming and self.coming[0][0] == clock:
            _, instruction = self.coming.popleft()
            for burst in instruction.bursts:
                burst.decoded = clock + self.decoding
                if self.cache and instruction.may_cache:
                    burst.source = self.cache.look_up(burst)
                if burst.source is None:
                    self.missing.append(burst)

    def offer(self, clock: int) -> None:
        """Ask the controller for the oldest missing burst, at most one a clock."""
        if self.missing and self.missing[0].decoded <= clock:
            burst = self.missing[0]
            if self.accept(burst.request, clock):
                self.missing.popleft()
                burst.accepted = len(self.result.arrive) - 1

    def ready(self, burst: Burst) -> int | None:
        """Clock at which the adder has the burst; None while it waits for a RD."""
        if burst.source is not None:
            fetched = self.ready(burst.source)
            return None if fetched is None else max(burst.decoded, fetched)
        if burst.accepted < 0 or self.result.depart[burst.accepted] < 0:
            return None
        return self.result.depart[burst.accepted]
