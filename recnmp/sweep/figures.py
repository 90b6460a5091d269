"""The figures of a result document as one flat row, named as in the document."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

SECTIONS = ("sls", "memory", "nmp", "end_to_end")
"""All numbers of these follow from configuration, trace and seed, or from stored times."""

_ENERGY = ("total_", "saving_", "area_")
"""Of energy a row has totals, savings and areas; parts and counts stay in the point's own file."""
_LEFT_OUT = "over_time"
"""What happened step by step is no figure of the whole run."""


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether ``value`` is a number, which a truth value is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def figures(document: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a result document by their keys, such as ``sls.host_ns``: units are in the names.

    Left out: texts, lists, what is told step by step, values that are not there, and the parts that totals of energy
    are made of.
    """
    return {
        name: value
        for section in (*SECTIONS, "energy")
        for name, value in _numbers(section, document.get(section) or {})
        if section != "energy" or name.rpartition(".")[2].startswith(_ENERGY)
    }


def _numbers(name: str, value: object) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key != _LEFT_OUT:
                yield from _numbers(f"{name}.{key}", inner)
    elif is_number(value):
        yield name, value
