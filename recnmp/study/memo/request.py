"""What a memoization study is asked for, checked before anything is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recnmp.errors import ConfigError
from recnmp.study.memo.merging import LARGEST_PART
from recnmp.study.memo.partition import METHODS

PART_SIZE = 128
MEMORY = (1.25, 1.5, 2.0, 9.0)


@dataclass(frozen=True)
class Request:
    """A study's budgets, what it learns from, and how.

    Attributes:
        memory: memory of the memo tables over that of the plain ones; kept ascending.
        train: share of the batches to learn from, the rest being judged; or a trace or bag file to learn from,
        all of
            the other being judged.
        partition: a key of ``METHODS``, or a file that ``read_parts`` reads.
        part_size: most items of a part.
        least: bags that an item must be in to be in a cluster; equal ones in a row count once.
        simulate: run host and near memory, too.
        batches: judged batches that are run, all when None.
        dim: elements of an entry, for bag files, which do not tell.
        batch_size: bags of a batch, for bag files.
    """

    memory: tuple[float, ...] = MEMORY
    train: float | Path = 0.5
    partition: str | Path = "greedy"
    part_size: int = PART_SIZE
    least: int = 1
    simulate: bool = True
    batches: int | None = None
    dim: int = 64
    batch_size: int = 2048

    def __post_init__(self) -> None:
        """Refuse what cannot be studied, with what is allowed."""
        if not self.memory or not all(1 < ratio < float("inf") for ratio in self.memory):
            raise ConfigError(
                "memory is a multiple of the tables' own, above 1: 2 has as much again for sums"
            )
        object.__setattr__(self, "memory", tuple(sorted(set(self.memory))))
        if not isinstance(self.train, Path) and not 0 < self.train < 1:
            raise ConfigError(f"train is a share between 0 and 1, or a file; got {self.train:g}")
        if not 2 <= self.part_size <= LARGEST_PART:
            raise ConfigError(f"a part has 2 to {LARGEST_PART:,} items, not {self.part_size:,}")

    def document(self) -> dict[str, Any]:
        """Return the request ready for JSON; files by their names."""
        of_file = isinstance(self.partition, Path)
        return {
            "memory": list(self.memory),
            "train": self.train.name if isinstance(self.train, Path) else self.train,
            "partition": Path(self.partition).name if of_file else self.partition,
            "part_size": None if of_file else self.part_size,
            "least": self.least,
            "batches": self.batches,
            "dim": self.dim,
            "batch_size": self.batch_size,
        }


def parse_memory(text: str) -> tuple[float, ...]:
    """Return the budgets of ``1.25,1.5,2``; raises ConfigError for anything else than numbers."""
    try:
        return tuple(float(word.removesuffix("x")) for word in text.split(","))
    except ValueError:
        raise ConfigError(f"memory is numbers parted by commas, such as 1.25,2,9; got {text!r}") from None


def parse_train(text: str) -> float | Path:
    """Return a share of the batches where ``text`` is a number, else a file."""
    try:
        return float(text)
    except ValueError:
        return Path(text)


def parse_partition(text: str) -> str | Path:
    """Return a method where ``text`` names one, else a file; raises ConfigError where there is neither."""
    if text in METHODS:
        return text
    if not Path(text).is_file():
        raise ConfigError(f"partition {text!r} is neither one of {', '.join(METHODS)} nor a file")
    return Path(text)
