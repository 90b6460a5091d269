"""Shares of operators from a stored profile, beside published ones."""

import pytest

from recnmp.errors import ConfigError
from recnmp.library.device import load_device
from recnmp.library.published import load_published
from recnmp.mlp.profile import operator_times
from recnmp.report.charts import Chart, Series, draw, places
from recnmp.report.scoreboard import scoreboard_lines, write_scoreboard
from recnmp.reproduce import iiswc20_breakdown
from recnmp.reproduce.scoreboard import GAP, reproduce
from recnmp.reproduce.shares import BATCHES, DEVICE, SHOWN, breakdown

PROFILE = load_device(DEVICE)


@pytest.fixture(scope="module", params=["hpca20-breakdown", "iiswc20-breakdown"])
def document(request) -> dict:
    return reproduce(request.param, processes=1)


@pytest.mark.parametrize("model", SHOWN)
@pytest.mark.parametrize("batch", BATCHES)
def test_shares_are_of_all_operators_of_the_stored_profile(model, batch):
    one = breakdown(PROFILE, model, batch)
    times = operator_times(PROFILE, model, batch)
    assert one.total_ns == pytest.approx(sum(part.median_ns for part in times.values()))
    assert sum(one.shares) == pytest.approx(1)
    assert one.amdahl_bound == pytest.approx(1 / (1 - one.shares[0]))
    assert one.sls_ns == times["sls"].median_ns


@pytest.mark.parametrize("model", ["rm1", "rm2"])
def test_the_share_of_sls_rises_with_the_batch_for_models_of_many_lookups(model):
    one, sixteen, more = (breakdown(PROFILE, model, batch).shares[0] for batch in (1, 16, 64))
    assert one < sixteen < more


@pytest.mark.parametrize("model", ["rm3", "wide_deep"])
def test_the_share_of_sls_stays_small_for_models_of_large_layers(model):
    assert all(breakdown(PROFILE, model, batch).shares[0] < 0.15 for batch in (16, 64, 256, 1024))


def test_a_model_that_was_not_measured_has_no_shares():
    with pytest.raises(ConfigError, match="no model 'axdimm60'"):
        breakdown(PROFILE, "axdimm60", 1)


def test_shares_are_compared_by_points_and_every_large_gap_has_a_reason(document):
    shares = [row for row in document["rows"] if row["unit"] == "share of time"]
    for row in shares:
        assert row["ratio"] is None
        if row["published"] is not None:
            assert row["difference"] == pytest.approx(row["ours"] - row["published"])
            assert bool(row["note"]) == (abs(row["difference"]) > GAP)
    assert all(row["note"] != "not explained" for row in document["rows"])
    assert {row["unit"] for row in document["rows"]} - {"share of time"} <= {"x", "ms"}


def test_every_value_is_answered(document):
    assert all(row["ours"] is not None for row in document["rows"])


def test_remarks_say_whether_sls_rises_and_stays_small(document):
    remarks = document["experiments"][0]["remarks"]
    assert all("rises with the batch" in line for line in remarks if line.startswith(("RM1", "RM2")))
    assert all("stays small" in line for line in remarks if line.startswith(("RM3", "WnD")))


def test_reference_bars_are_the_published_ones():
    values = {value.id: value.value for value in load_published("iiswc20-breakdown").values}
    (experiment,) = iiswc20_breakdown.experiments(False)
    chart = experiment.measure({}, values).chart
    assert chart is not None
    at = chart.groups.index("RM2") * len(BATCHES) + BATCHES.index(64)
    assert chart.beside[0].values[at] == values["rm2-64-sls"]
    assert chart.beside[0].values[at + 1] is None  # nobody published batch 256
    assert [series.name for series in chart.beside] == [series.name for series in chart.series]


def test_the_page_shows_differences_in_points(document, tmp_path):
    text = write_scoreboard(document, tmp_path).read_text()
    assert " pt |" in text
    assert "shares of time where they are 15 points off" in text
    assert "reuse of its trace" not in text
    assert any(" pt" in line for line in scoreboard_lines(document))
    assert (tmp_path / f"scoreboard-{document['name']}" / "shares.svg").exists()


def test_groups_of_bars_are_set_apart(tmp_path):
    ours = (Series("a", (0.5, 0.5, 0.5, 0.5)), Series("b", (0.5, 0.5, 0.5, 0.5)))
    chart = Chart("stacked", "t", "x", "y", ("1", "2", "1", "2"), ours, beside=ours, groups=("one", "two"))
    assert places(chart) == [0, 1, 3, 4]
    draw(chart, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text.count("fill: #0b6e99") == 4 + 1  # four of ours, one in the legend
    assert text.count("fill: #91bed1") == 4  # the others', paler
