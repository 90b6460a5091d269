"""The rank units' own work: instructions in, DRAM reads under the rank's timing, sums out.

Every rank unit drives an ordinary FR-FCFS controller of its rank and hands it an instruction a clock as long as
its queue has room. Bursts are added to their psum slots as they come back.
"""

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.memory import _kernels as engine
from recnmp.memory.commands import Commands
from recnmp.memory.replay import Timeline, make_controllers, make_log, make_rules, make_work, timeline
from recnmp.memory.requests import Requests
from recnmp.nmp.axdimm import _kernels as kernel
from recnmp.nmp.axdimm.executions import Executions
from recnmp.nmp.base import System
from recnmp.placement.place import PlacedLookups


class RankUnits:
    """All rank units of the system; ``run`` lets one of them do an execution.

    Attributes:
        stalled: clocks by which accumulators were behind their DRAM's last burst, summed over executions.
    """

    def __init__(
        self,
        executions: Executions,
        placed: PlacedLookups,
        system: System,
        *,
        read_queue: int,
        clocks_per_instruction: int,
        adder_cycles: int,
    ) -> None:
        self._each, self._adder, self.stalled = executions, adder_cycles, 0
        self._pace = clocks_per_instruction
        units = system.memory.channels * system.ranks_per_channel
        controller = system.controller(1, read_queue)
        self._rules = make_rules(system.spec, controller, has_writes=False)
        requests, self._slot = _requests(executions, placed, units)
        self._controllers = make_controllers(
            self._rules, controller.refresh, requests.start, turns=system.ranks_per_channel
        )
        self._work = make_work(requests)
        self._work.served[:] = 0  # nobody's until it is run
        self._start = np.concatenate([[0], np.cumsum(executions.instructions * executions.bursts)])
        room = 4096 if system.memory.audit else 0
        self._logs = [make_log(room) for _ in range(units)]
        self._spec = system.spec

    def run(self, unit: int, execution: int, begin: int) -> int:
        """Run an execution whose trigger arrives at clock ``begin``; return the clock at which its sums stand.

        A unit's executions must begin one after the other's end.
        """
        each, work = self._each, self._work
        first, end = int(self._start[execution]), int(self._start[execution + 1])
        arrive = begin + np.arange(each.instructions[execution]) * self._pace
        work.arrive[first:end] = np.repeat(arrive, each.bursts[execution])
        work.served[unit, engine.REMAINING, execution] = end - first
        self._controllers.scalar[unit, engine.NEXT] = first
        while True:
            log = self._logs[unit]
            code = engine.advance(self._rules, self._controllers, work, log, unit, end, execution)
            if code != engine.NO_SPACE:
                break
            self._logs[unit] = np.concatenate([log, make_log(len(log))])
        if code != engine.DONE:
            raise RecnmpError("a rank unit stopped before its last request; please report this configuration")
        return self._accumulate(first, end)

    def _accumulate(self, first: int, end: int) -> int:
        depart = self._work.depart[first:end]
        order = np.argsort(depart, kind="stable")
        arrived, slot = depart[order], self._slot[first:end][order]
        last, at = np.zeros(int(slot.max()) + 1, np.int64), np.zeros(len(arrived), np.int64)
        done = int(kernel.accumulate(arrived, slot, self._adder, last, at))
        self.stalled += done - self._adder - int(arrived[-1])
        return done

    def timeline(self) -> Timeline:
        """Return what the ranks' DRAM did."""
        return timeline(self._controllers, self._work)

    def commands(self) -> tuple[Commands, ...]:
        """Return the recorded commands of each rank; none unless the run is audited."""
        logged = self._controllers.scalar[:, engine.LOGGED]
        return tuple(
            Commands.of_log(log[:n], self._spec)
            for log, n in zip(self._logs, logged, strict=True)
            if len(log)
        )


def _requests(each: Executions, placed: PlacedLookups, units: int) -> tuple[Requests, NDArray[np.int64]]:
    """Return the bursts of all executions in the order of issue and the psum slot each adds to, shape (N,).

    Which rank reads them is not known yet: all are the first controller's, until ``run`` gives them to another.
    """
    n_bursts = np.repeat(each.bursts, each.instructions)
    of_instruction = np.repeat(np.arange(len(each.lookup)), n_bursts)
    part = np.arange(len(of_instruction)) - np.repeat(np.cumsum(n_bursts) - n_bursts, n_bursts)
    burst = placed.first[each.lookup[of_instruction]] + part
    execution = np.repeat(np.arange(len(each)), each.instructions * each.bursts)
    start = np.full(units + 1, len(burst))
    start[0] = 0
    requests = Requests(
        start,
        np.zeros(len(burst), np.int64),  # running it sets it
        placed.flat_bank[burst],
        placed.row[burst],
        placed.column[burst],
        np.zeros(len(burst), np.uint8),
        execution.astype(np.int32),
        len(each),
    )
    return requests, each.slots[of_instruction] + part
