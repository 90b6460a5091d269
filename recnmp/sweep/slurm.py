"""Workers as Slurm jobs, through dask-jobqueue: what a profile file says, and the cluster made of it."""

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recnmp.config.document import Document
from recnmp.config.schema import Bytes


class SlurmProfile(BaseModel):
    """The jobs of a sweep on Slurm: one worker each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(ge=1, le=10_000, description="jobs submitted, a worker of one core in each")
    memory: Bytes = Field(description="of a job; a worker beyond 95 % of it is restarted")
    walltime: Annotated[str, Field(pattern=r"^(\d+-)?\d{1,3}:\d{2}(:\d{2})?$")] = Field(
        "01:00:00",
        description="of a job; points that a job's end cuts off are run again by others, or on resume",
    )
    partition: str | None = Field(None, description="partition; the cluster's own choice when absent")
    account: str | None = Field(None, description="account that pays")
    interface: str | None = Field(
        None, description="network interface workers and scheduler use, such as ib0"
    )
    directives: list[str] = Field(
        default_factory=list, description="further #SBATCH options, such as --qos=low"
    )
    prologue: list[str] = Field(
        default_factory=list, description="shell lines a job runs first, such as module load python"
    )


def read_profile(path: Path) -> SlurmProfile:
    """Read a profile; raises ConfigError with file, line and column for what is wrong in it."""
    return Document.read(path).validate(SlurmProfile)


@contextmanager
def slurm_cluster(profile: SlurmProfile) -> Iterator[Any]:
    """Yield a cluster whose scheduler runs here and whose workers are jobs; they end with it."""
    dask, jobqueue = importlib.import_module("dask"), importlib.import_module("dask_jobqueue")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 3}),
        jobqueue.SLURMCluster(
            n_workers=profile.workers,
            cores=1,
            processes=1,
            memory=f"{profile.memory}B",
            walltime=profile.walltime,
            queue=profile.partition,
            account=profile.account,
            interface=profile.interface,
            job_extra_directives=profile.directives,
            job_script_prologue=profile.prologue,
            scheduler_options={"dashboard": False, "dashboard_address": ":0"},
            silence_logs=logging.ERROR,
        ) as cluster,
    ):
        yield cluster
