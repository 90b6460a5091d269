"""Requests: what DRAM controllers are asked to read and write, one burst each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recnmp.errors import RecnmpError


@dataclass(frozen=True)
class Requests:
    """Bursts for U controllers in the order each is offered them, L in all.

    Attributes:
        start: controller u owns requests ``start[u] : start[u + 1]``, shape (U + 1,).
        arrive: clock from which a request may be offered, shape (L,), not decreasing within a controller.
        lane: bank within the controller, ``(rank * bank_groups + bank_group) * banks_per_group + bank``, (L,).
        row: DRAM row, shape (L,).
        column: burst within the row, shape (L,).
        write: 1 for a write, shape (L,).
        group: what a request's completion counts for (a batch, a packet), shape (L,), in ``range(groups)``.
        groups: groups, G.

    Raises RecnmpError for arrays that do not fit together or hold values outside these ranges.
    """

    start: NDArray[np.int64]
    arrive: NDArray[np.int64]
    lane: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    write: NDArray[np.uint8]
    group: NDArray[np.int32]
    groups: int

    def __post_init__(self) -> None:
        """Check what the engine, which does not look, relies on."""
        n = int(self.start[-1])
        for name in ("arrive", "lane", "row", "column", "write", "group"):
            if len(getattr(self, name)) != n:
                raise RecnmpError(f"requests: {name} has {len(getattr(self, name))} values for {n} requests")
        if self.start[0] != 0 or (np.diff(self.start) < 0).any():
            raise RecnmpError("requests: start must begin at 0 and not decrease")
        limits = {"write": 2, "group": self.groups}
        for name in ("lane", "row", "column", "write", "group"):
            values, limit = getattr(self, name), limits.get(name, 2**31)
            if n and not (values.min() >= 0 and values.max() < limit):
                raise RecnmpError(f"requests: {name} must be 0 to {limit - 1}")
        earlier = np.diff(self.arrive) < 0
        earlier[self.start[(self.start > 0) & (self.start < n)] - 1] = False  # another controller's request
        if earlier.any():
            raise RecnmpError(f"requests: request {earlier.argmax() + 1} arrives before the one ahead of it")

    def __len__(self) -> int:
        return len(self.lane)

    @property
    def controllers(self) -> int:
        """Controllers, U."""
        return len(self.start) - 1

    @property
    def per_group(self) -> NDArray[np.int64]:
        """Requests of each group at each controller, shape (U, G)."""
        if self.groups == 1:
            return np.diff(self.start)[:, None]
        counts = np.zeros((self.controllers, self.groups), np.int64)
        for u in range(self.controllers):
            counts[u] = np.bincount(self.group[self.start[u] : self.start[u + 1]], minlength=self.groups)
        return counts
