"""What the host writes, and its execution on real vectors for the functional check."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.nmp.axdimm.executions import Executions
from recnmp.nmp.axdimm.instruction import BEATS, FP32_SUM, decode, vector_bytes
from recnmp.nmp.base import System
from recnmp.nmp.functional import Memory
from recnmp.placement.place import PlacedLookups
from recnmp.trace.pooling import Pooled
from recnmp.trace.trace import Trace
from recnmp.units import BURST_BYTES


@dataclass(frozen=True)
class Program:
    """The traces of a run: E header words, L instruction words.

    Attributes:
        headers: header word of each execution, shape (E,).
        words: instruction words in the order of issue, shape (L,).
        unit: rank that ran each execution, over all channels, shape (E,).
        executions: where each begins, and which bag each psum slot belongs to.
        read: where every lookup was read, in the rank that ran it.
    """

    headers: NDArray[np.uint64]
    words: NDArray[np.uint64]
    unit: NDArray[np.int64]
    executions: Executions
    read: PlacedLookups

    def pooled(self, trace: Trace, system: System) -> Iterator[Pooled]:
        """Execute the words on real vectors and yield every call's sums, as the host reads them from the slots.

        Raises RecnmpError for an instruction that is no sum, reads what is no entry, or adds into a slot that
        nobody reads.
        """
        memory, calls = Memory(trace, self.read, system), trace.calls
        sums = np.zeros((trace.bags, max(t.dim for t in trace.tables)), np.float32)
        for e in range(len(self.executions)):
            bags, vectors = self._execute(e, memory, system)
            sums[bags, : vectors.shape[1]] = vectors
        ends = np.cumsum(calls.bags)
        for n, table in enumerate(calls.table):
            yield n, sums[ends[n] - calls.bags[n] : ends[n], : trace.tables[table].dim]

    def _execute(
        self, e: int, memory: Memory, system: System
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the bags of an execution and what their slots hold at its end."""
        each, org = self.executions, system.spec.organization
        fields = decode(self.words[each.start[e] : each.start[e + 1]])
        n_bytes = vector_bytes(int(self.headers[e]))
        if np.any(fields["opcode"] != FP32_SUM) or np.any(fields["column"] % BEATS):
            raise RecnmpError(f"functional check: execution {e} has an instruction that is no sum of bursts")
        if np.any(fields["trace_end"] != (np.arange(len(fields["row"])) == len(fields["row"]) - 1)):
            raise RecnmpError(f"functional check: execution {e} does not end with its last instruction")
        channel, rank = divmod(int(self.unit[e]), system.ranks_per_channel)
        bank = fields["bank_group"] * org.banks_per_group.value + fields["bank"]
        bank += rank * system.spec.banks_per_rank
        burst = (bank * org.rows.value + fields["row"]) * org.bursts_per_row.value + fields["column"] // BEATS
        vectors = memory.read(np.full(len(burst), channel), burst, np.zeros_like(burst), n_bytes).view("<f4")
        bags = each.bag[each.first_bag[e] : each.first_bag[e + 1]]
        psum, misplaced = np.divmod(fields["output"], n_bytes // BURST_BYTES)
        if misplaced.any() or psum.max() >= len(bags):
            raise RecnmpError(f"functional check: execution {e} adds into a slot that is no bag's")
        sums = np.zeros((len(bags), vectors.shape[1]), np.float32)
        np.add.at(sums, psum, vectors)
        return bags, sums
