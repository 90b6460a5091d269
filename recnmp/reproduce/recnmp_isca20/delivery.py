"""Instruction bandwidth: NMP instructions, eight in the time of a burst, against one DDR command a clock."""

from recnmp.library.dram import load_standard
from recnmp.report.charts import Chart, Series
from recnmp.reproduce.jobs import Job, Outcome
from recnmp.reproduce.recnmp_isca20.setup import near, peak_gb_per_s, point, ranks_of, traffic
from recnmp.reproduce.scoreboard import Experiment, Finding, Key, Ours, Results, Values
from recnmp.reproduce.traffic import text_of

_DIMS = {64: 16, 128: 32, 256: 64}
_SHAPES = ("1x1", "1x2", "2x2", "4x2")
_KINDS = ("compressed", "ddr_commands")

_SHARED = (
    "headers and sums take their part of the channel, and a packet waits for its busiest rank; the derived "
    "value is for commands alone"
)
REASONS = {
    "commands-64": _SHARED,
    "commands-128": _SHARED,
    "commands-256": _SHARED,
    "expansion-64": "a random 64 B lookup is PRE, ACT, RD: 3 clocks of C/A, against half a clock for an "
    "instruction, so 6 times at most, less the clocks around a packet; 8 is the count of lookups per burst "
    "time",
}


def experiment(quick: bool) -> Experiment:
    """Return the experiment; ``quick`` takes shorter traces."""
    jobs: dict[Key, Job] = {
        (size, kind, shape): near(traffic("random", quick, dim=dim), shape, delivery=kind)
        for size, dim in _DIMS.items()
        for kind in _KINDS
        for shape in _SHAPES
    }
    return Experiment("instruction-bandwidth", "Instruction bandwidth", jobs, _measure, REASONS)


def _measure(results: Results, _: Values) -> Finding:
    points = [
        point(outcome, vector_bytes=key[0], delivery=key[1], shape=key[2], ranks=ranks_of(str(key[2])))
        for key, outcome in results.items()
    ]
    trace = results[64, "compressed", "4x2"].trace
    ours = {
        f"commands-{size}": Ours(
            _peaks(results[size, "ddr_commands", "4x2"]), results[size, "compressed", "4x2"].trace
        )
        for size in _DIMS
    }
    clocks = {kind: _clocks_per_lookup(results[64, kind, "4x2"]) for kind in _KINDS}
    burst = load_standard("ddr4_2400").cycles["nBL"]
    ours["instructions-per-window"] = Ours(burst / clocks["compressed"], trace)
    ours["expansion-64"] = Ours(clocks["ddr_commands"] / clocks["compressed"], trace)
    return Finding(ours, points, _chart(results), _remarks(results))


def _peaks(outcome: Outcome) -> float:
    """Return the bandwidth of all ranks in peaks of one: how many are kept streaming."""
    return float(outcome.memory["gb_per_s"]) / peak_gb_per_s()


def _clocks_per_lookup(outcome: Outcome) -> float:
    """Return clocks of delivery for each lookup, without the configuration writes of packets."""
    burst = load_standard("ddr4_2400").cycles["nBL"]
    cycles = outcome.memory["cycles"]
    headers = outcome.details["packets"] * 4 * burst  # one burst for each of four DIMMs
    delivery = outcome.details["time_share"]["delivery"] * cycles
    return float((delivery - headers) / outcome.trace["lookups"])


def _chart(results: Results) -> Chart:
    series = tuple(
        Series(
            f"{size} B, {'instructions' if kind == 'compressed' else 'DDR commands'}",
            tuple(_peaks(results[size, kind, shape]) for shape in _SHAPES),
            kind == "ddr_commands",
        )
        for size in _DIMS
        for kind in _KINDS
    )
    return Chart(
        "lines",
        "Bandwidth of all ranks by how they are told what to read",
        "DIMMs x ranks of a DIMM, one channel",
        "peaks of one rank's bus",
        _SHAPES,
        series,
        caption=text_of(results[64, "compressed", "4x2"].trace),
    )


def _remarks(results: Results) -> list[str]:
    return [
        f"{size} B on 8 ranks: {_peaks(results[size, 'compressed', '4x2']):.2f} rank peaks with instructions, "
        f"{_peaks(results[size, 'ddr_commands', '4x2']):.2f} with DDR commands; on 2 ranks "
        f"{_peaks(results[size, 'compressed', '1x2']):.2f} and {_peaks(results[size, 'ddr_commands', '1x2']):.2f}."
        for size in _DIMS
    ]
