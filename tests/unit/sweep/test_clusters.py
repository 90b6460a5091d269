"""Other processes: workers and clients that are killed, a scheduler elsewhere, Slurm's jobs."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reference.traffic import JITTED

from recnmp.errors import ConfigError, RecnmpError
from recnmp.sweep.clusters import workers
from recnmp.sweep.run import Where, run_sweep
from recnmp.sweep.slurm import read_profile
from recnmp.sweep.store import Store

dist = pytest.mark.skipif(not JITTED, reason="processes of their own need compiled kernels")
HERE = Where("none")
TABLES = ("results.csv", "results.parquet")
POINTS = 12
SWEEP = """\
extends: rank8
mlp: {kind: none}
trace: {batches: 1}
functional_check: "off"
sweep: {axes: [{grid: {memory.read_queue: [%s]}}]}
"""


def same_tables(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in TABLES)


def wait_for(condition, seconds: float = 400.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def pids(points: list[Path]) -> set[int]:
    return {json.loads(path.read_text())["worker"]["pid"] for path in points}


@dist
def test_a_killed_worker_and_a_killed_client_lose_nothing_else(tmp_path):
    pytest.importorskip("distributed", reason="the embedded cluster needs the extra dist")
    config, out = tmp_path / "s.yaml", tmp_path / "killed"
    config.write_text(SWEEP % ", ".join(map(str, range(16, 16 + POINTS))))
    command = [sys.executable, "-m", "recnmp", "sweep", str(config), "--out", str(out), "--workers", "2"]

    def done() -> list[Path]:
        return list((out / "points").glob("*.json"))

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as client:
        wait_for(lambda: done() or client.poll() is not None)
        victim = next(iter(pids(done())))
        os.kill(victim, signal.SIGKILL)
        before = len(done())
        wait_for(lambda: len(done()) >= before + 4 or client.poll() is not None)
        client.kill()
    kept = done()
    assert 4 < len(kept) < POINTS, "the client was killed in the middle"
    assert pids(kept) - {victim}
    wait_for(lambda: not any(map(alive, pids(kept))))

    again = run_sweep(config, out, where=HERE)
    assert (again.run, again.failed) == (POINTS - len(kept), {})
    undisturbed = tmp_path / "undisturbed"
    run_sweep(config, undisturbed, where=HERE)
    assert same_tables(out, undisturbed)
    assert not (out / ".traces").exists()


@dist
def test_a_port_that_another_sweep_has_taken_is_no_news(recwarn):
    pytest.importorskip("distributed", reason="the embedded cluster needs the extra dist")
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # another cluster has it
            taken.bind(("127.0.0.1", 8787))
            taken.listen()
        with workers("local", 1) as (_, count):
            assert count() == 1
    assert [str(one.message) for one in recwarn if "Port" in str(one.message)] == []


@contextlib.contextmanager
def started(*module_and_options: str):
    process = subprocess.Popen(
        [sys.executable, "-m", *module_and_options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@dist
def test_a_scheduler_and_workers_in_other_processes_run_the_same_sweep(sweep, tmp_path):
    pytest.importorskip("distributed", reason="a cluster needs the extra dist")
    path, file = sweep("  seeds: 6"), tmp_path / "scheduler.json"
    where = ["--scheduler-file", str(file), "--no-dashboard"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *where]
    worker = ["distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *where]
    with started(*scheduler), started(*worker), started(*worker):
        wait_for(file.exists)
        address = json.loads(file.read_text())["address"]
        done = run_sweep(path, tmp_path / "remote", where=Where(address))
    assert (done.run, done.failed) == (6, {})
    assert os.getpid() not in pids(list((tmp_path / "remote" / "points").iterdir()))
    run_sweep(path, tmp_path / "here", where=HERE)
    assert same_tables(tmp_path / "remote", tmp_path / "here")


SBATCH = """\
#!/bin/sh
grep -q -- '--qos=low' "$1" || exit 1
cp "$1" job.sh  # the script is gone as soon as sbatch returns
setsid sh job.sh >/dev/null 2>&1 &
echo "Submitted batch job 1"
"""


@dist
def test_slurm_jobs_run_the_same_sweep(sweep, tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue", reason="Slurm needs the extra dist")
    (tmp_path / "bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", "#!/bin/sh\n")):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("recnmp.sweep.clusters.JOIN_SECONDS", 60)
    monkeypatch.chdir(tmp_path)
    Path("jobs.yaml").write_text("workers: 1\nmemory: 2 GiB\ninterface: lo\ndirectives: [--qos=low]\n")
    path = sweep()
    done = run_sweep(path, tmp_path / "slurm", where=Where("slurm:jobs.yaml"))
    assert (done.run, done.failed) == (2, {})
    run_sweep(path, tmp_path / "here", where=HERE)
    assert same_tables(tmp_path / "slurm", tmp_path / "here")


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (Where("mars"), r"--cluster mars: must be local, none, tcp://HOST:PORT or slurm:PROFILE\.yaml"),
        (
            Where("none", workers=2),
            r"--workers and --memory are for the embedded cluster, not for --cluster none",
        ),
        (Where("tcp://127.0.0.1:1", memory_bytes=1 << 30), r"--memory are for the embedded cluster"),
        (Where("slurm:no.yaml"), r"no\.yaml: no such file"),
    ],
)
def test_a_cluster_that_cannot_be_meant_is_refused(where, message):
    with pytest.raises(ConfigError, match=message), workers(where.cluster, where.workers, where.memory_bytes):
        pass


def test_a_scheduler_that_is_not_there_is_one_line(monkeypatch):
    pytest.importorskip("distributed", reason="a cluster needs the extra dist")
    monkeypatch.setattr("recnmp.sweep.clusters.CONNECT_SECONDS", 0.2)
    message = r"--cluster tcp://127\.0\.0\.1:1: no scheduler answers"
    with pytest.raises(RecnmpError, match=message) as told, workers("tcp://127.0.0.1:1"):
        pass
    assert "\n" not in str(told.value)


def test_a_cluster_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    message = r"needs distributed: pip install 'recnmp\[dist\]'; --cluster none"
    with pytest.raises(ConfigError, match=message), workers("local"):
        pass


def test_a_profile_is_checked_like_any_file(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("workers: 2\nmemory: 2 GB\nwalltime: long\nqueue: x\n")
    with pytest.raises(ConfigError, match=r"p\.yaml:2:9: memory: not a size") as told:
        read_profile(path)
    assert "p.yaml:3:11: walltime" in str(told.value)
    assert "p.yaml:4:1: queue: unknown key" in str(told.value)


def test_an_error_takes_the_place_of_nothing_and_a_result_that_of_an_error(tmp_path):
    from recnmp.sweep.task import Outcome

    store = Store(tmp_path)
    store.save(Outcome("k", None, "went wrong", "Traceback\n"))
    assert store.has("k")
    assert not store.has("k", errors=False)
    assert store.missing(["k", "l"], errors=True) == ["l"]
