"""How a DRAM controller works: its policy and what it may do besides.

Policies are Ramulator 2.1's: ``frfcfs`` takes the oldest request whose next command is legal, and serves a
request whose row was opened for it before everything else; ``frfcfs_rowhit`` also keeps a row open while an
older request hits it. Requests enter in order, one per clock, and wait outside while their queue is full; one
for the address of a queued write is answered by it (a read a clock later), with room in its own queue or not.

Ours, and off by default:

* Page policy ``closed``: a clock on which nothing else can be issued and no refresh waits closes an open row
  (PRE, the first such bank in order of lanes) that no queued request can use: none that hits it waits in the
  read or the write queue, and the request it was opened for was served. Ramulator 2.1's ``ClosedCAP`` differs:
  it closes a row after some column commands, whoever waits for it, ahead of all queued requests.
* Row-hit cap N: after N column commands since its ACT a row loses its privileges. A queued hit then waits
  behind an older request of its queue for another row of the bank (and such a hit keeps no page open), and with
  ``frfcfs_rowhit`` an older hit no longer keeps the row open. The request it was opened for is always served.
* Reads merged: a read of a burst whose RD another read still waits for ends with that one, with room in the
  queue or not. Hot rows then show more bandwidth than the DRAM moves: compare the RD count.
* Refresh ``same_bank`` (standards with REFsb, such as DDR5 in fine granularity mode): the banks of one number in
  every bank group are a set, and a rank's sets are refreshed in turn, one every nREFI2 / banks of a group, ranks
  spread over that interval as for ``staggered``. A rank that is due joins the refresh FIFO, or, where it still
  waits in it, once more when its REFsb was issued. From then on the banks of its set start nothing new; only a
  request whose row was opened for it is still served. The rank at the head closes its set as a whole (PREsb),
  when no such request is left and every bank may be closed, then refreshes it (REFsb), and each of the two goes
  before requests that are ready in the same clock; no ACT of the rank is issued that would delay REFsb (ACTs of
  other banks could do so for ever where nRRD_S is short). All other banks are served meanwhile. Not modelled:
  postponed or early refreshes.
* Writes not forwarded: a read of a queued write goes to the DRAM like any other, so only its time means
  something. Writes of a queued write are absorbed all the same.
"""

from dataclasses import dataclass

from recnmp.errors import ConfigError
from recnmp.library.dram import COMMANDS, SAME_BANK, DramSpec

POLICIES = ("frfcfs", "frfcfs_rowhit")
PAGE_POLICIES = ("open", "closed")
REFRESHES = ("off", "simultaneous", "staggered")
"""What every standard can do."""
ALL_REFRESHES = (*REFRESHES, SAME_BANK)


@dataclass(frozen=True)
class ControllerOptions:
    """How a controller works, the same for all of a run.

    Attributes:
        ranks: ranks behind its command bus, R.
        policy: one of ``POLICIES``.
        refresh: one of ``ALL_REFRESHES``; simultaneous: all ranks fall due together every nREFI.
        read_queue: reads it can hold; a request leaves the queue when its row is opened for it.
        write_queue: writes it can hold; it turns to writes above 0.8 and back below 0.2 of it.
        page_policy: one of ``PAGE_POLICIES``; closed: rows that no queued request can use are closed.
        row_hit_cap: column commands after which a row no longer stays open for hits; None: no cap.
        forward_writes: queued writes answer reads of the same burst.
        merge_reads: waiting reads answer reads of the same burst, which inflates bandwidth where rows are hot.
        hold_slots: a request keeps its place in the queue until its RD or WR is issued, not just until its ACT.

    Raises ConfigError for a policy or refresh that does not exist, and for fewer than one rank, queue entry or
    row hit.
    """

    ranks: int
    policy: str = "frfcfs"
    refresh: str = "simultaneous"
    read_queue: int = 32
    write_queue: int = 32
    page_policy: str = "open"
    row_hit_cap: int | None = None
    forward_writes: bool = True
    merge_reads: bool = False
    hold_slots: bool = False

    def __post_init__(self) -> None:
        if self.policy not in POLICIES or self.refresh not in ALL_REFRESHES:
            raise ConfigError(
                f"policy {self.policy!r} and refresh {self.refresh!r}: "
                f"allowed are {POLICIES} and {ALL_REFRESHES}"
            )
        if self.page_policy not in PAGE_POLICIES:
            raise ConfigError(f"page policy {self.page_policy!r} is not one of {', '.join(PAGE_POLICIES)}")
        for name in ("ranks", "read_queue", "write_queue", "row_hit_cap"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"a controller's {name} is {value}; it must be 1 or more")

    def check_refresh(self, spec: DramSpec) -> None:
        """Raise ConfigError when a standard lacks the refresh, or it leaves no clock for an ACT to serve requests.

        A rank takes no ACT for some clocks after its REF (nRFC), or REFsb of other banks (nREFSBRD), no rank while
        a REF waits for the command bus.
        """
        spec.check_refresh(self.refresh)
        if self.refresh == "off":
            return
        sets = self.refresh == SAME_BANK
        refresh, act = COMMANDS.index("REFsb" if sets else "REF"), COMMANDS.index("ACT")
        bus, blocked = int(spec.bus_cycles[refresh]), int(spec.gaps[refresh, act, 2 if sets else 0])
        together = self.ranks if self.refresh == "simultaneous" else 1
        taken = max(self.ranks * bus, together * bus + blocked)
        interval = spec.same_bank_interval if sets else spec.cycles["nREFI"]
        if interval <= taken:
            raise ConfigError(
                f"{spec.name}: refresh of {self.ranks} rank{'s' * (self.ranks > 1)} takes {taken} clocks, and is "
                f"due every {interval} ({'a part of nREFI2' if sets else 'nREFI'}): no request would ever be served"
            )
