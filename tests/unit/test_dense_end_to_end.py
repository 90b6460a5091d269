"""From configuration to result with the dense part of every model of the library."""

from pathlib import Path

import pytest
from reference.traffic import JITTED

from recnmp._registry import library_names
from recnmp.config import load_config
from recnmp.library.device import load_device
from recnmp.library.model import load_model
from recnmp.simulate import simulate
from recnmp.trace.storage import save_trace
from recnmp.trace.synthetic import synthetic_trace

DEVICE = "xeon_2core_shared_2026"
pytestmark = pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")


@pytest.fixture
def configured(tmp_path: Path):
    def configure(model: str, *mlp: str):
        save_trace(synthetic_trace(load_model(model), 1, 4, seed=1), tmp_path / "one.parquet")
        memory = ["memory.channels=4", "functional_check=off", f"trace.file={tmp_path / 'one.parquet'}"]
        return load_config("rank8", [f"model={model}", *memory, *mlp])

    return configure


@pytest.mark.parametrize("model", library_names("models"))
def test_the_shipped_profile_serves_every_model_and_the_result_says_what_it_is(model, configured):
    result = simulate(configured(model, "mlp.kind=profile")).to_dict()

    mlp, whole, device = result["mlp"], result["end_to_end"], load_device(DEVICE)
    stored = next(times for times in device.models[model].batches if times.batch_size == 4)
    assert [name for name in mlp if name in stored.parts] == list(load_model(model).parts)
    for name, part in stored.parts.items():
        assert whole["breakdown"]["host"][f"{name}_ns"] == part.median_ns
    assert whole["host_ns"] == pytest.approx(
        result["sls"]["host_ns"] + sum(part.median_ns for part in stored.parts.values())
    )
    assert (mlp["device"], mlp["method"], mlp["measured_on"]) == (DEVICE, "profile", device.date)
    assert mlp["age_days"] >= 0
    assert mlp["spread"] == round(max(part.iqr_ns / part.median_ns for part in stored.parts.values()), 4)


@pytest.mark.parametrize("model", ["dien", "mlperf_dlrm_v2", "ncf", "recnmp_rm2_small"])
def test_any_model_can_be_measured_where_it_is_simulated(model, configured):
    options = ["mlp.kind=measured", "mlp.backend=numpy", "mlp.repeats=3"]
    result = simulate(configured(model, *options)).to_dict()

    assert set(load_model(model).parts) <= set(result["mlp"])
    assert result["mlp"]["method"] == "measured"
    assert result["end_to_end"]["amdahl_bound"] > 1
