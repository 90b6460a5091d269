"""How the parts of an inference meet."""

import math

import pytest

from recnmp.errors import RecnmpError
from recnmp.library.device import PartTiming
from recnmp.library.machine import Machine
from recnmp.mlp.timing import MlpTiming
from recnmp.serving.end_to_end import EndToEnd


def part(median_ns: float) -> PartTiming:
    return PartTiming(median_ns=median_ns, iqr_ns=0.0, min_ns=median_ns, repeats=3)


MLP = MlpTiming(
    model="small",
    batch_size=8,
    parts={"bottom_mlp": part(30.0), "interaction": part(10.0), "top_mlp": part(60.0)},
    method="measured",
    backend="fingers",
    threads=1,
    machine=Machine(cpu_model="Abacus", cores=1, system="Wood"),
    cpu_share=1.0,
)


def test_the_host_does_one_part_after_the_other():
    assert EndToEnd(MLP, sls_host_ns=900.0).host_ns == 1000.0


@pytest.mark.parametrize(
    ("sls_nmp_ns", "overlap", "nmp_ns", "hidden_ns", "exposed_ns"),
    [
        (100.0, "bottom_mlp", 170.0, 30.0, 70.0),
        (20.0, "bottom_mlp", 100.0, 20.0, 0.0),
        (0.0, "bottom_mlp", 100.0, 0.0, 0.0),
        (100.0, "none", 200.0, 0.0, 100.0),
    ],
    ids=["SLS is longer", "bottom MLP is longer", "nothing to gather", "in turn"],
)
def test_what_overlaps_counts_once(sls_nmp_ns, overlap, nmp_ns, hidden_ns, exposed_ns):
    whole = EndToEnd(MLP, 900.0, sls_nmp_ns, overlap).to_dict()

    assert whole["nmp_ns"] == nmp_ns
    assert whole["speedup_over_host"] == pytest.approx(1000.0 / nmp_ns)
    near = whole["breakdown"]["nmp"]
    assert (near["overlap"], near["hidden_ns"], near["exposed_sls_ns"]) == (overlap, hidden_ns, exposed_ns)


@pytest.mark.parametrize("overlap", ["bottom_mlp", "none"])
def test_the_parts_less_what_is_hidden_add_up_to_the_latency(overlap):
    whole = EndToEnd(MLP, 900.0, 100.0, overlap).to_dict()

    for side, parts in whole["breakdown"].items():
        times = [parts[f"{name}_ns"] for name in ("bottom_mlp", "sls", "interaction", "top_mlp")]
        assert sum(times) - parts.get("hidden_ns", 0.0) == pytest.approx(whole[f"{side}_ns"])


def test_samples_per_second_are_those_of_one_batch_in_flight():
    whole = EndToEnd(MLP, 900.0, 100.0).to_dict()

    assert whole["samples_per_s"]["host"] == pytest.approx(8 / 1000e-9)
    assert whole["samples_per_s"]["nmp"] == pytest.approx(8 / 170e-9)
    assert whole["batches_in_flight"] == 1


def test_no_gather_however_fast_beats_the_amdahl_bound():
    bound = EndToEnd(MLP, 900.0).amdahl_bound

    assert bound == pytest.approx(10.0)
    assert EndToEnd(MLP, 900.0, 0.0, "none").speedup_over_host == pytest.approx(bound)
    assert EndToEnd(MLP, 900.0, 1e-6).speedup_over_host <= bound


def test_without_near_memory_its_values_are_none():
    whole = EndToEnd(MLP, 900.0).to_dict()

    assert whole["nmp_ns"] is whole["speedup_over_host"] is whole["breakdown"]["nmp"] is None
    assert whole["samples_per_s"]["nmp"] is None


@pytest.mark.parametrize("time_ns", [-1.0, math.nan, math.inf])
def test_something_that_is_no_time_is_an_error(time_ns):
    with pytest.raises(RecnmpError, match=r"sls_nmp_ns is .*, not a time"):
        EndToEnd(MLP, 900.0, time_ns)
