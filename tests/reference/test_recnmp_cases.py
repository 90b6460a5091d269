"""The cases of RecNMP's twin reach what they are made for."""

from collections import Counter

from reference.recnmp_cases import CASES, case_of, choice
from reference.recnmp_packets import Settings
from reference.recnmp_tick import run

MANY = [number for number in range(CASES) if choice(number)["partial_hits"] == "many"]


def lookups_of(number):
    """Count a case's lookups by what the cache lacks: nothing, all, a stretch, or columns with gaps between."""
    case, found = case_of(number), Counter()
    channels = run(case.trace, case.placed, case.system, Settings(**case.options), case.order, case.locality)
    instructions = [i for channel in channels for packet in channel.packets for i in packet.instructions]
    for instruction in instructions:
        missing = [n for n, burst in enumerate(instruction.bursts) if burst.source is None]
        if len(missing) in (0, len(instruction.bursts)):
            found["all" if missing else "nothing"] += 1
        else:
            found["stretch" if missing[-1] - missing[0] < len(missing) else "gaps"] += 1
    return found


def test_vectors_are_hit_in_part_with_and_without_gaps():
    found = sum(map(lookups_of, MANY), Counter())
    assert found["stretch"] > 100
    assert found["gaps"] > 10
    assert min(found["all"], found["nothing"]) > 1000
