"""Every file of the library can be used."""

import numpy as np
import pytest

from recnmp._registry import library_names
from recnmp.config.schema import MemoryConfig
from recnmp.errors import ConfigError
from recnmp.library.device import load_device
from recnmp.library.dram import load_standard
from recnmp.library.mapping import load_mapping
from recnmp.library.model import load_model
from recnmp.memory.audit import audit
from recnmp.memory.options import ALL_REFRESHES, POLICIES, REFRESHES, ControllerOptions
from recnmp.memory.replay import replay
from recnmp.memory.requests import Requests
from recnmp.placement.place import make_mapping


@pytest.mark.parametrize("name", library_names("models"))
def test_every_model_loads_with_its_source(name):
    model = load_model(name)
    assert model.n_tables == len(model.each_table) > 0
    assert model.top_input >= sum(model.bottom_mlp[-1:])
    assert len(model.source) > 20


@pytest.mark.parametrize("name", library_names("devices"))
def test_every_device_loads_and_fits_the_models_it_timed(name):
    device = load_device(name)
    assert device.name == name
    for model, times in device.models.items():
        assert times.fits(load_model(model))


@pytest.mark.parametrize("name", library_names("standards"))
def test_every_standard_loads_and_spaces_what_it_names(name):
    spec = load_standard(name)
    assert spec.tCK_ps.value > 0
    # a burst occupies the bus at least as long as its data takes
    assert spec.gaps[2, 2, 2] >= spec.cycles["nBL"]
    waited_for = {command for row in spec.constraints for command in row.before}
    assert waited_for == set(spec.commands) >= {"ACT", "PRE", "RD", "WR", "REF", "PREA"}


SYSTEMS = [
    (name, policy, refresh)
    for name in library_names("standards")
    for policy in POLICIES
    for refresh in (ALL_REFRESHES if load_standard(name).has_same_bank_refresh else REFRESHES)
]


@pytest.mark.parametrize(("name", "policy", "refresh"), SYSTEMS)
def test_every_standard_is_obeyed_by_every_policy(name, policy, refresh):
    spec = load_standard(name)
    rng = np.random.default_rng(0)
    n, ranks = 400, 1 if spec.single_rank else 2
    requests = Requests(
        start=np.array([0, n]),
        arrive=np.arange(n) * spec.cycles["nREFI"] // 100,  # sparse, so that several refreshes fall due
        lane=rng.integers(0, ranks * spec.banks_per_rank, n).astype(np.int32),
        row=rng.integers(0, 3, n).astype(np.int32),
        column=rng.integers(0, spec.organization.bursts_per_row.value, n).astype(np.int32),
        write=(rng.random(n) < 0.3).astype(np.uint8),
        group=np.zeros(n, np.int32),
        groups=1,
    )
    timeline = replay(requests, spec, ControllerOptions(ranks, policy, refresh), record=True)
    report = audit(spec, ranks, timeline.commands[0], refresh=refresh)
    assert report.count == 0, report.first
    assert (timeline.counts["REF"] > 0) == (refresh in ("simultaneous", "staggered"))
    assert (timeline.counts["REFsb"] > 0) == (refresh == "same_bank")


@pytest.mark.parametrize("ranks", [1, 8])
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", library_names("mappings"))
def test_every_mapping_gives_each_address_a_place_of_its_own(name, channels, ranks):
    assert len(load_mapping(name).source or "") > 40
    fitting = 0
    for standard in library_names("standards"):
        memory = MemoryConfig(channels=channels, ranks_per_dimm=ranks, mapping=name)
        try:
            mapping = make_mapping(memory, load_standard(standard))
        except ConfigError as error:
            # a mapping may be made for one kind of memory, and then says what another one lacks
            assert "bits here" in str(error)  # noqa: PT017
            continue
        fitting += 1
        rng = np.random.default_rng(1)
        burst = np.unique(rng.integers(0, 1 << mapping.bits, 20_000) | rng.integers(0, 1 << 12, 20_000))
        fields = mapping.decode(burst)
        np.testing.assert_array_equal(mapping.encode(fields), burst)
        for field, values in fields.items():
            assert 0 <= values.min() <= values.max() < 1 << len(mapping.positions(field))
    assert fitting > 0
