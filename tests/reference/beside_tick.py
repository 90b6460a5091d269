"""A slow twin of a channel whose host does other things besides: two streams into one controller, clock by clock.

Whatever of the other stream has arrived is offered first; a request of the run itself is offered on clocks on which
none of the others was taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from recnmp.library.dram import DramSpec
from reference.dram_ranks import Device
from reference.frfcfs_tick import Controller, Request, Rules, TickResult


@dataclass
class BesideResult:
    """What the channel did until the last request of the run had its RD.

    Attributes:
        result: of both streams together; requests are numbered as they were accepted.
        requests, others: those numbers of each stream; of the others only as many as were accepted.
    """

    result: TickResult
    requests: list[int]
    others: list[int]


def run_beside(
    spec: DramSpec,
    ranks: int,
    requests: Sequence[Request],
    others: Sequence[Request],
    *,
    policy: str,
    refresh: str,
    read_queue: int,
    write_queue: int,
    **rules: object,
) -> BesideResult:
    """Serve ``requests``, all reads, with ``others`` coming in; each stream is in order."""
    device = Device(spec, ranks)
    controller = Controller(device, policy, refresh, read_queue, write_queue, Rules(**rules))
    streams = {"others": list(others), "requests": list(requests)}
    taken: dict[str, list[int]] = {"others": [], "requests": []}
    cycle = 0
    while len(taken["requests"]) < len(requests) or any(
        controller.result.depart[number] < 0 for number in taken["requests"]
    ):
        for name, stream in streams.items():
            waits = stream and stream[0].arrive <= cycle
            if waits and controller.accept(stream[0], cycle):
                taken[name].append(len(controller.result.arrive) - 1)
                stream.pop(0)
                break
        cycle += 1
        controller.tick(cycle)
    return BesideResult(controller.result, taken["requests"], taken["others"])
