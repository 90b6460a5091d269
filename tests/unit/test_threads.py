"""How many threads a simulation uses, and what is done in them."""

import os
import threading

import numpy as np
import pytest

from recnmp import _threads
from recnmp._accel import JITTED, count_one, give_way, jit, seen, take, tell
from recnmp._threads import available_cores, limit_threads, most_threads, process_pool, side_by_side
from recnmp.errors import ConfigError


@pytest.fixture(autouse=True)
def nobody_has_said(monkeypatch):
    monkeypatch.setattr(_threads, "_most", [])
    monkeypatch.delenv("RECNMP_THREADS", raising=False)


def test_there_is_a_thread_for_every_core_by_default():
    assert most_threads() == available_cores() >= 1


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({}, 1.0),
        ({"cpu.max": "max 100000\n"}, 1.0),
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.0),
        ({"cpu.max": "6400000000 100000\n"}, 1.0),
    ],
)
def test_a_container_that_may_use_less_has_fewer_cores(tmp_path, monkeypatch, files, share):
    """``share``: cores, or as a float the share of all that there are."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_cores(tmp_path) == (share * 8 if isinstance(share, float) else share)


def test_the_environment_says_how_many(monkeypatch):
    monkeypatch.setenv("RECNMP_THREADS", "3")
    assert most_threads() == 3


def test_what_a_process_is_told_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("RECNMP_THREADS", "3")
    limit_threads(0)
    assert most_threads() == 1


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_what_is_no_number_of_threads_is_an_error(monkeypatch, wrong):
    monkeypatch.setenv("RECNMP_THREADS", wrong)
    with pytest.raises(ConfigError, match=f"RECNMP_THREADS: '{wrong}' asked, allowed: a number"):
        most_threads()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_answers_come_in_order_and_from_no_more_threads_than_allowed(threads):
    limit_threads(threads)
    used = set()

    def square(i, j):
        used.add(threading.get_ident())
        return i * j

    assert side_by_side(square, range(40), range(40)) == [i * i for i in range(40)]
    assert len(used) <= threads


def test_one_thread_is_the_one_that_asks():
    limit_threads(1)
    assert side_by_side(lambda _: threading.get_ident(), range(3)) == [threading.get_ident()] * 3


def test_new_processes_share_the_cores(monkeypatch):
    monkeypatch.setenv("RECNMP_THREADS", "6")
    with process_pool(2) as pool:
        assert pool.submit(most_threads).result() == 3
    assert os.environ["RECNMP_THREADS"] == "6"


@jit
def draw(words, drawn, last):
    """Take numbers from ``words[0]`` until ``last``, and count them."""
    number = seen(words, 0)
    while number < last:
        if take(words, 0, number, number + 1):
            drawn[number] += 1
            count_one(words, 8)
        give_way()
        number = seen(words, 0)
    tell(words, 16, number)


@pytest.mark.parametrize(
    "threads", [1, pytest.param(4, marks=pytest.mark.skipif(not JITTED, reason="no JIT"))]
)
def test_every_number_is_drawn_by_one_thread(threads):
    words, drawn = np.zeros(24, np.int64), np.zeros(20_000, np.int64)
    drawing = [threading.Thread(target=draw, args=(words, drawn, len(drawn))) for _ in range(threads)]
    for thread in drawing:
        thread.start()
    for thread in drawing:
        thread.join()
    assert (drawn == 1).all()
    assert words[[0, 8, 16]].tolist() == [len(drawn)] * 3
