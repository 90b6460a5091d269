"""One rank of RecNMP's slow twin: it decodes its instructions as they come, asks its cache, and reads the rest.

Its DRAM controller knows one rank only, and is offered one instruction a clock: a request for all those bursts of
its vector that the cache lacks.
"""

from collections import OrderedDict, deque

from reference import cache_policies
from reference.dram_ranks import Device
from reference.frfcfs_tick import Controller, Rules
from reference.recnmp_packets import Burst, Instruction, Packet


class OtherCache:
    """Set-associative under any policy of ``cache_policies``, asked anew about a set's whole past each time."""

    def __init__(self, sets: int, ways: int, kind: str) -> None:
        self.past: list[list[int]] = [[] for _ in range(sets)]
        self.fetched: dict[int, Burst] = {}
        self.ways, self.hits = ways, getattr(cache_policies, kind)

    def look_up(self, burst: Burst) -> Burst | None:
        """Who fetched the burst's line; None for a miss, which fetches it."""
        past = self.past[burst.line % len(self.past)]
        past.append(burst.line)
        if self.hits(past, self.ways)[-1]:
            return self.fetched[burst.line]
        self.fetched[burst.line] = burst
        return None


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


def cache_of(cache) -> Cache | OtherCache | None:
    """A cold cache as configured."""
    if cache is None:
        return None
    shape = cache.size_bytes // 64 // cache.ways, cache.ways
    return Cache(*shape) if cache.kind == "lru" else OtherCache(*shape, cache.kind)


class RankUnit(Controller):
    """One rank: instructions on their way to it, its cache, and its own DRAM controller."""

    def __init__(self, system, settings, rank: int) -> None:
        memory, cache = system.memory, system.cache.rank
        rules = Rules(
            page_policy=memory.page_policy,
            row_hit_cap=memory.row_hit_cap,
            merge_reads=memory.merge_reads,
            hold_slots=True,
        )
        device, window = Device(system.spec, 1), settings.reorder_window
        super().__init__(device, memory.policy, memory.refresh, window, 1, rules)
        self.cache = cache_of(cache)
        self.decoding = settings.rank_cache_cycles if cache else 0
        self.coming: deque[tuple[int, Instruction]] = deque()
        self.missing: deque[list[Burst]] = deque()  # of each instruction that needs DRAM
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
            if missing := [burst for burst in instruction.bursts if burst.source is None]:
                self.missing.append(missing)

    def offer(self, clock: int) -> None:
        """Ask the controller for what the oldest instruction lacks, at most one instruction a clock."""
        if self.missing and self.missing[0][0].decoded <= clock:
            bursts = self.missing[0]
            more = tuple(burst.request.column for burst in bursts[1:])
            if self.accept(bursts[0].request._replace(more=more), clock):
                self.missing.popleft()
                for burst in bursts:
                    burst.accepted = len(self.result.arrive) - 1

    def ready(self, burst: Burst) -> int | None:
        """Clock at which the adder has the burst; None while its request waits for a RD.

        The adder gets what one request reads all at once, and so do hits on a line of it.
        """
        if burst.source is not None:
            fetched = self.ready(burst.source)
            return None if fetched is None else max(burst.decoded, fetched)
        if burst.accepted < 0 or self.result.depart[burst.accepted] < 0:
            return None
        return self.result.depart[burst.accepted]
