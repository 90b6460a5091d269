"""Rows that wait on disk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recnmp.memory import spool
from recnmp.memory.spool import Spool, merged

ROW = [("cycle", "<i8"), ("what", "i1")]
few = settings(deadline=None, max_examples=60, derandomize=True)


def rows(cycles, what=0) -> np.ndarray:
    made = np.zeros(len(cycles), ROW)
    made["cycle"], made["what"] = cycles, what
    return made


@few
@given(st.permutations(range(40)), st.lists(st.integers(0, 40), max_size=6))
def test_rows_put_in_any_order_are_read_by_number(tmp_path_factory, order, cuts):
    kept = Spool(tmp_path_factory.getbasetemp(), ROW)
    for number in np.split(np.array(order), sorted(cuts)):
        kept.put(number, rows(number * 10, 7))
    assert len(kept) == 40
    np.testing.assert_array_equal(kept.read(0, 99), rows(np.arange(40) * 10, 7))
    np.testing.assert_array_equal(kept.read(38, 99)["cycle"], [380, 390])
    kept.close()


@few
@given(
    st.lists(st.lists(st.integers(0, 200), unique=True, max_size=50), min_size=1, max_size=4),
    st.integers(1, 7),
)
def test_spools_are_merged_in_the_order_of_a_key_however_they_are_cut(tmp_path_factory, keys, block):
    spools = []
    for n, cycles in enumerate(keys):
        spools.append(Spool(tmp_path_factory.getbasetemp(), ROW))
        spools[-1].append(rows(sorted(cycles), n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "ROWS", block)
        pieces = list(merged(spools, "cycle"))
    found = [
        (int(row["cycle"]), int(n)) for piece, origin in pieces for row, n in zip(piece, origin, strict=True)
    ]
    assert found == sorted((cycle, n) for n, cycles in enumerate(keys) for cycle in cycles)
    assert all((piece["what"] == origin).all() for piece, origin in pieces)
    # no more is held at a time than a block of every spool
    assert max((len(piece) for piece, _ in pieces), default=0) <= block * len(keys)
    for one in spools:
        one.close()


def test_a_spool_leaves_no_file_behind(tmp_path):
    kept = Spool(tmp_path, ROW)
    kept.append(rows([1, 2, 3]))
    assert list(tmp_path.iterdir()) == []
    kept.close()
    with pytest.raises(FileNotFoundError):
        Spool(tmp_path / "nowhere", ROW)
