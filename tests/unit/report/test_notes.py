"""What is not as usual in a run is told below its table."""

import pytest

from recnmp.report.notes import footnotes


def told(**config: object) -> str:
    return " ".join(" ".join(footnotes({"config": config}, 200)).split())


@pytest.mark.parametrize(
    ("arrival", "expected"),
    [
        ({"order": "batched", "tables": "shared"}, "arrival 4 threads with one model, batch after batch"),
        ({"order": "round_robin", "tables": "shared"}, "arrival 4 threads with one model, in turn"),
        (
            {"order": "random", "tables": "separate"},
            "arrival 4 threads with a model each, in random turns (seed 7)",
        ),
    ],
)
def test_what_runs_at_the_same_time_is_told(arrival, expected):
    assert told(arrival={"threads": 4, "seed": 7, **arrival}) == expected


def test_one_thread_and_plain_packets_are_nothing_to_tell():
    arrival = {"threads": 1, "order": "batched", "tables": "shared", "seed": 1}
    plain = {"scheduling": "arrival", "locality": "all", "locality_threshold": None, "delivery": "compressed"}
    assert told(arrival=arrival, nmp={"options": plain}) == ""
    assert told(nmp={"options": {}}) == ""  # of another architecture


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"scheduling": "table_aware"}, "table-aware scheduling"),
        ({"locality": "profiled"}, "hot entries profiled"),
        (
            {"locality": "threshold", "locality_threshold": 3},
            "RankCache for entries read 3 times in a batch, or more",
        ),
        ({"delivery": "ddr_commands"}, "delivered as DDR commands"),
        (
            {"scheduling": "table_aware", "locality": "profiled"},
            "table-aware scheduling, hot entries profiled",
        ),
    ],
)
def test_what_is_done_with_packets_is_told(options, expected):
    assert told(nmp={"options": options}) == f"near memory {expected}"
