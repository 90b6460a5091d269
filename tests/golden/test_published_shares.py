"""Published shares of operators are those of the recorded figure: layers are all that computes beside SLS.

Needs a folder of recorded statistics named by RECNMP_GOLDEN_SYSTEMS, with
``deeprecsys_operator_breakdown_pct.csv``, read off the drawing in DeepRecSys' repository.
"""

import csv
import os
from collections import defaultdict
from pathlib import Path

import pytest

from recnmp.library.published import load_published

FOLDER = os.environ.get("RECNMP_GOLDEN_SYSTEMS", "")
NAMES = {"wnd": "wide-deep", "mtwnd": "mt-wnd"}

pytestmark = pytest.mark.external("RECNMP_GOLDEN_SYSTEMS")


@pytest.mark.parametrize("name", ["hpca20-breakdown", "iiswc20-breakdown"])
def test_published_shares_are_the_recorded_ones(name):
    shares: dict[str, dict[str, float]] = defaultdict(dict)
    with (Path(FOLDER) / "deeprecsys_operator_breakdown_pct.csv").open() as file:
        for row in csv.DictReader(file):
            if row["device"] == "cpu":
                key = f"{NAMES.get(row['model'], row['model'])}-{row['batch']}"
                shares[key][row["op"]] = float(row["pct_of_listed_ops"]) / 100
    compared = 0
    for value in load_published(name).values:
        of_batch, _, kind = value.id.rpartition("-")
        if of_batch in shares and kind in ("sls", "layers"):
            sls, concat = (shares[of_batch][op] for op in ("SparseLengthsSum", "Concat"))
            kept_out = 0.0 if of_batch.startswith("din-") else concat
            expected = sls if kind == "sls" else sum(shares[of_batch].values()) - sls - kept_out
            assert value.value == pytest.approx(expected, abs=1e-4), value.id
            compared += 1
    assert compared == {"hpca20-breakdown": 24, "iiswc20-breakdown": 64}[name]
