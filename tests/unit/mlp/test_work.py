"""Arithmetic and bytes of operators: closed forms against what PyTorch counts, and against sums done by hand."""

import pytest

from recnmp._registry import library_names
from recnmp.library.model import RecModel, TableGroup, load_model
from recnmp.mlp.dense import make_dense
from recnmp.mlp.operators import inputs, operators, run
from recnmp.mlp.work import Work, sls_work, work_of

MODELS = library_names("models")


def model_of(**fields) -> RecModel:
    tables = fields.pop("tables", ({"count": 2, "entries": 10, "dim": 4, "pooling_factor": 3},))
    given = {"bottom_mlp": (5, 4), "top_mlp": (2,), "interaction": "cat", "tables": tables} | fields
    return RecModel.model_validate({"name": "small", "source": "a test"} | given)


@pytest.mark.parametrize("name", MODELS)
def test_matrix_products_are_those_that_pytorch_counts(name):
    torch = pytest.importorskip("torch", reason="counts what it runs")
    from torch.utils.flop_counter import FlopCounterMode

    from recnmp.mlp.in_torch import TorchArithmetic

    batch, counted = 2, {}
    dense, arithmetic = make_dense(load_model(name), batch), TorchArithmetic()
    chain = operators(dense, arithmetic)
    with torch.no_grad():
        _, given = run(chain, inputs(dense, arithmetic))
        for operator in chain:
            with FlopCounterMode(display=False) as counter:
                operator.call(*given[operator.name])
            counted[operator.name] = counter.get_total_flops()

    work = work_of(load_model(name), batch)
    assert {part: work[part].products for part in counted} == counted
    assert list(work) == ["sls", *counted]


@pytest.mark.parametrize("name", MODELS)
def test_work_grows_with_the_batch_but_for_weights(name):
    one, two, three = (work_of(load_model(name), batch) for batch in (1, 2, 3))
    for part in one:
        assert two[part].flop == 2 * one[part].flop
        assert three[part].bytes - two[part].bytes == two[part].bytes - one[part].bytes > 0
    assert work_of(load_model(name), 64)["top_mlp"].intensity > one["top_mlp"].intensity


def test_a_layer_reads_weights_bias_and_input_and_writes_its_output():
    work = work_of(model_of(), 7)

    assert work["bottom_mlp"] == Work(2 * 7 * 5 * 4, 7 * 4 * 2, 4 * (5 * 4 + 4 + 7 * 5 + 7 * 4))
    assert work["interaction"] == Work(0, 0, 2 * 4 * 7 * 12)
    assert work["top_mlp"].products == 2 * 7 * 12 * 2


def test_sls_reads_an_index_and_an_entry_for_each_lookup():
    assert work_of(model_of(), 7)["sls"] == Work(0, 42 * 4, 42 * (16 + 8) + 14 * (16 + 8))


def test_an_entry_of_8_bits_is_scaled_and_shifted_before_it_is_added():
    group = TableGroup(count=1, entries=10, dim=32, pooling_factor=5, dtype="int8_rowwise")
    assert sls_work([group], 1) == Work(0, 3 * 5 * 32, 5 * (32 + 8 + 8) + 4 * 32 + 8)


def test_sls_of_a_long_bag_does_a_quarter_of_a_flop_a_byte_and_less_by_its_indices():
    group = TableGroup(count=1, entries=10, dim=1024, pooling_factor=1000)
    assert sls_work([group], 1).intensity == pytest.approx(0.25, rel=0.01)
    assert 0.2 < work_of(load_model("rm2"), 1)["sls"].intensity < 0.25


def test_mlps_of_rm3_have_the_published_multiplications():
    work = work_of(load_model("rm3"), 1)
    assert work["bottom_mlp"].products + work["top_mlp"].products == 6_406_656
