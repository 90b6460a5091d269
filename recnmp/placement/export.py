"""Traces into foreign files: lookups as they are, or the DRAM reads that they make where placement puts them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recnmp._files import Progress, packed_output, replacing
from recnmp._registry import did_you_mean, library_names
from recnmp.config.mapping import read_mapping
from recnmp.config.schema import MemoryConfig, PlacementConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.placement.layout import make_layout
from recnmp.placement.place import make_mapping
from recnmp.trace.convert import find_format
from recnmp.trace.formats._options import RequestOptions
from recnmp.trace.storage import iter_chunks, read_header

_LOOKUPS = 1 << 17  # made addresses of at a time


def export_trace(
    kind: str, trace: Path, out: Path, options: Any, progress: Progress | None = None
) -> int | None:
    """Write ``trace`` as ``out`` in format ``kind``, whole or not at all.

    Args:
        kind: a format that is written.
        trace: the trace file.
        out: file to write; packed where its name ends in .gz or .zst, for formats of text and records.
        options: its ``WriteOptions`` or ``RequestOptions``.
        progress: called with a line now and then.

    Returns the DRAM requests written, None for a format of lookups. Raises ConfigError for a trace that is damaged or
    does not fit the format or the memory.
    """
    module = find_format(kind, "write", "request_lines")
    if hasattr(module, "write"):
        module.write(trace, out, options)
        return None
    done = 0
    with replacing(out) as temporary, packed_output(temporary, out) as file:
        for address in request_addresses(trace, options):
            file.write(module.request_lines(address, done, options))
            done += len(address)
            if progress is not None:
                progress(f"{out.name}: {done:,} requests")
    return done


def request_addresses(trace: Path, options: RequestOptions) -> Iterator[NDArray[np.uint64]]:
    """Yield the byte addresses of the bursts that the lookups of ``trace`` read, in their order.

    Tables lie in random pages, as `recnmp memory replay` has them. Raises ConfigError where they do not fit.
    """
    known = library_names("standards")
    if options.standard not in known:
        hint = did_you_mean(options.standard, known)
        raise ConfigError(f"standard: {options.standard!r} is not one of {', '.join(known)}{hint}")
    for name in ("channels", "ranks"):
        value = getattr(options, name)
        if value & (value - 1):
            raise ConfigError(f"{name}: {value} is not a power of two")
    spec = load_standard(options.standard)
    mapping = read_mapping(options.mapping, Path())
    memory = MemoryConfig(channels=options.channels, ranks_per_dimm=options.ranks, mapping=mapping)
    burst_bytes = spec.organization.burst_bytes.value
    tables = read_header(trace).tables
    nothing = np.zeros(len(tables), np.int64)  # random pages do not look at what is hot
    layout = make_layout(tables, nothing, make_mapping(memory, spec), burst_bytes, PlacementConfig())
    bursts = -(-np.array([table.entry_bytes for table in tables], np.int64) // burst_bytes)
    for chunk in iter_chunks(trace, _LOOKUPS):
        first = layout.addresses(chunk.table, chunk.entry) // burst_bytes
        count = bursts[chunk.table]
        part = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        yield ((np.repeat(first, count) + part) * burst_bytes).astype(np.uint64)
