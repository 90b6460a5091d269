"""Published results of a paper, read from ``library/published/*.yaml``: what a reproduction is compared with.

They are for comparing alone: nothing in the package takes a value from here.
"""

from collections import Counter
from typing import Literal, Self

from pydantic import Field, model_validator

from recnmp._registry import PACKAGE
from recnmp.config import Document
from recnmp.library.facts import Facts

Certainty = Literal[
    "verified source", "cross-checked", "recalled high", "recalled medium", "recalled low", "derived"
]
"""How sure a published value is: read at a source; recalled, and another number fits only if it is right; recalled
and fairly sure; recalled, digits may be off; recalled, may be wrong; computed from other facts."""


SHARE_OF_TIME = "share of time"
"""Unit of a share of one that is compared by its difference: a small share may double and mean nothing."""


class PublishedValue(Facts):
    """One published number.

    Attributes:
        id: by which an experiment answers it.
        what: the quantity, in words.
        value: None where the paper says something without a number, which ``what`` then repeats.
        unit: of ``value``; ``x`` for ratios, ``share`` for shares of one, `SHARE_OF_TIME`.
        certainty: how sure the value is.
        source: where it was read or recalled from.
        not_run: why there is nothing of ours, for values that no experiment answers.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    what: str = Field(min_length=10)
    value: float | None = None
    unit: str = Field(min_length=1)
    certainty: Certainty
    source: str = Field(min_length=3)
    not_run: str | None = Field(None, min_length=20)


class Published(Facts):
    """All published values that one reproduction is compared with."""

    title: str
    source: str = Field(min_length=20, description="the paper")
    values: tuple[PublishedValue, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        counts = Counter(value.id for value in self.values)
        if repeated := sorted(name for name, n in counts.items() if n > 1):
            raise ValueError(f"ids stand more than once: {', '.join(repeated)}")
        return self


def load_published(name: str) -> Published:
    """Read ``library/published/<name>.yaml``; raises ConfigError with file and line for anything wrong in it."""
    return Document.read(PACKAGE / "library" / "published" / f"{name}.yaml").validate(Published)
