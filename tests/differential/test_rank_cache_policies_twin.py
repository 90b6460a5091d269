"""RecNMP with RankCaches of every policy that hardware may have, against its twin, which asks the policies' twins."""

from dataclasses import replace

import numpy as np
import pytest
from reference import recnmp_tick
from reference.recnmp_cases import case_of
from reference.recnmp_packets import Settings

from recnmp.cache.policy import hardware_policies
from recnmp.nmp import recnmp
from recnmp.nmp.instructions import instructions_of, send
from recnmp.nmp.packet import packet_of_bags

POLICIES = sorted({*hardware_policies()} - {"random_replacement"})  # its twin would have to know its draws
CACHED = (6, 7, 29)  # that hit much, and not alike under all policies


def with_policy(number, kind):
    """The case, with a cache so small that policies differ."""
    case = case_of(number)
    cache = case.system.cache.rank.model_copy(update={"kind": kind, "size_bytes": 4 * 2 * 64, "ways": 4})
    caches = case.system.cache.model_copy(update={"rank": cache})
    return replace(case, system=replace(case.system, cache=caches))


@pytest.mark.parametrize("number", CACHED)
@pytest.mark.parametrize("kind", POLICIES)
def test_a_channel_with_any_policy_is_that_of_the_twin(kind, number):
    case = with_policy(number, kind)
    trace, placed, system = case.trace, case.placed, case.system
    options = recnmp.Options(**case.options)
    bag_packet, _ = packet_of_bags(trace, options.poolings_per_packet)
    sent = send(trace, placed, system, bag_packet, case.order, case.locality)
    ours = recnmp.run_channels(trace, sent, placed, system, options)
    twin = recnmp_tick.run(trace, placed, system, Settings(**case.options), case.order, case.locality)
    compressed = options.delivery != "ddr_commands"
    for c, (mine, theirs) in enumerate(zip(ours, twin, strict=True)):
        carried = instructions_of(c, sent, placed, system, as_ddr_commands=not compressed)
        assert int((carried.filled_by >= 0).sum()) == len(theirs.hits)
        assert mine.cycles == theirs.finish
        outcomes = np.sum(theirs.outcomes, axis=0).tolist()
        assert [mine.timeline.counts[f"row_{name}"] for name in ("hits", "misses", "conflicts")] == outcomes


def test_the_cases_hit_and_policies_differ():
    hits = {
        kind: [
            len(c.hits)
            for c in recnmp_tick.run(
                case.trace, case.placed, case.system, Settings(**case.options), case.order, case.locality
            )
        ]
        for kind in ("fifo", "sieve", "lru")
        for case in [with_policy(CACHED[0], kind)]
    }
    assert all(sum(found) for found in hits.values())
    assert len({tuple(found) for found in hits.values()}) > 1
