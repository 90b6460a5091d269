"""Every experiment of every reproduction runs on tiny traces and answers what its paper published."""

import math

import numpy as np
import pytest
from reference.traffic import JITTED

from recnmp._registry import plugin, plugin_names
from recnmp.errors import RecnmpError
from recnmp.library.published import load_published
from recnmp.nmp import functional
from recnmp.reproduce import axdimm_micro21, jobs
from recnmp.reproduce.jobs import Job, run_job, run_jobs
from recnmp.reproduce.recnmp_isca20 import setup
from recnmp.reproduce.traffic import Traffic, label, trace_of

needs_speed = pytest.mark.skipif(not JITTED, reason="hundreds of runs need compiled kernels")
TINY = Traffic("skewed", tables=4, entries=5000, samples=4, calls=2, pooling_factor=10)


@pytest.fixture
def tiny(monkeypatch) -> None:
    """Shrink every trace to four tables of 3,000 entries, of the sizes of vector that are asked for."""

    def shrunk(traffic: Traffic):
        dim = {"axdimm60.parquet": 16, "rm2.parquet": 64}.get(traffic.file, traffic.dim)
        indices = "skewed" if traffic.indices == "file" else traffic.indices
        small = Traffic(indices, 4, 3000, dim, 6, 8, 2, traffic.parallel, file=traffic.file)
        return trace_of(small)

    monkeypatch.setattr(jobs, "trace_of", shrunk)
    for cached in (jobs._label, jobs._placed):
        cached.cache_clear()
    yield
    for cached in (jobs._label, jobs._placed):
        cached.cache_clear()


EXPERIMENTS = [
    (name, n)
    for name in plugin_names("reproduce")
    for n in range(len(plugin("reproduce", name).experiments(True)))
]


@needs_speed
@pytest.mark.parametrize(("name", "n"), EXPERIMENTS)
def test_an_experiment_runs_and_answers_published_values(tiny, name, n):
    experiment = plugin("reproduce", name).experiments(True)[n]
    published = load_published(name.replace("_", "-"))
    values = {value.id: value.value for value in published.values}
    outcomes = run_jobs(experiment.jobs.values(), 1)
    found = experiment.measure({key: outcomes[job] for key, job in experiment.jobs.items()}, values)
    assert found.ours
    assert set(found.ours) <= set(values)
    assert set(experiment.reasons) <= set(values)
    for ours in found.ours.values():
        assert math.isfinite(ours.value)
        assert (ours.trace is None) == (not experiment.jobs)  # what comes from stored times has no trace
        assert ours.trace is None or 0 < ours.trace["unique_share"] <= 1
    assert len({tuple(point) for point in found.points}) == 1  # the same columns in every record
    assert all(point["unique_share"] > 0 for point in found.points if experiment.jobs)
    if found.chart is not None:
        assert all(len(series.values) == len(found.chart.ticks) for series in found.chart.series)


@pytest.mark.parametrize("name", plugin_names("reproduce"))
def test_every_published_value_is_answered_once_or_says_why_not(name):
    """Which experiment answers an id is known after it ran, so the page in the documentation stands for that."""
    module = plugin("reproduce", name)
    assert module.ABOUT.endswith(".")
    assert [one.name for one in module.experiments(True)] == [one.name for one in module.experiments(False)]
    titles = [one.title for one in module.experiments(True)]
    assert len(set(titles)) == len(titles)


def test_random_traffic_repeats_by_chance_and_is_named_so():
    uniform, skewed = (
        Traffic(kind, tables=2, entries=100_000, samples=16, calls=2) for kind in ("random", "skewed")
    )
    assert label(uniform)["trace"] == "random indices"
    assert label(uniform)["unique_share"] > 0.95 > label(skewed)["unique_share"]
    assert label(uniform)["lru_hit_share"][str(1 << 20)] < label(skewed)["lru_hit_share"][str(1 << 20)]


def test_operators_side_by_side_are_batches_of_their_own():
    trace = trace_of(TINY)
    assert trace.batches == len(trace.calls) == 8
    np.testing.assert_array_equal(trace.calls.table, [0, 1, 2, 3] * 2)
    assert trace.lookups == 4 * 2 * 4 * 10


def test_equal_jobs_run_once_and_processes_change_nothing():
    some = [Job(TINY, "host"), Job(TINY, "recnmp"), Job(TINY, "host")]
    told: list[str] = []
    alone, together = run_jobs(some, 1, told.append), run_jobs(some, 2)
    assert told == ["run 1 of 2", "run 2 of 2"]
    assert set(alone) == set(together) == set(some)
    for job in alone:
        assert (alone[job].ns, alone[job].energy_pj) == (together[job].ns, together[job].energy_pj)


def test_one_run_of_every_setting_pools_what_the_model_pools():
    cached = setup.near(TINY, "1x2", cache=setup.rank_cache())
    some = [Job(TINY, "host"), setup.near(TINY, "1x2"), setup.near(TINY, "4x2"), cached]
    outcomes = run_jobs(some, 1)
    checks = [outcomes[job].functional_check for job in some]
    assert checks[0] is checks[2] is None
    for check in (checks[1], checks[3]):
        assert check["status"] == "passed"
        assert check["bit_exact"]
        assert check["bags"] == TINY.tables * TINY.calls * TINY.samples


def test_a_run_that_pools_something_else_is_no_outcome(monkeypatch):
    job = setup.near(TINY, "1x2")
    decode = functional.decode
    monkeypatch.setattr(
        functional, "decode", lambda words: {n: v ^ (n == "psum_tag") for n, v in decode(words).items()}
    )
    with pytest.raises(RecnmpError, match="functional check"):
        run_jobs([job], 1)


def test_a_run_has_the_parts_of_both_energy_ledgers():
    outcome = run_job(setup.near(TINY, "1x2", "coloured", setup.rank_cache(), scheduling="table_aware"))
    paper, currents = outcome.energy_pj["recnmp_isca20"], outcome.energy_pj["idd"]
    assert paper["io_instructions"] == currents["io_instructions"] > 0
    assert paper["dram_activate"] > 0
    assert outcome.details["cache_hit_rate"] > 0


def test_the_full_run_has_longer_traces_than_the_quick_one():
    quick, full = (setup.traffic("random", quick) for quick in (True, False))
    assert full.samples * full.calls * full.tables == 8 * quick.samples * quick.calls * quick.tables


def test_latency_bounds_are_met_by_the_load_of_a_closed_form():
    """M/D/1: at a load of 0.5 a wait is exceeded with known probability; no bound lets more than one in."""
    assert axdimm_micro21.rate_within(0.5, 1.0) == 0.0
    loose, tight = (axdimm_micro21.rate_within(bound, 1.0) for bound in (20.0, 1.5))
    assert 0.0 < tight < loose < 1.0
    # at low load P(wait > w) is about load * (1 - w): 5 % wait more than 0.5 at a load near 0.1
    assert tight == pytest.approx(0.1, abs=0.02)
    assert axdimm_micro21.rate_within(3.0, 0.5) > 2 * axdimm_micro21.rate_within(3.0, 1.0)
