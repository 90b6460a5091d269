"""The accumulator of an AxDIMM rank: arrays only."""

from recnmp._accel import jit


@jit
def accumulate(arrived, slot, latency, last, at):
    """Add bursts into their slots in order of arrival, one a clock; return the clock at which the last sum stands.

    ``arrived`` (n,) rises; ``slot`` (n,) is the psum slot of each burst. A burst waits until the sum before it in
    its slot, ``latency`` clocks old, is there, and so does what arrives behind it. ``last`` has the clock from
    which each slot takes another burst, at 0 or before any arrival; ``at`` (n,) receives the clock of each add.
    """
    now = 0
    for i in range(len(arrived)):
        now = max(now + 1, arrived[i], last[slot[i]])
        at[i] = now
        last[slot[i]] = now + latency
    return now + latency
