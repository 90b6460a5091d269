"""A small space of designs for tests of searches."""

from pathlib import Path
from typing import Any

from recnmp.config.load import load_document
from recnmp.config.search import SearchConfig
from recnmp.search.space import Space
from recnmp.sweep.axes import Assignment

SPACE = """\
  space:
    memory.ranks_per_dimm: [1, 2]
    cache.rank: [null, {size_bytes: 4 KiB}, {size_bytes: 64 KiB}]
    cache.rank.ways: {low: 2, high: 4, step: 2, when: {cache.rank.size_bytes: [4 KiB, 64 KiB]}}
    memory.refresh: [off, staggered]
"""
POINTS = 2 * 5 * 2


def space_of(path: Path) -> Space:
    document = load_document(path)
    return Space(document, document.validate_part(("search",), document.data["search"], SearchConfig))


def values(point: Assignment) -> dict[str, Any]:
    return {choice.option: choice.value for choice in point}
