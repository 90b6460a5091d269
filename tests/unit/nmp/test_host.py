import pytest
from builders import placed_on, system_of, trace_of

from recnmp.nmp import host, recnmp

HOT = trace_of([(64, 16)], [(0, [[3] * 40, [3, 5] * 20])])
"""Eighty lookups of two entries of one burst each."""


@pytest.mark.parametrize("side", [host, recnmp])
def test_reads_of_one_burst_are_merged_only_when_asked_for_and_counted_apart(side):
    runs = {}
    for merge in (False, True):
        system = system_of(refresh="off", merge_reads=merge)
        runs[merge] = side.run(HOT, placed_on(system, HOT), system, side.Options())
    plain, merged = (runs[merge].memory for merge in (False, True))
    assert (plain["merged"], plain["commands"]["RD"]) == (0, 80)
    assert merged["merged"] + merged["commands"]["RD"] == merged["requests"] == 80
    assert merged["merged"] > 0
    assert runs[True].ns < runs[False].ns


def test_every_policy_of_the_memory_section_reaches_the_controllers():
    asked = {
        "policy": "frfcfs_rowhit", "page_policy": "closed", "row_hit_cap": 3, "refresh": "off",
        "merge_reads": True,
    }  # fmt: skip
    options = system_of(**asked).controller(ranks=4, read_queue=7)
    assert {name: getattr(options, name) for name in asked} == asked
    assert (options.ranks, options.read_queue) == (4, 7)
