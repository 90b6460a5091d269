"""A slow twin of AxDIMM: every clock one by one, plain objects.

On every clock, in this order: ranks issue a command, adders take a burst; host threads whose access has ended do
their next step, units in order; new accesses queue at their channel's bus; the bus starts the one that asked first
when its data can flow; ranks take a burst that has been asked of them.
"""

from collections import deque
from dataclasses import dataclass, field
from math import ceil

from reference.dram_ranks import Device
from reference.frfcfs_tick import Controller, Request, Rules


@dataclass(eq=False)
class Execution:
    """Instructions for one trace in an instruction buffer; ``bags`` by psum, in the order of slots."""

    batch: int
    home: int
    bursts: int
    calls: list[tuple[int, list[list[int]]]] = field(
        default_factory=list
    )  # call, lookups of each of its bags
    bags: list[int] = field(default_factory=list)
    served: list[int] = field(default_factory=list)
    unit: int = -1

    @property
    def instructions(self) -> int:
        return sum(len(bag) for _, bags in self.calls for bag in bags)

    def in_order(self, column_wise: bool) -> list[tuple[int, int]]:
        """Lookups in the order of issue, each with its first psum slot."""
        issued, slot = [], 0
        for _, bags in self.calls:
            slots = [(slot + n) * self.bursts for n in range(len(bags))]
            slot += len(bags)
            pairs = [[(lookup, at) for lookup in bag] for bag, at in zip(bags, slots, strict=True)]
            if column_wise:
                longest = max(len(bag) for bag in bags)
                pairs = [[bag[k] for bag in pairs if k < len(bag)] for k in range(longest)]
            issued += [pair for some in pairs for pair in some]
        return issued


def executions_of(trace, home, options) -> list[Execution]:
    """Fill executions bag by bag until the next one would overflow a buffer."""
    lookups: dict[int, list[int]] = {}
    for lookup, bag in enumerate(trace.bag.tolist()):
        lookups.setdefault(bag - int(trace.calls.first_bag[0]), []).append(lookup)
    batches = sorted(set(trace.calls.batch.tolist()))
    bags = []
    number = 0
    for call, (count, batch) in enumerate(zip(trace.calls.bags, trace.calls.batch, strict=True)):
        for _ in range(count):
            if number in lookups:
                mine = lookups[number]
                bags.append((batches.index(batch), int(home[mine[0]]), number, call, mine))
            number += 1
    made: list[Execution] = []
    for batch, rank, bag, call, mine in sorted(bags):
        bursts = trace.tables[trace.calls.table[call]].entry_bytes // 64
        now = made[-1] if made else None
        if (
            now is None
            or (now.batch, now.home, now.bursts) != (batch, rank, bursts)
            or now.instructions + len(mine) + 1 > options.instruction_buffer_words
            or (len(now.bags) + 1) * bursts > options.psum_slots
        ):
            now = Execution(batch, rank, bursts)
            made.append(now)
        if not now.calls or now.calls[-1][0] != call:
            now.calls.append((call, []))
        now.calls[-1][1].append(mine)
        now.bags.append(bag)
    return made


class RankController(Controller):
    """One rank's own controller and the bursts that its instructions ask for, in order."""

    def __init__(self, system, read_queue: int, rank: int) -> None:
        memory = system.memory
        rules = Rules(
            page_policy=memory.page_policy, row_hit_cap=memory.row_hit_cap, merge_reads=memory.merge_reads
        )
        super().__init__(Device(system.spec, 1), memory.policy, memory.refresh, read_queue, 1, rules)
        self.offered: deque[tuple[int, Request, Execution]] = deque()
        interval = system.spec.cycles["nREFI"]
        staggered = memory.refresh == "staggered"
        self.first_refresh = (rank + 1) * (interval // system.ranks_per_channel) if staggered else interval

    def request_refresh(self, cycle: int) -> None:
        """Every nREFI; a channel's ranks all together, or spread evenly over the interval."""
        since = cycle - self.first_refresh
        if self.refresh != "off" and since >= 0 and since % self.device.spec.cycles["nREFI"] == 0:
            self.refreshes.append(0)

    def offer(self, clock: int) -> None:
        """Take the oldest burst that was asked for by now, at most one a clock."""
        if self.offered and self.offered[0][0] <= clock:
            _, request, execution = self.offered[0]
            if self.accept(request, clock):
                self.offered.popleft()
                execution.served.append(len(self.result.arrive) - 1)


class Unit:
    """One rank: its controller, its adder, and the execution it is at."""

    def __init__(self, system, options, rank: int) -> None:
        self.decoder = RankController(system, options.read_queue, rank)
        self.options = options
        self.execution: Execution | None = None
        self.waiting: list[int] = []  # slots of bursts in the order of issue
        self.added = 0
        self.free: dict[int, int] = {}
        self.last_add, self.done, self.stalled = 0, 0, 0

    def trigger(self, execution: Execution, clock: int, placed, banks_per_group: int) -> None:
        """Hand an instruction a clock to the controller from now on."""
        self.execution, self.done = execution, -1
        self.waiting, self.free, self.added, self.last_add = [], {}, 0, 0
        for n, (lookup, slot) in enumerate(execution.in_order(self.options.issue == "column")):
            for k in range(execution.bursts):
                burst = int(placed.first[lookup]) + k
                bank, row, column = (int(of[burst]) for of in (placed.flat_bank, placed.row, placed.column))
                request = Request(0, 0, 0, *divmod(bank, banks_per_group), row, column)
                at = clock + n * self.options.clocks_per_instruction
                self.decoder.offered.append((at, request, execution))
                self.waiting.append(slot + k)

    def add(self, clock: int) -> None:
        """Add the burst that came first of those not added, if its slot's sum is there."""
        if self.execution is None:
            return
        depart = self.decoder.result.depart
        came = [(depart[number], n) for n, number in enumerate(self.execution.served) if depart[number] >= 0]
        came.sort()
        if self.added < len(came) and came[self.added][0] <= clock > self.last_add:
            slot = self.waiting[came[self.added][1]]
            if self.free.get(slot, 0) <= clock:
                self.free[slot] = clock + self.options.adder_cycles
                self.last_add = clock
                self.added += 1
        if self.added == len(self.waiting):
            self.done = self.last_add + self.options.adder_cycles
            self.stalled += self.last_add - came[-1][0]
            self.execution = None


@dataclass
class Access:
    """A use of the bus: what for, how many bursts, by which unit."""

    at: int
    unit: int
    what: str
    bursts: int
    sampled: int = -1
    end: int = -1


class Bus:
    """One channel's data bus: who asked first goes first."""

    def __init__(self, cycles) -> None:
        self.cycles = cycles
        self.asked: deque[Access] = deque()
        self.free, self.last = 0, None
        self.clocks = {"delivery": 0, "return": 0, "polling": 0}

    def tick(self, clock: int) -> None:
        """Start what was asked first when its latency and whatever is before it have passed."""
        if not self.asked:
            return
        access = self.asked[0]
        reads = access.what != "delivery"
        latency = self.cycles["nCL" if reads else "nCWL"]
        turns = self.last is not None and self.last != (access.unit, reads)
        gap = self.cycles["nRTRS"] if turns else 0
        if clock < access.at + latency or clock < self.free + gap:
            return
        access.sampled, access.end = clock - latency, clock + access.bursts * self.cycles["nBL"]
        self.clocks[access.what] += access.end - clock + (gap if clock == self.free + gap else 0)
        self.free, self.last = access.end, (access.unit, reads)
        self.asked.popleft()


class Thread:
    """The host's software for one unit: after each access the next step."""

    def __init__(self, machine: "Machine", unit: int, queue: deque[Execution]) -> None:
        self.machine, self.unit, self.queue = machine, unit, queue
        self.access: Access | None = None
        self.state, self.polls = "start", 0
        self.now: Execution | None = None
        self.written: Execution | None = None
        self.pending: Execution | None = None

    def ask(self, state: str, at: int, what: str, bursts: int) -> None:
        self.state, self.access = state, Access(at, self.unit, what, bursts)

    def write(self, clock: int) -> None:
        """Write enable and the next trace; without one go on to what follows."""
        execution = self.queue.popleft() if self.queue else None
        self.written = execution
        if execution is None:
            self.after_write(clock)
        else:
            words = 1 + execution.instructions
            self.ask("write", clock + self.machine.driver, "delivery", 1 + ceil(words / 8))

    def after_write(self, clock: int) -> None:
        if self.now is not None:  # it was written ahead
            self.poll(clock)
        elif self.written is not None:
            self.ask("exec", clock, "delivery", 1)
        elif self.pending is not None:
            words = self.machine.options.dummy_words
            self.ask("dummy", clock + self.machine.driver, "delivery", 1 + ceil(words / 8))
        else:
            self.state, self.access = "end", None

    def poll(self, clock: int) -> None:
        self.ask("poll", clock + self.machine.interval, "polling", 1)

    def read(self, state: str, clock: int) -> None:
        self.ask(state, clock, "return", len(self.pending.bags) * self.pending.bursts)

    def after_read(self, clock: int) -> None:
        if self.machine.options.instruction_buffers == 2:
            self.write(clock)
        else:
            self.poll(clock)

    def step(self, clock: int) -> None:
        """The access has ended: what is next?"""
        done, unit = self.access, self.machine.units[self.unit]
        if self.state == "start":
            self.write(clock)
        elif self.state == "write":
            self.after_write(clock)
        elif self.state == "exec":
            self.now, self.written = self.written, None
            self.now.unit = self.unit
            self.machine.trigger(self.unit, self.now, clock)
            if self.pending is not None:
                self.read("read", clock)
            else:
                self.after_read(clock)
        elif self.state == "read":
            self.pending = None
            self.after_read(clock)
        elif self.state == "poll":
            self.polls += 1
            if unit.done < 0 or done.sampled < unit.done:
                self.poll(clock)
                return
            self.pending, self.now = self.now, None
            if self.machine.options.instruction_buffers == 2:
                self.after_write(clock)
            else:
                self.write(clock)
        elif self.state == "dummy":
            self.ask("dummy exec", clock, "delivery", 1)
        elif self.state == "dummy exec":
            self.read("last read", clock)
        else:
            self.pending, self.state, self.access = None, "end", None


class Machine:
    """Units, buses and host threads."""

    def __init__(self, trace, local, home, system, options) -> None:
        self.system, self.options, self.local = system, options, local
        clock_ns = system.spec.tCK_ps.value / 1000
        self.driver = ceil(options.driver_ns / clock_ns)
        self.interval = ceil(options.poll_interval_ns / clock_ns)
        self.ranks = system.ranks_per_channel
        channels = system.memory.channels
        self.units = [Unit(system, options, n % self.ranks) for n in range(channels * self.ranks)]
        # refreshes are spread over a channel's ranks
        self.buses = [Bus(system.spec.cycles) for _ in range(channels)]
        self.executions = executions_of(trace, home, options)
        self.polls, self.finish = 0, 0

    def trigger(self, unit: int, execution: Execution, clock: int) -> None:
        banks_per_group = self.system.spec.organization.banks_per_group.value
        self.units[unit].trigger(execution, clock, self.local, banks_per_group)

    def threads(self, wanted: list[Execution]) -> list[Thread]:
        policy = self.options.policy
        shared = deque(wanted)
        queues = [
            deque(e for e in wanted if e.home == u) if policy == "distribute" else shared
            for u in range(len(self.units) if policy != "single" else 1)
        ]
        return [Thread(self, u, queue) for u, queue in enumerate(queues)]

    def run(self) -> "Machine":
        batches = sorted({e.batch for e in self.executions})
        groups = [[e for e in self.executions if e.batch == b] for b in batches]
        if self.options.close_stream == "trace":
            groups = [self.executions] if self.executions else []
        clock = 0
        threads: list[Thread] = []
        while True:
            for unit in self.units:
                unit.decoder.tick(clock)
                unit.add(clock)
            for thread in threads:
                if thread.access is not None and thread.access.end == clock:
                    thread.step(clock)
            if all(thread.state == "end" for thread in threads):
                self.polls += sum(thread.polls for thread in threads)
                if not groups:
                    self.finish = clock
                    return self
                threads = self.threads(groups.pop(0))
                for thread in threads:
                    thread.step(clock)
            for thread in threads:
                if thread.access is not None and thread.access.at == clock:
                    self.buses[thread.unit // self.ranks].asked.append(thread.access)
            for bus in self.buses:
                bus.tick(clock)
            for unit in self.units:
                unit.decoder.offer(clock)
            clock += 1
