"""Generated lookups have the statistics that reference generators and Meta's production traces were seen to have.

Needs a folder of recorded statistics named by RECNMP_GOLDEN_SYSTEMS: ``recssd_locality_K.csv`` (RecSSD's script),
``fbgemm_zipf_requests.csv`` (FBGEMM's request generator) and ``meta_dlrm_datasets_locality.csv`` (Meta's own).
"""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from recnmp.trace.generate import load_spec, synthesise
from recnmp.trace.generate.draws import RequestDraws, recssd_profile
from recnmp.trace.generate.spec import RecSsd, Requests
from recnmp.trace.reuse.distance import lru_curve
from recnmp.trace.reuse.statistics import reuse_statistics
from recnmp.trace.storage import load_trace

FOLDER = os.environ.get("RECNMP_GOLDEN_SYSTEMS", "")
SHARES = {"0.01": 1e-4, "0.1": 1e-3, "1": 1e-2, "10": 1e-1}

pytestmark = pytest.mark.external("RECNMP_GOLDEN_SYSTEMS")


def rows_of(name: str) -> list[dict[str, str]]:
    path = Path(FOLDER) / name
    return list(csv.DictReader(path.read_text().splitlines())) if FOLDER and path.is_file() else []


def cases(name: str, *keys: str) -> list[object]:
    return [pytest.param(row, id="-".join(row[key] for key in keys)) for row in rows_of(name)]


@pytest.mark.parametrize("recorded", cases("recssd_locality_K.csv", "K"))
def test_the_profile_of_recssd_s_k_is_within_two_deviations_of_a_recorded_one(recorded):
    rng = np.random.default_rng(5)
    law = RecSsd(kind="recssd", k=float(recorded["K"]))
    profiles = np.array([recssd_profile(law, rng).cumulative for _ in range(300)])
    mean, deviation = profiles.mean(0), profiles.std(0)
    for distance, key in {0: "P_new_reference", 1: "cdf_sd1", 5: "cdf_sd5", 10: "cdf_sd10"}.items():
        assert abs(float(recorded[key]) - mean[distance]) < 2 * deviation[distance], key


@pytest.mark.parametrize("recorded", cases("fbgemm_zipf_requests.csv", "alpha", "L", "E"))
def test_fbgemm_requests_have_the_statistics_of_recorded_ones(recorded):
    bags, pooling, entries = (int(recorded[key]) for key in ("B", "L", "E"))
    draws = RequestDraws(
        Requests(kind="fbgemm", alpha=float(recorded["alpha"])), entries, np.random.default_rng(1)
    )
    batches = [draws.batch(np.full(bags, pooling)) for _ in range(int(recorded["iters"]))]
    entry = np.concatenate(batches)
    assert len(entry) == int(recorded["total_indices"])
    first = len(np.unique(batches[0])) / len(batches[0])
    assert first == pytest.approx(float(recorded["unique_frac_first_batch"]), rel=0.02)
    _, item, reads = np.unique(entry, return_inverse=True, return_counts=True)
    assert len(reads) == pytest.approx(int(recorded["unique_rows"]), rel=0.02)
    most = np.cumsum(np.sort(reads)[::-1]) / len(entry)
    curve = lru_curve(item.astype(np.int32))
    for name, share in SHARES.items():
        size = int(entries * share)
        # what a few lookups make up is left to chance: 2 % or four deviations of their number
        lookups, hits = most[min(size, len(most)) - 1], curve.hit_share(size)
        for seen, key in ((lookups, f"top{name}pct_share"), (hits, f"lru_hit_C{name}pct")):
            theirs = float(recorded[key])
            chance = 4 * np.sqrt(max(theirs, 1 / len(entry)) / len(entry))
            assert abs(seen - theirs) <= max(0.02 * theirs, chance), key


@pytest.mark.parametrize("recorded", cases("meta_dlrm_datasets_locality.csv", "year", "file"))
def test_the_mixtures_that_ship_have_meta_s_reuse(recorded, mixtures):
    whole = recorded["file"] in ("fbgemm_t856_bs65536.pt", "fbgemm_t788_bs131072_0.pt")
    histogram, unique = mixtures[recorded["year"]]
    theirs = [float(value) for key, value in recorded.items() if key.startswith("acc_")]
    # the smaller files of 2021 are half as long; the mixture is that of the whole one
    assert np.abs(np.array(theirs) - histogram).max() < 0.05
    share = int(recorded["unique_rows"]) / int(recorded["indices"])
    assert unique == pytest.approx(share, abs=0.01 if whole else 0.02)
    if recorded["year"] == "2021":
        assert 0.08 <= unique <= 0.15


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[np.ndarray, float]]:
    found = {}
    for year in ("2021", "2022"):
        file = tmp_path_factory.mktemp(year) / "mixture.parquet"
        synthesise(load_spec(f"production_mixture_{year}"), file)
        reads = reuse_statistics(load_trace(file, verify=False)).reads
        found[year] = np.array(list(reads.lookups_by_reuse.values())), reads.unique_share
    return found
