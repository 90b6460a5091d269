"""On every shipped standard the engine makes exactly the schedule of its tick-by-tick twin."""

from dataclasses import fields

import numpy as np
import pytest
from reference.frfcfs_tick import run

from recnmp._registry import library_names
from recnmp.library.dram import DramSpec, load_standard
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.replay import POLICIES, ControllerOptions, replay
from recnmp.memory.requests import Requests


def often_refreshed(name: str) -> DramSpec:
    """A standard with so short a refresh interval that a short run meets several refreshes."""
    document = load_standard(name).model_dump()
    document["timings"]["nREFI"]["value"] = document["timings"]["nRFC"]["value"] + 700
    return DramSpec.model_validate(document)


def some_requests(spec: DramSpec, ranks: int, seed: int) -> np.ndarray:
    """Bursts that arrive in clusters, three of ten to be written: some go where one was shortly before."""
    rng, org, n = np.random.default_rng(seed), spec.organization, 140
    limits = (ranks, org.bank_groups.value, org.banks_per_group.value, 3, org.bursts_per_row.value)
    place = np.stack([rng.integers(0, limit, n) for limit in limits], axis=1)
    back = np.minimum(rng.integers(1, 9, n), np.arange(n))
    for i in np.flatnonzero(rng.random(n) < 0.3):
        place[i] = place[i - back[i]]
    arrive = np.cumsum(np.where(rng.random(n) < 0.05, rng.integers(1, 600, n), 0))
    return np.column_stack([arrive, rng.random(n) < 0.3, place])


def as_requests(spec: DramSpec, stream: np.ndarray) -> Requests:
    arrive, write, rank, group, bank, row, column = stream.T
    lane = rank * spec.banks_per_rank + group * spec.organization.banks_per_group.value + bank
    return Requests(
        start=np.array([0, len(stream)]),
        arrive=np.ascontiguousarray(arrive),
        lane=lane.astype(np.int32),
        row=row.astype(np.int32),
        column=column.astype(np.int32),
        write=write.astype(np.uint8),
        group=np.zeros(len(stream), np.int32),
        groups=1,
    )


@pytest.mark.parametrize(("seed", "policy"), list(enumerate(POLICIES)))
@pytest.mark.parametrize("name", library_names("standards"))
def test_engine_and_twin_make_the_same_schedule_on_every_standard(name, seed, policy):
    spec = often_refreshed(name)
    ranks = 1 if spec.single_rank else 2
    stream = some_requests(spec, ranks, seed)
    twin = run(
        spec, ranks, stream.tolist(), policy=policy, refresh="staggered", read_queue=16, write_queue=16
    )
    options = ControllerOptions(ranks, policy, "staggered", 16, 16)
    engine = replay(as_requests(spec, stream), spec, options, record=True)
    for field in fields(Commands):
        ours, theirs = getattr(engine.commands[0], field.name), getattr(twin.as_commands(), field.name)
        np.testing.assert_array_equal(ours, theirs, field.name)
    np.testing.assert_array_equal(engine.accepted, twin.arrive)
    np.testing.assert_array_equal(engine.depart, twin.depart)
    assert engine.cycles == twin.cycles_drain
    assert all(engine.counts[command] for command in ("ACT", "RD", "WR", "PRE", "REF"))
    assert audit(spec, ranks, engine.commands[0], refresh="staggered").first == ()
