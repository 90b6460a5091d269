"""The reference of every functional check: PyTorch's own operators, and NumPy's sum where there is none."""

import importlib.util

import numpy as np
import pytest
from builders import some_trace, trace_of

from recnmp.trace import pooling
from recnmp.trace.pooling import pooled_outputs
from recnmp.trace.values import entry_codes, entry_values

KINDS = [(kind, weighted) for kind in ("sum", "mean", "max", "none") for weighted in (False, True)]
TYPES = ("fp32", "int8_rowwise")


def elements(trace, number, entry):
    table = trace.tables[number]
    if table.dtype == "fp32":
        return entry_values(number, [entry], table.dim)[0].astype(np.float64)
    codes, scale, bias = entry_codes(number, [entry], table.dim)
    return codes[0] * float(scale[0]) + float(bias[0])


def by_hand(trace, call):
    """Pool one call lookup by lookup in double precision."""
    number, kind = int(trace.calls.table[call]), pooling.POOLINGS[trace.calls.pooling[call]]
    pooled = []
    for bag in range(trace.calls.first_bag[call], trace.calls.first_bag[call] + trace.calls.bags[call]):
        lookups = np.flatnonzero(trace.bag == bag)
        vectors = [elements(trace, number, trace.entry[n]) for n in lookups]
        if kind == "none":
            pooled += vectors
            continue
        if trace.weight is not None:
            vectors = [float(trace.weight[n]) * v for n, v in zip(lookups, vectors, strict=True)]
        combine = {"sum": np.sum, "mean": np.mean, "max": np.max}[kind]
        pooled.append(combine(vectors, axis=0) if vectors else np.zeros(trace.tables[number].dim))
    return np.array(pooled).reshape(-1, trace.tables[number].dim)


@pytest.fixture(params=["torch", "numpy"])
def library(request, monkeypatch):
    if request.param == "torch":
        pytest.importorskip("torch", reason="it is the reference where it is installed")
    else:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return request.param


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("kind", "weighted"), KINDS)
def test_calls_pool_what_adding_by_hand_gives(library, kind, weighted, dtype):
    weights = np.random.default_rng(3) if weighted else None
    trace = some_trace(9, dims=(4, 17, 64), pooling=kind, weights=weights).stored_as(dtype)
    assert pooling.reference().startswith(library)
    for call, pooled in pooled_outputs(trace):
        expected = by_hand(trace, call)
        assert pooled.dtype == np.float32
        np.testing.assert_allclose(pooled, expected, rtol=1e-6, atol=2e-5 if weighted else 0)
        if kind != "mean" and not weighted:
            np.testing.assert_array_equal(pooled, expected)  # nothing rounds


@pytest.mark.parametrize("dtype", TYPES)
def test_bags_and_calls_without_lookups_pool_to_zero(library, dtype):
    trace = trace_of([(9, 8)], [(0, [[], []]), (0, []), (0, [[], [3], []])], dtypes=[dtype])
    outputs = dict(pooled_outputs(trace))
    assert [pooled.shape for pooled in outputs.values()] == [(2, 8), (0, 8), (3, 8)]
    assert not outputs[0].any()
    assert not outputs[2][[0, 2]].any()
    np.testing.assert_array_equal(outputs[2][1], elements(trace, 0, 3))
