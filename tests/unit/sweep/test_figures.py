"""A result document as one row."""

from recnmp.sweep.figures import figures


def test_what_is_told_rank_by_rank_or_step_by_step_makes_no_columns():
    host = {
        "cycles": 10,
        "rank_loads": {"lookups": [[1, 2]], "bursts_read": [[2, 4]]},
        "over_time": {"step_cycles": 2, "step_ns": 1.6, "data_bytes": [64, 0], "peak_gb_per_s": 19.2},
    }
    assert figures({"sls": {"host_ns": 3.5}, "memory": {"host": host}}) == {
        "sls.host_ns": 3.5,
        "memory.host.cycles": 10,
    }
