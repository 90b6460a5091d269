"""Samplers: what they choose follows from seed and what they are told."""

import pytest
from searching import POINTS, space_of, values

from recnmp.config.load import load_document
from recnmp.config.search import SearchConfig
from recnmp.errors import ConfigError
from recnmp.search import samplers
from recnmp.search.samplers import GridSampler, RandomSampler, Told, make_sampler

WIDE = """\
  space:
    memory.read_queue: {low: 1, high: 512, log: true}
    memory.host_traffic.gb_per_s: {low: 0.5, high: 8}
    memory.row_hit_cap: {low: 1, high: 9}
    memory.refresh: [off, staggered]
"""


def made(path, **options):
    document = load_document(path)
    config = SearchConfig(**(document.data["search"] | options))
    return make_sampler(space_of(path), config, 2)


def costs(point) -> tuple[float, float]:
    """Something to be small in either way: queues against traffic."""
    chosen = values(point)
    return (chosen["memory.read_queue"] - 20.0) ** 2 + chosen["memory.row_hit_cap"], chosen[
        "memory.host_traffic.gb_per_s"
    ]


def drawn(sampler, batches: int, size: int = 10):
    found = []
    for _ in range(batches):
        points = sampler.ask(size)
        sampler.tell([Told(costs(point), ()) for point in points])
        found += [values(point) for point in points]
    return found


def test_random_points_differ_and_a_small_space_runs_out(search):
    sampler = RandomSampler(space_of(search()), 3)
    found = [values(point) for point in sampler.ask(100)]
    assert len(found) == POINTS == len({str(point) for point in found})
    assert sampler.ask(5) == []


def test_a_grid_is_every_point_in_an_order_of_its_seed(search):
    space = space_of(search())
    every, one, again, other = (
        [str(values(point)) for point in points]
        for points in (
            space.every(),
            GridSampler(space, 1).ask(100),
            GridSampler(space, 1).ask(100),
            GridSampler(space, 2).ask(100),
        )
    )
    assert one == again != other
    assert sorted(one) == sorted(other) == sorted(every)
    assert one != every


def test_random_values_keep_to_their_ranges_and_logarithmic_ones_are_even_in_the_logarithm(search):
    found = drawn(RandomSampler(space_of(search(space=WIDE)), 1), 40)
    queues = [point["memory.read_queue"] for point in found]
    assert all(type(queue) is int and 1 <= queue <= 512 for queue in queues)
    assert 0.35 < sum(queue <= 22 for queue in queues) / len(queues) < 0.65  # half of the logarithm
    assert all(0.5 <= point["memory.host_traffic.gb_per_s"] <= 8 for point in found)
    assert {point["memory.row_hit_cap"] for point in found} == set(range(1, 10))


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_the_same_seed_and_answers_give_the_same_trials(search, name):
    pytest.importorskip("optuna", reason="needs the extra search")
    path = search(f"  sampler: {name}\n", space=WIDE)
    one, again, other = (drawn(made(path, seed=seed), 4) for seed in (1, 1, 2))
    assert one == again != other
    assert all(type(point["memory.read_queue"]) is int for point in one)


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_fewer_trials_at_the_end_are_the_first_ones_of_more(search, name):
    pytest.importorskip("optuna", reason="needs the extra search")
    path = search(f"  sampler: {name}\n", space=WIDE)
    few, many = made(path), made(path)
    drawn(few, 2), drawn(many, 2)
    assert [values(point) for point in few.ask(3)] == [values(point) for point in many.ask(10)][:3]


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_what_learns_finds_more_than_chance(search, name):
    pytest.importorskip("optuna", reason="needs the extra search")
    path = search(f"  sampler: {name}\n  together: 10\n", space=WIDE)
    learnt, random = drawn(made(path), 20), drawn(made(path, sampler="random", together=None), 20)

    def late(found):
        return sum(abs(point["memory.read_queue"] - 20) <= 4 for point in found[-50:])

    assert late(learnt) > 2 * late(random)


@pytest.mark.parametrize("name", ["nsga2", "tpe"])
def test_trials_that_failed_and_bounds_that_are_broken_are_learnt_from(search, name):
    pytest.importorskip("optuna", reason="needs the extra search")
    path = search(
        f"  sampler: {name}\n  together: 10\n  constraints: {{sls.nmp_ns: {{at_most: 1}}}}\n", space=WIDE
    )
    sampler, found = made(path), []
    for _ in range(20):
        points = sampler.ask(10)
        told = []
        for n, point in enumerate(points):
            excess = values(point)["memory.read_queue"] / 8 - 1
            told.append(Told(None) if n == 3 else Told(costs(point), (excess,)))
        sampler.tell(told)
        found += [values(point)["memory.read_queue"] for point in points]
    assert sum(queue <= 8 for queue in found[-50:]) > sum(queue <= 8 for queue in found[:50])


def test_without_optuna_the_extra_is_named(search, monkeypatch):
    monkeypatch.setattr(samplers.importlib.util, "find_spec", lambda name: None)
    told = r"search.sampler: nsga2 needs optuna: pip install 'recnmp\[search\]'; random and grid need nothing"
    with pytest.raises(ConfigError, match=told):
        made(search("  sampler: nsga2\n"))
    assert made(search("  sampler: random\n")).ask(1)
