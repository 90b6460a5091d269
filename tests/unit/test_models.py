"""Models of the library: what fits together and what does not."""

import json
from pathlib import Path

import pytest

from recnmp._registry import library_names
from recnmp.config import load_config
from recnmp.errors import ConfigError
from recnmp.library.model import RecModel, load_model
from recnmp.resolve import resolve

CAT = load_model("rm1").model_dump()
NCF = load_model("ncf").model_dump()
DIN = load_model("din").model_dump()


@pytest.mark.parametrize(
    ("base", "changes", "why"),
    [
        (CAT, {"cross": {"layers": 1, "rank": 4}}, "cross is for interaction dcn, which needs it"),
        (CAT, {"interaction": "dcn"}, "cross is for interaction dcn, which needs it"),
        (CAT, {"hidden": 4}, "hidden is for interaction recurrent"),
        (DIN, {"attention_mlp": None}, "attention_mlp is for interaction attention"),
        (NCF, {"tables": NCF["tables"][:1]}, "interaction ncf takes no bottom_mlp, tables of one dim, and 4"),
        (NCF, {"bottom_mlp": [3]}, "interaction ncf takes no bottom_mlp"),
        (DIN, {"tables": DIN["tables"][:1]}, "and at least 4 of them"),
        (CAT, {"interaction": "dot", "bottom_mlp": []}, "interaction dot needs a bottom_mlp"),
        (CAT, {"top_mlp": []}, "only a model of embedding tables alone has no top_mlp"),
        (CAT, {"heads": 2}, "heads need a head_mlp"),
    ],
)
def test_parts_that_do_not_fit_are_an_error(base, changes, why):
    with pytest.raises(ValueError, match=why):
        RecModel.model_validate(base | changes)


@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("rm1", 288),
        ("wide_deep", 1376),
        ("mt_wnd", 1888),
        ("ncf", 128),
        ("din", 128),
        ("dien", 160),
        ("mlperf_dlrm_v1", 479),
        ("mlperf_dlrm_v2", 3456),
    ],
)
def test_what_enters_the_top_mlp_is_as_published(name, elements):
    assert load_model(name).top_input == elements


def test_a_run_whose_dense_part_cannot_be_timed_is_refused_before_it_begins(tmp_path):
    alone = CAT | {"bottom_mlp": [], "top_mlp": []}
    (tmp_path / "alone.yaml").write_text(json.dumps(alone))
    config = load_config("rank8", [f"model={tmp_path / 'alone.yaml'}"])
    with pytest.raises(
        ConfigError, match="RM1: its dense part cannot be timed: its dense layers are not known"
    ):
        resolve(config)


@pytest.mark.parametrize("name", library_names("models"))
def test_the_dense_part_of_every_shipped_model_can_be_timed(name):
    assert load_model(name).untimed_because == ""


def test_the_page_of_models_lists_what_the_library_holds():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    lines = (line for line in page.splitlines() if line.startswith("| `"))
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells] == library_names("models")
    for name, *figures in cells:
        model = load_model(name)
        tables = model.each_table
        assert figures == [
            str(len(tables)),
            f"{sum(table.entries for table in tables):,}",
            str(tables[0].dim),
            f"{sum(table.pooling_factor for table in tables):,}",
            f"{sum(table.pooling_factor * table.dim * 4 for table in tables):,}",
            f"{sum(table.entries * table.dim * 4 for table in tables) / 2**30:.2f}",
            model.interaction,
            ", ".join(model.parts),
        ]
