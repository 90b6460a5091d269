"""The table a person reads."""

import io
import re

import pytest

from recnmp.report.result import Result
from recnmp.report.tables import print_result


def shown(document, width=80, encoding="utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    print_result(document, file, width)
    file.flush()
    return raw.getvalue().decode(encoding)


def row(text: str, label: str) -> list[str]:
    """The cells after ``label``."""
    (line,) = [line for line in text.splitlines() if line.strip().startswith(label)]
    return re.split(r"\s{2,}", line.strip())[1:]


def test_latency_and_speedup_stand_side_by_side(document):
    text = shown(document)

    assert row(text, "SLS (gather-reduce)") == ["3.512 ms", "612.3 µs", "5.74 x"]
    assert row(text, "end to end") == ["3.663 ms", "731.7 µs", "5.01 x"]
    assert row(text, "samples/s") == ["17,474", "87,462"]
    assert row(text, "if SLS took no time") == ["24.4% reached", "24.38 x"]
    assert row(text, "queries/s") == ["273", "1,367"]
    assert row(text, "lookups/s") == ["11,183,488", "55,975,744"]


def test_the_title_says_what_ran_on_what(document):
    first, second, *_ = shown(document).splitlines()

    assert first == "RM1 · host against recnmp · ddr4_2400, 1 channel x 4 DIMMs x 2 ranks"
    assert second == "  rm1_small.parquet: 20 batches of 64, 819,200 lookups, 23.4% unique"


def test_the_breakdown_shows_every_part_and_what_is_hidden(document):
    text = shown(document)

    assert row(text, "bottom MLP") == ["30.80 µs", "▏", "30.80 µs", "▏"]
    assert row(text, "hidden: MLP beside SLS") == ["-30.80 µs"]
    (sls,) = [line for line in text.splitlines() if line.startswith("  SLS  ")]
    assert [bar.count("█") for bar in re.findall("[█▏▎▍▌▋▊▉]+", sls)] == [11, 2]


def test_memory_and_near_memory_figures_are_there(document):
    text = shown(document)

    assert row(text, "bandwidth") == ["14.93 GB/s", "85.64 GB/s"]
    assert row(text, "bus utilisation") == ["77.8%", "55.7%"]
    assert row(text, "row hit/miss/conflict") == ["50 / 1 / 49 %", "50 / 1 / 49 %"]
    assert row(text, "ACT commands") == ["818,588", "818,410"]
    assert row(text, "RD commands") == ["1,638,400", "1,638,400"]
    assert "near memory: 12,800 packets, 819,200 instructions" in text
    assert row(text, "RankCache hits") == ["34.1%"]
    assert row(text, "rank load imbalance") == ["1.29", "1.35"]
    assert row(text, "packet load imbalance") == ["1.51", "busiest rank over the mean"]
    assert "copies" not in text
    assert row(text, "instruction delivery")[0] == "21.2%"


def ledger(host: float, nmp: float | None, saving: float | None) -> dict:
    certainty = {"io_and_logic_constants": "RecNMP (ISCA 2020)", "io_and_logic_certainty": "recalled"}
    sides = {"host": {"total_nj_per_lookup": host}, "nmp": nmp and {"total_nj_per_lookup": nmp}}
    return sides | certainty | {"saving_percent_against_host": saving, "note": None}


def test_energy_of_a_lookup_stands_ledger_by_ledger_with_what_it_is_worth(document):
    assert "energy" not in shown(document)
    unit = {"units": 4, "area_mm2_per_unit": 0.54, "power_mw_per_unit": 184.2, "certainty": "recalled"}
    document["energy"] = {
        "recnmp_isca20": ledger(39.128, 15.009, 61.641),
        "idd": ledger(62.753, 13.264, 78.864),
        "units": unit | {"note": "not scaled"},
    }
    text = shown(document)
    assert row(text, "RecNMP's constants") == ["39.13 nJ", "15.01 nJ", "61.6%"]
    assert row(text, "IDD currents") == ["62.75 nJ", "13.26 nJ", "78.9%"]
    assert (
        "constants of RecNMP (ISCA 2020): recalled; 4 units of 0.54 mm2 and 184.2 mW, recalled; not scaled"
        in " ".join(text.split())
    )


def test_a_ledger_that_is_not_known_is_left_out_and_the_reason_is_told(document):
    document["energy"] = {
        "recnmp_isca20": ledger(20.5, None, None) | {"note": "they are of ddr4"},
        "idd": None,
        "idd_note": "there are no currents",
        "units": None,
    }
    text = shown(document)
    assert row(text, "RecNMP's constants") == ["20.50 nJ"]
    assert "IDD" not in text
    assert "recalled; they are of ddr4; there are no currents" in " ".join(text.split())


def test_the_notes_say_how_far_the_figures_can_be_trusted(document):
    text = re.sub(r"\s+", " ", shown(document))

    assert "host baseline the host reads every lookup's bursts through the same DRAM with FR-FCFS" in text
    assert "measured on this CPU, torch 2.13.0+cpu, 1 thread, unstable: interaction spread 16%" in text
    assert "pooled vectors passed: 10,240 bags bit-exact" in text
    assert "controllers" not in text


def test_all_that_decides_the_order_of_commands_is_named(document):
    memory = {"policy": "frfcfs_rowhit", "page_policy": "closed", "refresh": "off"}
    document["config"]["memory"] |= memory | {"row_hit_cap": 4, "merge_reads": True}
    document["memory"]["host"]["merged"] = 1234
    text = " ".join(shown(document).split())
    assert "controllers frfcfs_rowhit, closed pages, row-hit cap 4, reads merged, refresh off" in text
    assert row(shown(document), "merged reads") == ["1,234"]
    document["config"]["memory"] |= {"row_hit_cap": None, "merge_reads": False}
    assert "controllers frfcfs_rowhit, closed pages, refresh off" in " ".join(shown(document).split())


def test_what_copies_cost_is_told(document):
    document["nmp"]["replication"] = {
        "entries": 8000,
        "copies": 8,
        "bytes": 8_192_000,
        "table_share": 0.002,
        "lookup_share": 0.405,
    }
    text = shown(document)
    assert row(text, "entries with copies") == ["8,000", "one in each of 8 ranks"]
    assert row(text, "memory for copies") == ["7.8 MiB", "0.20% of the tables"]
    assert row(text, "lookups of copies") == ["40.5%"]


@pytest.mark.parametrize(
    ("placement", "told"),
    [
        ({"pages": "random", "page_bytes": 4096}, "placement random pages of 4 KiB pooled"),
        (
            {"pages": "coloured", "colours": "balanced", "page_bytes": 2 << 20},
            "coloured pages of 2 MiB, colours balanced, heat counted in the batches replayed",
        ),
        (
            {
                "pages": "random",
                "page_bytes": 64,
                "replicate": {"entries": 1},
                "profile": {"first_batch": 3, "batches": 2},
            },
            "random pages of 64 B, hot entries copied, heat counted in 2 batches of the trace file, from 3 on",
        ),
        (
            {
                "pages": "coloured",
                "colours": "in_turn",
                "page_bytes": 4096,
                "replicate": {"share": 1},
                "profile": {"first_batch": 0, "batches": None},
            },
            "colours in_turn, hot entries copied, heat counted in all batches of the trace file, from 0 on",
        ),
    ],
)
def test_pages_and_what_told_heat_are_named(document, placement, told):
    document["config"]["placement"] = placement
    document["mlp"] = {}
    assert told in " ".join(shown(document).split())


def test_a_profile_is_named_with_its_note(document):
    document["mlp"] |= {"method": "profile", "device": "abacus", "stable": True, "note": "stored times"}

    text = re.sub(r"\s+", " ", shown(document))

    assert "profile abacus, torch 2.13.0+cpu, 1 thread, stable; stored times" in text


def test_a_run_of_the_host_alone_leaves_near_memory_out(host_document):
    text = shown(host_document)

    assert "NMP" not in text
    assert "near memory:" not in text
    assert "RM1 · host alone" in text
    assert row(text, "SLS (gather-reduce)") == ["3.512 ms"]
    assert row(text, "rank load imbalance") == ["1.29"]
    assert "skipped: nothing was pooled near memory" in text


def test_a_near_memory_that_is_slower_still_fits(document):
    document["sls"] |= {"nmp_ns": 7e6, "speedup_over_host": 0.5018}
    document["end_to_end"] |= {"nmp_ns": 7.12e6, "speedup_over_host": 0.5144}
    document["end_to_end"]["breakdown"]["nmp"]["sls_ns"] = 7e6

    text = shown(document)

    assert row(text, "SLS (gather-reduce)")[2] == "0.50 x"
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_keeps_to_its_width_and_to_a_screen(document, width):
    lines = shown(document, width).splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) <= 50


def test_a_pipe_gets_no_control_codes_and_a_terminal_bold_headings(document, monkeypatch):
    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    bold, plain = Terminal(), Terminal()
    print_result(document, bold, 80)
    monkeypatch.setenv("NO_COLOR", "1")
    print_result(document, plain, 80)

    assert "\x1b" not in shown(document)
    assert "\x1b[1mmemory, all batches" in bold.getvalue()
    assert plain.getvalue() == shown(document)


def test_an_ascii_file_gets_the_same_figures(document):
    text = shown(document, encoding="ascii")

    assert row(text, "end to end") == ["3.663 ms", "731.7 us", "5.01 x"]
    assert "?" not in text


def test_a_result_and_its_document_look_the_same(document):
    sections = {key: value for key, value in document.items() if key != "format"}

    assert shown(Result(**sections)) == shown(document)


def test_a_result_with_little_in_it_is_no_failure():
    text = shown({"config": {"model": "rm1"}})

    assert text.startswith("RM1")


def rates(queries: float) -> dict[str, float]:
    return {"queries_per_s": queries, "samples_per_s": 64 * queries, "lookups_per_s": 640 * queries}


def side(alone_ns: float, most: float, p95_ns: float | None) -> dict[str, object]:
    latency = None if p95_ns is None else {"p95_ns": p95_ns}
    return {
        "query_alone_ns": alone_ns,
        "throughput": rates(most),
        "bottleneck": "memory",
        "within_p95": rates(most / 2),
        "at": [rates(1e4) | {"latency": latency}],
    }


def test_queries_under_load_stand_in_all_units(document):
    serving = {
        "threads": 2,
        "query_samples_mean": 64.0,
        "p95_target_ns": 5e6,
        "host": side(2e6, 1e3, None),
        "nmp": side(1e6, 3e4, 3e6),
        "speedup_over_host": {"query_alone": 2.0, "throughput": 30.0, "within_p95": 30.0},
        "throughput_without_sls": rates(4e4),
    }
    document["end_to_end"]["serving"] = serving
    text = shown(document).partition("queries under load")[2].partition("where the time")[0]
    assert "2 threads, 64 samples" in text
    assert row(text, "one query alone") == ["2.000 ms", "1.000 ms", "2.00 x"]
    assert row(text, "p95 at 10,000 queries/s") == ["too many", "3.000 ms"]
    assert row(text, "most: queries/s") == ["1,000", "30,000", "30.00 x"]
    assert row(text, "most: lookups/s") == ["640,000", "19,200,000"]
    assert row(text, "p95 <= 5 ms: samples/s") == ["32,000", "960,000"]
    assert row(text, "if SLS took no time") == ["40,000 queries/s", "40.00 x"]

    serving |= {"nmp": None, "speedup_over_host": None}
    alone = shown(document).partition("queries under load")[2].partition("where the time")[0]
    assert row(alone, "most: queries/s") == ["1,000"]
    assert row(alone, "p95 at 10,000 queries/s") == ["too many"]


def test_hosts_beside_the_baseline_have_a_line_each_and_a_note(document):
    lines = shown(document).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("the host's SLS"))
    assert [line.split("  ")[1] for line in lines[begin + 1 : begin + 4]] == [
        "bound by DRAM alone",
        "+ last-level cache",
        "as measured",
    ]
    assert lines[begin + 3].endswith("14.72 x")
    note = " ".join(line.strip() for line in lines[lines.index("", begin) :])
    assert "a last-level cache answers 48.4% of the bursts; torch on a machine, 1 thread" in note
