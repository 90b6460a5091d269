"""Table-major requests in PyTorch's files: ``(indices, offsets, ...)`` with offsets of tables x bags + 1.

Read by ``torch.load(weights_only=True)``: tensors alone, no code. A file that is not packed is mapped, not loaded.
"""

import contextlib
import gzip
import pickle
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp._files import opened, packed_output
from recnmp.errors import ConfigError


@dataclass(frozen=True)
class Request:
    """Bags of T tables with B bags each.

    Attributes:
        indices: ids, table by table, shape (N,).
        offsets: bag b of table t is ``indices[offsets[B * t + b] : offsets[B * t + b + 1]]``, shape (T * B + 1,).
        weight: weight of each id, shape (N,), or None.
        tables: tables, T.
    """

    indices: NDArray[Any]
    offsets: NDArray[np.int64]
    weight: NDArray[np.float32] | None
    tables: int

    @property
    def bags(self) -> int:
        """Bags of a table, B."""
        return (len(self.offsets) - 1) // self.tables


def load_request(path: Path, tables: int | None) -> Request:
    """Return the request in ``path``; ``tables`` is T where the file does not tell.

    Raises ConfigError for what is no such file.
    """
    with _tensors(path) as parts:
        if len(parts) < 2:
            raise ConfigError(f"{path}: holds {len(parts)} tensors, not indices, offsets and perhaps more")
        indices, offsets = parts[0], parts[1].astype(np.int64, copy=False)
        for name, values in (("indices", indices), ("offsets", parts[1])):
            if values.ndim != 1 or values.dtype.kind not in "iu":
                raise ConfigError(
                    f"{path}: {name} are {values.dtype} of shape {values.shape}, not a row of whole numbers"
                )
        if (
            len(offsets) < 2
            or offsets[0] != 0
            or offsets[-1] != len(indices)
            or np.any(offsets[1:] < offsets[:-1])
        ):
            raise ConfigError(f"{path}: offsets do not go from 0 up to the {len(indices):,} indices")
        weight, told = None, None
        for part in parts[2:]:
            if part.dtype.kind == "f" and part.shape == indices.shape:
                weight = part.astype(np.float32)
            elif part.ndim == 2 and part.size == len(offsets) - 1:
                told = len(part)
        return Request(indices, offsets, weight, _table_count(path, tables, told, len(offsets) - 1))


def _table_count(path: Path, asked: int | None, told: int | None, bags: int) -> int:
    name = re.search(r"_t(\d+)[_.]", path.name)
    count = asked or told or (int(name[1]) if name else None)
    if count is None:
        raise ConfigError(f"{path}: does not tell how many tables it has; set tables")
    if bags % count:
        raise ConfigError(f"{path}: {bags:,} bags are not those of {count} tables, as many each")
    return count


@contextlib.contextmanager
def _tensors(path: Path) -> Iterator[list[NDArray[Any]]]:
    torch = import_torch()
    with contextlib.ExitStack() as stack:
        source: Path = path
        with opened(path) as file:
            if isinstance(file, gzip.GzipFile):
                copy = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".pt"))
                shutil.copyfileobj(file, copy, 1 << 20)
                copy.flush()
                source = Path(copy.name)
        try:
            found = _load(torch, source)
        except pickle.UnpicklingError:
            raise ConfigError(f"{path}: holds something else than tensors, which is not loaded") from None
        except Exception as error:  # torch fails on damage in whatever way it leads to
            raise ConfigError(f"{path}: not a readable PyTorch file: {_first_sentence(error)}") from None
        parts = (
            list(found.values() if isinstance(found, dict) else found)
            if not torch.is_tensor(found)
            else [found]
        )
        try:
            arrays = [part.detach().numpy() for part in parts if torch.is_tensor(part)]
        except TypeError as error:  # sparse ones, types that NumPy does not have
            raise ConfigError(f"{path}: {_first_sentence(error)}") from None
        yield arrays


def _first_sentence(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).partition(". ")[0]


def _load(torch: Any, path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # a file of the older layout cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True)


def save_tensors(arrays: tuple[NDArray[Any], ...], temporary: Path, name: Path) -> None:
    """Write ``arrays`` as a tuple of tensors, packed where ``name`` ends in .gz."""
    torch = import_torch()
    with packed_output(temporary, name) as file:
        torch.save(tuple(torch.from_numpy(array) for array in arrays), file)


def import_torch() -> Any:
    """Return PyTorch; raises ConfigError where it is not installed."""
    try:
        import torch
    except ImportError:
        raise ConfigError("PyTorch's files need PyTorch: install recnmp[torch]") from None
    return torch
