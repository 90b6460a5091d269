"""Avazu click log (CSV): id, click, hour and 21 categorical columns, one sample a line, in order of time.

Ids are text (hexadecimal words and small numbers side by side); ``hour`` is read to tell whether time goes back.
Source: the data set's page, kaggle.com/c/avazu-ctr-prediction.
"""

from collections.abc import Sequence
from pathlib import Path

from recnmp.trace.formats._log import ColumnOptions, LogOptions, read_log
from recnmp.trace.formats._options import IdOptions
from recnmp.trace.formats._sink import Sink
from recnmp.trace.formats._text import text_blocks

PLUGIN = True
SUMMARY = "Avazu CSV, 21 categorical columns"

_COLUMNS = (
    *("C1", "banner_pos", "site_id", "site_domain", "site_category", "app_id", "app_domain", "app_category"),
    *("device_id", "device_ip", "device_model", "device_type", "device_conn_type"),
    *(f"C{n}" for n in range(14, 22)),
)

ReadOptions = IdOptions


def read(files: Sequence[Path], options: IdOptions, sink: Sink) -> None:
    """Feed the samples of ``files``; raises ConfigError where a column is not there."""
    given = options.model_dump(include=set(ColumnOptions.model_fields))
    tables = {name: ColumnOptions(**given, missing="id") for name in _COLUMNS}
    own = options.model_dump(include={"batch_size", "pooling", "limit"})
    blocks = (block for file in files for block in text_blocks(file, [*_COLUMNS, "hour"], sink.rows))
    read_log(blocks, LogOptions(tables=tables, time="hour", **own), sink)
