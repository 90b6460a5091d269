"""A schedule of the engine held against the one of its tick-by-tick twin."""

from dataclasses import asdict, fields

import numpy as np

from recnmp.library.dram import DramSpec
from recnmp.memory.audit import audit
from recnmp.memory.commands import Commands
from recnmp.memory.replay import ControllerOptions, Timeline, replay
from reference.frfcfs_tick import run
from reference.traffic import Stream, as_requests


def assert_same_commands(one: Commands, other: Commands) -> None:
    for field in fields(Commands):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), field.name)


def assert_engine_equals_twin(
    spec: DramSpec, requests: Stream, options: ControllerOptions, broken: tuple[str, ...] = ()
) -> Timeline:
    """Both issue the same commands at the same times, and the audit finds no rules broken but ``broken``."""
    offered = as_requests(requests)
    banks, groups = spec.organization.banks_per_group.value, spec.organization.bank_groups.value
    place = np.unravel_index(offered.lane, (options.ranks, groups, banks))
    twin = run(
        spec, requests=np.column_stack([requests[:, :2], *place, requests[:, 5:]]).tolist(), **asdict(options)
    )
    engine = replay(offered, spec, options, record=True)
    assert_same_commands(engine.commands[0], twin.as_commands())
    np.testing.assert_array_equal(engine.accepted, twin.arrive)
    np.testing.assert_array_equal(engine.depart, twin.depart)
    states = [engine.counts[name] for name in ("row_hits", "row_misses", "row_conflicts")]
    assert states == [twin.row_hits, twin.row_misses, twin.row_conflicts]
    spared = [engine.counts[name] for name in ("forwarded", "absorbed", "merged")]
    assert spared == [twin.forwarded, twin.absorbed, twin.merged]
    assert engine.cycles == twin.cycles_drain
    report = audit(spec, options.ranks, engine.commands[0], refresh=options.refresh)
    assert set(report.by_rule) == set(broken), report.first
    return engine
