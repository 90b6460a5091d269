"""Fitting gives back what a trace was made from."""

from collections import Counter

import numpy as np
import pytest

from recnmp.errors import ConfigError
from recnmp.trace.generate import SynthSpec, fit_spec, synthesise
from recnmp.trace.generate.expected import (
    Law,
    drifted_reads,
    expected_histogram,
    expected_unique,
    population_for,
    repeat_chance,
)
from recnmp.trace.generate.fit import fit_lengths
from recnmp.trace.generate.law import fit_law
from recnmp.trace.generate.spec import LogNormal
from recnmp.trace.reuse.statistics import reuse_histogram, reuse_statistics
from recnmp.trace.storage import load_trace

LAWS = [(1.05, 0.0, 100_000), (0.7, 20.0, 30_000), (0.9, 2.0, 50_000), (0.0, 0.0, 20_000)]


def described():
    tables = [
        {
            "name": f"t{i}",
            "entries": 200_000,
            "dim": 16,
            "popularity": {"kind": "zipf", "alpha": alpha, "q": q, "population": population},
            "pooling_factor": {"kind": "uniform", "low": 0, "high": 80},
            "bags": None if i else 256,
        }
        for i, (alpha, q, population) in enumerate(LAWS)
    ]
    return SynthSpec.model_validate({"batches": 10, "batch_size": 512, "tables": tables})


def unique_shares(path):
    trace = load_trace(path)
    entries = [trace.entry[trace.table == t] for t in range(len(trace.tables))]
    return [len(np.unique(entry)) / len(entry) for entry in entries]


def test_a_fit_recovers_laws_bags_and_batches_and_its_trace_is_alike(tmp_path):
    synthesise(described(), tmp_path / "a.parquet")
    fitted = fit_spec(tmp_path / "a.parquet")
    assert (fitted.spec.batches, fitted.spec.batch_size) == (10, 512)
    assert [table.bags for table in fitted.spec.tables] == [256, None, None, None]
    for table, (alpha, _, population) in zip(fitted.spec.tables, LAWS, strict=True):
        assert table.popularity.alpha == pytest.approx(alpha, abs=0.05 if alpha else 0.15)
        assert table.popularity.population == pytest.approx(population, rel=0.1)
    assert max(fitted.largest_difference) < 0.02
    synthesise(fitted.spec, tmp_path / "b.parquet")
    assert unique_shares(tmp_path / "b.parquet") == pytest.approx(
        unique_shares(tmp_path / "a.parquet"), rel=0.1
    )
    before, after = (
        reuse_statistics(load_trace(tmp_path / name)).reads for name in ("a.parquet", "b.parquet")
    )
    assert after.lookups == pytest.approx(before.lookups, rel=0.02)
    difference = [after.lookups_by_reuse[key] - share for key, share in before.lookups_by_reuse.items()]
    assert np.abs(difference).max() < 0.02


@pytest.mark.parametrize("law", [Law(1.05, 0, 50_000), Law(0.6, 10, 3000), Law(0, 0, 150)])
def test_the_expected_reuse_is_that_of_draws(law):
    n, rng = 200_000, np.random.default_rng(1)
    share = (np.arange(1, law.population + 1) + law.q) ** -float(law.alpha)
    reads = rng.multinomial(n, share / share.sum())
    seen = np.array(list(reuse_histogram(reads[reads > 0]).values()))
    assert np.count_nonzero(reads) == pytest.approx(expected_unique(law, n), rel=0.01)
    assert np.abs(seen - expected_histogram(law, n)).max() < 0.02
    assert expected_histogram(law, n).sum() == pytest.approx(1)
    found = population_for(law.alpha, law.q, n, round(expected_unique(law, n)), 10 * law.population)
    assert found == pytest.approx(law.population, rel=0.01) or law.population < 1000


def test_a_table_numbered_by_what_occurs_grows_until_as_many_entries_are_read():
    rng = np.random.default_rng(1)
    share = np.arange(1, 200_001) ** -0.8
    reads = rng.multinomial(100_000, share / share.sum())
    reads = reads[reads > 0]
    law, difference = fit_law([reads], len(reads))
    assert law.population > 1.5 * len(reads)
    found = expected_unique(Law(law.alpha, law.q, law.population), 100_000)
    assert found == pytest.approx(len(reads), rel=0.01)
    assert difference < 0.01


def test_many_different_lengths_become_a_log_normal_of_their_mean():
    law = fit_lengths(Counter(dict.fromkeys(range(1, 1001), 1)))
    assert isinstance(law, LogNormal)
    assert (law.mean, law.high) == (500.5, 1000)


def test_a_trace_without_lookups_cannot_be_fitted(tmp_path):
    empty = described().model_dump()
    for table in empty["tables"]:
        table["pooling_factor"] = {"kind": "constant", "value": 0}
    synthesise(SynthSpec.model_validate(empty), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="no lookups to fit"):
        fit_spec(tmp_path / "a.parquet")


def moving(drifts, batches=30):
    table = {"entries": 30_000, "dim": 16, "pooling_factor": {"kind": "constant", "value": 20}}
    law = {"kind": "zipf", "alpha": 0.9, "population": 20_000}
    tables = [
        table | {"name": f"t{n}", "popularity": law | {"drift": drift}} for n, drift in enumerate(drifts)
    ]
    return SynthSpec.model_validate({"batches": batches, "batch_size": 300, "tables": tables})


def test_drift_is_recovered_with_the_law_that_drifts(tmp_path):
    drifts = (0.0, 3e-4, 1e-2)
    synthesise(moving(drifts), tmp_path / "a.parquet")
    fitted = fit_spec(tmp_path / "a.parquet").spec
    for table, drift in zip(fitted.tables, drifts, strict=True):
        assert table.popularity.drift == pytest.approx(drift, rel=0.1)
        assert table.popularity.alpha == pytest.approx(0.9, abs=0.03)
        assert table.popularity.population == pytest.approx(20_000, rel=0.1)
    synthesise(fitted, tmp_path / "b.parquet")
    assert unique_shares(tmp_path / "b.parquet") == pytest.approx(
        unique_shares(tmp_path / "a.parquet"), rel=0.05
    )


def test_a_trace_of_few_batches_is_taken_to_stand_still(tmp_path):
    synthesise(moving((0.1,), batches=5), tmp_path / "a.parquet")
    assert fit_spec(tmp_path / "a.parquet").spec.tables[0].popularity.drift == 0


@pytest.mark.parametrize("law", [Law(1.0, 0, 3000), Law(0.4, 7, 500)])
def test_two_draws_meet_as_often_as_their_ranks_say(law):
    share = (np.arange(1, law.population + 1) + law.q) ** -float(law.alpha)
    share /= share.sum()
    turn = np.array([0, 1, 7, 250.25, law.population - 3])
    meet = [share @ np.roll(share, -int(t)) for t in turn]
    meet[3] = 0.75 * meet[3] + 0.25 * (share @ np.roll(share, -251))
    assert repeat_chance(law, turn) == pytest.approx(meet, rel=0.01)


def test_a_law_that_drifts_through_all_its_ranks_reads_every_entry_alike():
    law = Law(1.2, 0, 5000)
    mean, stands_for = drifted_reads(law, 1 / 5000, 5000, 10_000)
    assert mean @ stands_for == pytest.approx(10_000)
    standing, _ = drifted_reads(law, 0.0, 5000, 10_000)
    assert standing.max() / standing.min() > 1000
    assert mean.max() / mean.min() < 60  # a tenth of the batches is looked at
