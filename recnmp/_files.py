"""Files of foreign formats: blocks of whole lines, packed or not, and outputs that appear when they are complete."""

import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from recnmp.errors import ConfigError, RecnmpError

BLOCK_BYTES = 4 << 20
Progress = Callable[[str], None]

BOM = b"\xef\xbb\xbf"  # of UTF-8
_ZSTD = b"\x28\xb5\x2f\xfd"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` to be read, unpacked where it is gzip or zstd; whatever fails is one ConfigError."""
    try:
        with path.open("rb") as raw:
            first = raw.read(4)
            raw.seek(0)
            if first[:2] == b"\x1f\x8b":
                with gzip.open(raw) as unpacked:
                    yield unpacked  # type: ignore[misc]
            elif first == _ZSTD:
                with pa.CompressedInputStream(raw, "zstd") as unpacked:
                    yield unpacked
            else:
                yield raw
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: damaged compressed file: {error}") from None
    except OSError as error:
        what = "cannot be read" if error.strerror else "damaged compressed file"  # pyarrow's have no number
        raise ConfigError(f"{path}: {what}: {error.strerror or error}") from None


def read_exactly(file: BinaryIO, size: int) -> bytes:
    """Return the next ``size`` bytes, fewer only at the end."""
    parts, left = [], size
    while left and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def line_blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[tuple[int, bytes]]:
    """Yield ``(number of its first line, whole lines)`` of a text file, packed or not, without a byte order mark.

    Raises ConfigError as ``opened`` does, and for a line longer than a block.
    """
    with opened(path) as file:
        line, rest = 1, file.read(len(BOM)).removeprefix(BOM)
        while piece := file.read(size):
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                yield line, whole + newline
                line += whole.count(b"\n") + 1
            elif len(rest) > size:
                raise ConfigError(f"{path}:{line}: a line of more than {size:,} characters; is this text?")
        if rest:
            yield line, rest + b"\n"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` that takes its place when all went well, and else is removed.

    Raises ConfigError where nothing can be written there, RecnmpError where the file system fails later.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.open("wb").close()
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise RecnmpError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def packed_output(temporary: Path, name: Path) -> Iterator[BinaryIO]:
    """Open ``temporary`` to be written, packed as the suffix of ``name`` says: .gz, .zst or not."""
    with temporary.open("wb") as raw:
        if name.suffix == ".gz":  # no time, no name: the same content is the same bytes
            with gzip.GzipFile("", "wb", 6, raw, 0) as packed:
                yield packed  # type: ignore[misc]
        elif name.suffix == ".zst":
            with pa.CompressedOutputStream(raw, "zstd") as packed:
                yield packed
        else:
            yield raw
