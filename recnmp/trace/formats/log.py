"""Any log of rows and columns, text or Parquet: a YAML file says which column is what.

Text is delimited, plain, gzip or zstd; files that end in ``.parquet`` are Parquet. The rows of several files follow
one another. Rows keep their order; with ``group``, rows of a group are one sample, sorted by ``time`` if given.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from recnmp.errors import ConfigError
from recnmp.trace.formats._columns import Block
from recnmp.trace.formats._log import LogOptions, read_log
from recnmp.trace.formats._sink import Sink
from recnmp.trace.formats._text import parquet_blocks, text_blocks

PLUGIN = True
SUMMARY = "delimited text or Parquet, columns by roles"

ReadOptions = LogOptions


def read(files: Sequence[Path], options: LogOptions, sink: Sink) -> None:
    """Feed the rows of ``files``; raises ConfigError for columns that are not there."""
    read_log(_blocks(files, options, sink), options, sink)


def _blocks(files: Sequence[Path], options: LogOptions, sink: Sink) -> Iterator[Block]:
    wanted = [column.column or name for name, column in options.tables.items()]
    wanted = list(dict.fromkeys(wanted + [n for n in (options.group, options.time, options.weight) if n]))
    for file in files:
        if file.suffix == ".parquet":
            yield from parquet_blocks(file, wanted)
            continue
        if options.columns is not None and (missing := set(wanted) - set(options.columns)):
            raise ConfigError(
                f"columns: {', '.join(sorted(missing))} is not among {', '.join(options.columns)}"
            )
        yield from text_blocks(file, wanted, sink.rows, separator=options.separator, names=options.columns)
