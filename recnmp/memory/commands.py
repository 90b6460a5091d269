"""The DRAM commands of one channel: what the engine issues and the audit judges."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError
from recnmp.library.dram import COMMANDS, DramSpec


@dataclass(frozen=True)
class Commands:
    """Commands of one channel in issue order, one array per field, all of shape (C,); -1 = not applicable.

    ``cycle`` is the clock in which the command is on the bus, ``command`` an index into
    ``recnmp.library.dram.COMMANDS``, ``bank`` counts within its bank group, ``column`` counts bursts, and
    ``request`` is the number of the request served. REF and PREA name only their rank, REFsb and PREsb their
    rank and the bank, which is one in every bank group.

    Raises RecnmpError for arrays of unequal length or with a command that does not exist.
    """

    cycle: NDArray[np.int64]
    command: NDArray[np.int8]
    rank: NDArray[np.int64]
    bank_group: NDArray[np.int64]
    bank: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    request: NDArray[np.int64]

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = np.int8 if field.name == "command" else np.int64
            array = np.ascontiguousarray(getattr(self, field.name), kind)
            if array.shape != (len(self.cycle),):
                raise RecnmpError(f"commands: {field.name} has shape {array.shape}, not ({len(self.cycle)},)")
            object.__setattr__(self, field.name, array)
        if len(self) and not (self.command.min() >= 0 and self.command.max() < len(COMMANDS)):
            raise RecnmpError(f"commands: command must be 0 to {len(COMMANDS) - 1} ({', '.join(COMMANDS)})")

    @classmethod
    def of_log(cls, log: NDArray[np.int64], spec: DramSpec) -> "Commands":
        """Return a controller's log (C, 6), of cycle, command, lane, row, column and request, by bank."""
        cycle, command, lane, row, column, request = log.T
        groups, banks = spec.organization.bank_groups.value, spec.organization.banks_per_group.value
        of_rank = (command == COMMANDS.index("REF")) | (command == COMMANDS.index("PREA"))
        of_set = (command == COMMANDS.index("REFsb")) | (command == COMMANDS.index("PREsb"))
        return cls(
            cycle,
            command.astype(np.int8),
            lane // (groups * banks),
            np.where(of_rank | of_set, -1, lane // banks % groups),
            np.where(of_rank, -1, lane % banks),
            row,
            column,
            request,
        )

    def __len__(self) -> int:
        return len(self.cycle)

    def counts(self) -> dict[str, int]:
        """How often each command was issued, by name."""
        issued = np.bincount(self.command, minlength=len(COMMANDS))
        return {name: int(number) for name, number in zip(COMMANDS, issued, strict=True)}
