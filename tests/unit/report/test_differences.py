"""What a repeated run must give again."""

import copy

from recnmp.report.differences import differences


def test_values_that_change_or_vanish_are_told_one_by_one(document):
    document["energy"] = {}
    again = copy.deepcopy(document)
    assert differences(document, again) == []
    again["memory"]["host"]["row_hits"] += 1
    again["memory"]["nmp"].pop("cycles")
    again["provenance"]["trace_digest"] = "other"
    again["mlp"]["total_ns"] = 1.0  # measured anew
    assert differences(document, again) == [
        "provenance.trace_digest was None, is other",
        "memory.host.row_hits was 819812, is 819813",
        "memory.nmp.cycles was 14696286, is absent",
    ]


def test_a_result_of_an_earlier_version_is_compared_in_what_it_knew(document):
    document["energy"] = {}
    again = copy.deepcopy(document)
    for side in ("host", "nmp"):
        document["memory"][side].pop("over_time")
    assert differences(document, again) == []
    document["memory"]["host"]["rank_loads"]["lookups"][1][0] = 2
    assert differences(document, again) == ["memory.host.rank_loads.lookups[1][0] was 2, is 220"]
