"""Shares of operators in a model's time on a CPU, from a stored profile, beside shares that others measured."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from recnmp.library.device import DeviceProfile, load_device
from recnmp.library.published import load_published
from recnmp.mlp.profile import operator_times, time_from_profile
from recnmp.report.charts import Chart, Series
from recnmp.reproduce.scoreboard import Finding, Ours, Values

DEVICE = "xeon_2core_shared_2026"
ABOUT = (
    "medians of a stored device profile, one core of a shared virtual Xeon, PyTorch, every operator timed alone by "
    "CPU time: weights of dense parts stay in the caches between calls, entries of SLS do not. SLS looks up "
    "synthetic indices with the reuse that Meta published, in tables four times the last-level cache (NCF's, 82 MiB, "
    "fit in it). Layers are MLPs with their activations, NCF's sum, all of DIN's attention units (their "
    "concatenations, too) and of DIEN's recurrent part. Nothing is run: the same profile gives the same page."
)
BATCHES = (1, 16, 64, 256, 1024)
PARTS = ("SLS", "layers", "concatenation")
"""Operators by kind: SLS, all that computes, and vectors put side by side."""

SMALL = 0.15
"""Share of the time up to which SLS counts as small."""

_CALLS = (
    "PyTorch spends some 6 µs on every call, one for each table, which is most of SLS here; layers run at once, "
    "their weights in the caches of a core with AVX-512"
)
_BALANCE = (
    "likely since the core at hand does layers at 80 to 130 GFLOP/s, weights in its caches, and gathers at 4 to "
    "8 GB/s in a machine whose memory others use; published indices were uniform"
)
_BOUND = f"1 / (1 - share) makes much of few points of a share near one; {_BALANCE}"
_DIN = (
    "the released command line makes 4 tables and one attention unit, so the bars may be of those; ours has all 254 "
    "tables and 251 units"
)
_DIEN = "what is most of the published time, Caffe2's RecurrentNetwork, takes PyTorch's layers 0.4 to 0.8 ms"
_RECALLED = "the paper's RMC1 is not public, the released RM1 with 80 lookups a table stands in for it"
REASONS = {
    **dict.fromkeys(("rm1-1-sls", "rm1-1-layers"), f"8 tables: {_CALLS}; less 6 µs a table SLS were 36 %"),
    **dict.fromkeys(("wide-deep-1-sls", "wide-deep-1-layers"), f"27 tables: {_CALLS}"),
    **dict.fromkeys(("mt-wnd-1-sls", "mt-wnd-1-layers"), f"43 tables: {_CALLS}"),
    **dict.fromkeys(("ncf-1-sls", "ncf-1-layers"), f"4 tables: {_CALLS}"),
    **dict.fromkeys([f"din-{size}-{kind}" for size in (16, 64, 1024) for kind in ("sls", "layers")], _DIN),
    **dict.fromkeys(
        [f"dien-{size}-{kind}" for size in (1, 16) for kind in ("sls", "layers")],
        f"43 tables: {_CALLS}; {_DIEN}",
    ),
    **dict.fromkeys(("rm1-64-amdahl", "rm2-64-amdahl"), _BOUND),
    "din-64-amdahl": _DIN,
    **dict.fromkeys(("rmc1-sls", "rmc1-layers"), f"{_RECALLED}; 8 tables: {_CALLS}"),
    "rmc1-latency": f"{_RECALLED}; 8 tables: {_CALLS}",
    "rmc2-latency": f"32 tables: {_CALLS}; another processor and library",
}
"""Why ours differs, by the ids of published values."""

SHOWN = {
    "rm1": "RM1",
    "rm2": "RM2",
    "rm3": "RM3",
    "ncf": "NCF",
    "wide_deep": "WnD",
    "mt_wnd": "MT-WnD",
    "din": "DIN",
    "dien": "DIEN",
}
"""DeepRecSys' models by file name, and what they are called in figures."""


class Breakdown(NamedTuple):
    """Where the time of one batch goes [ns], every operator alone, one after the other."""

    model: str
    batch_size: int
    sls_ns: float
    layers_ns: float
    concatenation_ns: float
    stable: bool

    @property
    def total_ns(self) -> float:
        """All operators."""
        return self.sls_ns + self.layers_ns + self.concatenation_ns

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares of `PARTS` in the whole."""
        whole = self.total_ns
        return self.sls_ns / whole, self.layers_ns / whole, self.concatenation_ns / whole

    @property
    def amdahl_bound(self) -> float:
        """Speed-up of the whole if SLS took no time."""
        return self.total_ns / (self.total_ns - self.sls_ns)


def breakdown(device: DeviceProfile, model: str, batch_size: int) -> Breakdown:
    """Return where ``device`` says that the time of a batch goes; raises ConfigError for what it lacks."""
    times = {name: part.median_ns for name, part in operator_times(device, model, batch_size).items()}
    sls, concatenation = times.pop("sls"), times.pop("interaction")
    stable = (
        all(of.stable for of in device.sls_batches[model].batches if of.batch_size == batch_size)
        and time_from_profile(device, model, batch_size).stable
    )
    return Breakdown(model, batch_size, sls, sum(times.values()), concatenation, stable)


def finding(models: Sequence[str], values: Values, title: str) -> Finding:
    """Return shares of ``models`` at every batch size, Amdahl bounds at 64, the figure and what they say."""
    device = load_device(DEVICE)
    found = {model: [breakdown(device, model, size) for size in BATCHES] for model in models}
    ours: dict[str, Ours] = {}
    for model, of_model in found.items():
        for one in of_model:
            name = f"{_id(model)}-{one.batch_size}"
            numbers = {
                f"{name}-sls": one.shares[0],
                f"{name}-layers": one.shares[1],
                f"{name}-amdahl": one.amdahl_bound,
            }
            ours |= {key: Ours(number, None) for key, number in numbers.items() if key in values}
    points = [point for of_model in found.values() for point in map(_point, of_model)]
    return Finding(ours, points, _chart(found, values, title), _remarks(device, found))


def reasons(name: str) -> dict[str, str]:
    """Return those of `REASONS` that explain values of the reproduction ``name``."""
    known = {value.id for value in load_published(name).values}
    return {key: reason for key, reason in REASONS.items() if key in known}


def _id(model: str) -> str:
    return model.replace("_", "-")


def _point(one: Breakdown) -> dict[str, Any]:
    return {
        "model": one.model,
        "batch_size": one.batch_size,
        "sls_us": one.sls_ns / 1e3,
        "layers_us": one.layers_ns / 1e3,
        "concatenation_us": one.concatenation_ns / 1e3,
        "sls_share": one.shares[0],
        "layers_share": one.shares[1],
        "concatenation_share": one.shares[2],
        "speedup_if_sls_took_no_time": one.amdahl_bound,
        "stable": one.stable,
    }


def _chart(found: Mapping[str, Sequence[Breakdown]], values: Values, title: str) -> Chart:
    wholes = [one for of_model in found.values() for one in of_model]
    ours = tuple(Series(part, tuple(one.shares[n] for one in wholes)) for n, part in enumerate(PARTS))
    return Chart(
        "stacked",
        title,
        "batch size",
        "share of time",
        tuple(str(one.batch_size) for one in wholes),
        ours,
        caption="left of each pair: ours, stored profile of one core of a shared Xeon; right, paler: published, "
        "where there is a figure",
        beside=tuple(
            Series(part, tuple(_published(one, values)[n] for one in wholes)) for n, part in enumerate(PARTS)
        ),
        groups=tuple(SHOWN[model] for model in found),
    )


def _published(one: Breakdown, values: Values) -> tuple[float | None, float | None, float | None]:
    """Return the published shares of `PARTS`, the last one what is left; None where nothing was."""
    name = f"{_id(one.model)}-{one.batch_size}"
    sls, layers = values.get(f"{name}-sls"), values.get(f"{name}-layers")
    if sls is None or layers is None:
        return None, None, None
    return sls, layers, max(0.0, 1 - sls - layers)


def _rise(of_model: Sequence[Breakdown]) -> str:
    """Say up to which batch the share of SLS rises, and how far below it is beyond."""
    shares = [one.shares[0] for one in of_model]
    peak = next((n for n, (a, b) in enumerate(pairwise(shares)) if b < a), len(shares) - 1)
    if not peak:
        return "no"
    beyond = [
        f"{100 * (shares[peak] - one.shares[0]):.1f} points lower at {one.batch_size}"
        for one in of_model[peak + 1 :]
    ]
    return f"yes, up to {of_model[peak].batch_size}" + (f"; {', '.join(beyond)}" if beyond else "")


def _remarks(device: DeviceProfile, found: Mapping[str, Sequence[Breakdown]]) -> list[str]:
    """Say whether SLS rises with the batch where it should, and stays small where it should."""
    remarks = []
    for model, of_model in found.items():
        shares = [one.shares[0] for one in of_model]
        text = f"{SHOWN[model]}: SLS takes {' / '.join(f'{share:.0%}' for share in shares)} at batch "
        text += f"{' / '.join(str(one.batch_size) for one in of_model)}"
        if model in ("rm1", "rm2"):
            text += f"; rises with the batch: {_rise(of_model)}"
        if model in ("rm3", "wide_deep"):
            large = [one.batch_size for one, share in zip(of_model, shares, strict=True) if share > SMALL]
            small = f"stays small (at most {SMALL:.0%}): "
            text += f"; {small}" + (f"no, not at batch {', '.join(map(str, large))}" if large else "yes")
        remarks.append(text + ".")
    of_sls = [device.sls_batches[model] for model in found]
    passes = sorted(batch.sls.repeats for times in of_sls for batch in times.batches)
    clock = {"cpu": "CPU time", "wall": "wall time"}
    threads = f"{device.threads} thread{'s' * (device.threads != 1)}"
    remarks.append(
        f"Dense parts: {device.backend}, {threads}, {clock[device.clock]}, {device.date}; SLS: PyTorch's embedding "
        f"bags, {clock[of_sls[0].clock]}, {of_sls[0].date}, {passes[0]} to {passes[-1]} passes over the "
        f"{of_sls[0].indices}. The machine: {device.note}."
    )
    return remarks
