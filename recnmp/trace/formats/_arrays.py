"""NumPy's files piece by piece: ``.npy`` and the members of ``.npz``, neither unpickled nor loaded whole."""

import contextlib
import math
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recnmp._files import opened, read_exactly
from recnmp.errors import ConfigError


@dataclass
class Member:
    """An array in a file, read once from front to back."""

    where: str
    file: BinaryIO
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @classmethod
    def at(cls, where: str, file: BinaryIO) -> "Member":
        """Read what an array says of itself; raises ConfigError for what is no array of numbers."""
        try:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read(file)
        except ValueError as error:
            raise ConfigError(f"{where}: not a NumPy array: {error}") from None
        if dtype.hasobject:
            raise ConfigError(f"{where}: holds Python objects, which are not read")
        return cls(where, file, shape, dtype, fortran)

    def pieces(self, rows: int, columns: int | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield ``(first row, next rows)`` of whole numbers; ``columns`` asks for two axes, the second so long."""
        if self.dtype.kind not in "iu":
            raise ConfigError(f"{self.where}: holds {self.dtype}, not whole numbers")
        if columns is not None and (len(self.shape) != 2 or self.shape[1] != columns):
            raise ConfigError(f"{self.where}: has shape {self.shape}; (samples, {columns}) is needed")
        if self.fortran and len(self.shape) > 1:
            whole = self.take(math.prod(self.shape)).reshape(self.shape, order="F")
            yield from ((first, whole[first : first + rows]) for first in range(0, len(whole), rows))
            return
        width = math.prod(self.shape[1:])
        for first in range(0, self.shape[0], rows):
            n = min(rows, self.shape[0] - first)
            yield first, self.take(n * width).reshape(n, *self.shape[1:])

    def whole(self) -> NDArray[Any]:
        """Return all of it."""
        return self.take(math.prod(self.shape)).reshape(self.shape, order="F" if self.fortran else "C")

    def take(self, count: int) -> NDArray[Any]:
        """Return the next ``count`` numbers; raises ConfigError where there are fewer."""
        data = read_exactly(self.file, count * self.dtype.itemsize)
        if len(data) < count * self.dtype.itemsize:
            raise ConfigError(f"{self.where}: damaged: it ends before its {self.shape} numbers do")
        return np.frombuffer(data, self.dtype)


def npy_pieces(path: Path, rows: int, columns: int | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the rows of the array at ``path`` as ``Member.pieces`` does."""
    with opened(path) as file:
        yield from Member.at(str(path), file).pieces(rows, columns)


@contextlib.contextmanager
def npz_members(path: Path) -> Iterator[dict[str, Member]]:
    """Open all arrays of an ``.npz`` by name; raises ConfigError for what is none, and for damage while reading."""
    try:
        with zipfile.ZipFile(path) as archive, contextlib.ExitStack() as stack:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            yield {
                name[:-4]: Member.at(f"{path}[{name[:-4]}]", stack.enter_context(archive.open(name)))  # type: ignore[arg-type]
                for name in names
            }
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ConfigError(f"{path}: not a readable .npz file: {error}") from None


@contextlib.contextmanager
def npz_output(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a file to be written as ``.npz``: the same arrays are the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        yield archive


@contextlib.contextmanager
def npz_member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: str) -> Iterator[Any]:
    """Open one array to be written piece by piece."""
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
        kind = np.lib.format.dtype_to_descr(np.dtype(dtype))
        header = {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        yield file
