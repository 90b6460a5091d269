"""What docs/search.md says of the search that ships."""

from functools import reduce
from pathlib import Path

import pytest
from reference.traffic import JITTED

from recnmp.config import load_config_dict
from recnmp.search.request import make_request
from recnmp.simulate import simulate

ROOT = Path(__file__).parents[3]
PAGE = " ".join((ROOT / "docs" / "search.md").read_text().split())


def request():
    return make_request(
        ROOT / "configs" / "search-rank.yaml", ["search.sampler=grid", "search.together=null"]
    )


def test_the_number_of_designs_is_that_of_the_space():
    found = request()
    designs = sum(1 for _ in found.space.every())
    assert f"All {designs:,} designs of `search-rank`" in PAGE
    assert f"{designs:,} designs" in (ROOT / "configs" / "search-rank.yaml").read_text()


@pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")
def test_the_design_that_is_told_beats_the_configuration_in_all_objectives():
    found = request()
    wanted = {
        "memory.dimms_per_channel": 2,
        "memory.ranks_per_dimm": 4,
        "cache.rank": {"size_bytes": "32 KiB"},
        "nmp.options.locality": "profiled",
        "nmp.options.scheduling": "table_aware",
        "nmp.options.poolings_per_packet": 8,
        "nmp.options.reorder_window": 64,
    }
    points = found.space.every()
    design = next(point for point in points if {one.option: one.value for one in point} == wanted)
    point, error = found.point(design)
    assert error is None
    better, own = (simulate(load_config_dict(one.config)).to_dict() for one in (point, found.baseline))
    for section, name, digits in (
        (("sls",), "nmp_ns_per_lookup", 3),
        (("energy", "idd", "nmp"), "total_nj_per_lookup", 2),
        (("energy", "units"), "area_scaled_mm2_all_units", 2),
    ):
        mine, other = (reduce(dict.get, section, one)[name] for one in (better, own))
        assert mine < other
        assert f"{mine:.{digits}f} instead of {other:.{digits}f}" in PAGE
