"""Published values: every file is one of a reproduction, and nothing in it is taken on trust."""

from pathlib import Path

import pytest

from recnmp._registry import library_names
from recnmp.config import Document
from recnmp.errors import ConfigError
from recnmp.library.published import Published, load_published
from recnmp.reproduce.scoreboard import names

VALUE = "id: a, what: a quantity of some kind, value: 1.5, unit: x, certainty: derived, source: a test"


def read(tmp_path: Path, *values: str, head: str = "source: a paper of a certain length\n") -> Published:
    file = tmp_path / "paper.yaml"
    file.write_text(f"title: A paper\n{head}values:\n" + "".join(f"  - {{{value}}}\n" for value in values))
    return Document.read(file).validate(Published)


def test_every_reproduction_has_a_file_and_every_file_a_reproduction():
    assert library_names("published") == names()
    assert {"axdimm-micro21", "recnmp-isca20"} <= set(names())


@pytest.mark.parametrize("name", library_names("published"))
def test_every_file_loads_and_says_how_sure_each_value_is(name):
    published = load_published(name)
    assert any(value.value is not None for value in published.values)
    # what is recalled is never said to have been read
    assert {value.certainty for value in published.values} >= {"verified source", "derived"}
    for value in published.values:
        assert not (value.certainty == "verified source" and "recall" in value.source.split(";")[0])


def test_a_value_is_read_as_it_stands(tmp_path):
    (value,) = read(tmp_path, VALUE).values
    assert (value.id, value.value, value.not_run) == ("a", 1.5, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("certainty: derived", "certainty: certain"), "certainty"),
        (("value: 1.5", "value: much"), "value"),
        (("id: a,", "id: A b,"), "id"),
        (("source: a test", "sauce: a test"), "sauce"),
        (("unit: x, ", ""), "unit"),
        (("value: 1.5", "value: .nan"), "not a finite number"),
    ],
)
def test_what_is_wrong_in_a_value_is_named_with_its_line(tmp_path, change, message):
    with pytest.raises(ConfigError, match=rf"paper\.yaml:\d+.*{message}"):
        read(tmp_path, VALUE.replace(*change))


def test_an_id_that_stands_twice_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="more than once: a"):
        read(tmp_path, VALUE, VALUE)


def test_a_file_without_its_paper_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="source"):
        read(tmp_path, VALUE, head="")
