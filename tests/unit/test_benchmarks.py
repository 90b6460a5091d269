import json
import subprocess
import sys
from pathlib import Path

import pytest
from reference.traffic import JITTED

from recnmp._registry import plugin_names

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.skipif(not JITTED, reason="a benchmark times compiled kernels")
@pytest.mark.parametrize(
    ("script", "size"), [("dram_engine.py", "--requests"), ("recnmp_ranks.py", "--lookups")]
)
def test_a_benchmark_runs_and_gives_a_rate_for_every_case(script, size):
    command = [sys.executable, script, size, "500", "--repeats", "2", "--json"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["machine"]["repeats"] == 2
    assert len({result["case"] for result in document["results"]}) == len(document["results"]) >= 12
    assert all(0 < result["median"] <= result["best"] for result in document["results"])


@pytest.mark.skipif(not JITTED, reason="a benchmark times compiled kernels")
def test_exact_lru_curves_give_a_rate_for_every_stream():
    command = [sys.executable, "stack_distance.py", "--accesses", "500", "--repeats", "2", "--json"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert document["machine"]["accesses"] == 500
    assert len({result["case"] for result in document["results"]}) == 5
    assert all(0 < result["median"] <= result["best"] for result in document["results"])


@pytest.mark.skipif(not JITTED, reason="a benchmark times compiled kernels")
def test_every_replacement_policy_gives_a_rate():
    command = [sys.executable, "cache_policies.py", "--accesses", "500", "--repeats", "1", "--json"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    timed = {result["case"].split(",")[0] for result in json.loads(done.stdout)["results"]}
    assert timed == set(plugin_names("cache.policies"))


@pytest.mark.skipif(not JITTED, reason="a benchmark times compiled kernels")
def test_memoised_clusters_give_a_rate():
    command = [sys.executable, "memo_clusters.py", "--bags", "300", "--repeats", "1", "--json"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["results"][0]["median"] > 0


@pytest.mark.parametrize("script", ["dram_engine.py", "recnmp_ranks.py", "stack_distance.py"])
def test_the_first_call_of_a_process_can_be_timed_alone(script):
    done = subprocess.run(
        [sys.executable, script, "--first-call"], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) > 0


@pytest.mark.skipif(not JITTED, reason="a benchmark times compiled kernels")
@pytest.mark.parametrize("more", [[], ["--channels", "2", "--writes", "0.5", "--logs"]])
def test_a_long_text_trace_gives_a_rate_and_a_peak(more):
    command = [sys.executable, "trace_file.py", "--requests", "3000", *more]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("3,000 requests (")
    assert done.stdout.startswith("3,000 requests (0 writes)") == (not more)
    assert "M/s of CPU time, peak memory" in done.stdout


@pytest.mark.skipif(not JITTED, reason="a benchmark times compiled kernels")
def test_hits_of_a_trace_file_are_compared_with_a_textbook_cache_s():
    trace = FOLDER.parent / "traces" / "rm3.parquet"
    command = [sys.executable, "lru_of_traces.py", str(trace), "--sizes", "4", "64", "--repeats", "1"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert "\n| rm3 | " in done.stdout
    assert "\n0 of 2 hits differ" in done.stdout


@pytest.mark.skipif(not JITTED, reason="a benchmark times compiled kernels")
def test_trace_files_give_rates_and_peaks_of_both_ways():
    command = [sys.executable, "trace_storage.py", "--lookups", "1"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1,064,960 lookups, ")
    assert done.stdout.count("M lookups/s of CPU time, peak memory") == 3


def test_a_benchmark_of_nothing_is_refused():
    command = [sys.executable, "dram_engine.py", "--requests", "0"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "at least 1" in done.stderr
