"""Documents: YAML 1.2 values, and a place for every complaint."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from recnmp.config import Document
from recnmp.errors import ConfigError


def read(tmp_path: Path, text: str | bytes) -> Document:
    path = tmp_path / "doc.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return Document.read(path)


def complaint(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(tmp_path / "doc.yaml"), "doc.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e6", 1_000_000),
        ("1.0e6", 1_000_000),
        ("1.5e-3", 0.0015),
        ("1.0", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("010", 10),
        ("+3", 3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'8'", "8"),
        ('"null"', "null"),
        ("!!str 8", "8"),
        ("!!float 1", 1.0),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    found = read(tmp_path, f"a: {text}").data["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", "-.inf", "1e400"])
def test_numbers_are_finite(tmp_path: Path, text: str) -> None:
    assert complaint(tmp_path, f"a: {text}") == f"doc.yaml:1:4: {text} is not a finite number"


def test_a_whole_number_in_scientific_notation_is_an_int(tmp_path: Path) -> None:
    data = read(tmp_path, "{a: 1e6, b: 2.5e1, c: 1e18}").data
    # 1e18 is beyond what a float tells from its neighbours
    assert [type(data[key]) for key in "abc"] == [int, int, float]


def test_keys_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    assert read(tmp_path, "{1: a, on: b, true: c, 'x y': d}").data == {
        "1": "a",
        "on": "b",
        "true": "c",
        "x y": "d",
    }


def test_anchors_and_merge_keys_work_and_own_keys_win(tmp_path: Path) -> None:
    document = read(tmp_path, "base: &b {x: 1, y: 2}\nmore: &m {y: 9, z: 3}\nuse:\n  y: 5\n  <<: [*b, *m]\n")
    assert document.data["use"] == {"x": 1, "y": 5, "z": 3}
    assert str(document.place(("use", "z"))).endswith(":2:20")


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").data == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "doc.yaml:3:1: a: repeated key; it is first set at doc.yaml:1:1"),
        ("s:\n  a: 1\n  a: 1\n", "doc.yaml:3:3: a: repeated key; it is first set at doc.yaml:2:3"),
        ("a: 1\n'a': 1\n", "doc.yaml:2:1: a: repeated key; it is first set at doc.yaml:1:1"),
        ("a:\n\tb: 1\n", "doc.yaml:2:1: a tab cannot indent; use spaces"),
        ("a: b: c\n", "doc.yaml:1:5: not valid YAML: mapping values are not allowed here"),
        ("a: *x\n", "doc.yaml:1:4: not valid YAML: found undefined alias 'x'"),
        ("a: 1\n---\nb: 1\n", "doc.yaml:2:1: a second document starts here; one is allowed"),
        ("a: &x [*x]\n", "doc.yaml:1:4: a value cannot contain itself"),
        ("? [a]\n: 1\n", "doc.yaml:1:3: a key must be a single word or text"),
        ("'': 1\n", "doc.yaml:1:1: a key must be a single word or text"),
        ('a: "\\ud800"\n', "doc.yaml:1:4: half of a surrogate pair is no text"),
        ("a: !!int x\n", "doc.yaml:1:4: 'x' is not of type !!int"),
        ("<<: 3\n", "doc.yaml:1:5: <<: only a mapping, or a list of them, can be merged"),
        ("- 1\n", "doc.yaml:1:1: a mapping (key: value lines) is needed here"),
        ("word\n", "doc.yaml:1:1: a mapping (key: value lines) is needed here"),
        ("", "doc.yaml:1:1: nothing in this file; a mapping (key: value lines) is needed"),
        ("# only\n", "doc.yaml:1:1: nothing in this file; a mapping (key: value lines) is needed"),
        (b"a: 1\nb: caf\xe9\n", "doc.yaml:2:7: not UTF-8 text: it has the byte 0xe9"),
        (b"PAR1\x00\x01\x02", "doc.yaml:1:5: not a text file: it has the character '\\x00'"),
        (b"\xff\xfea\x00", "doc.yaml:1:1: not UTF-8 text: it has the byte 0xff"),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_line_with_its_place(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    assert complaint(tmp_path, text) == message


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [x]", "!foo x", "!!binary aa==", "!!set {a}"]
)
def test_only_plain_types_are_read(tmp_path: Path, tag: str) -> None:
    assert complaint(tmp_path, f"a: {tag}").startswith("doc.yaml:1:4: values of type !")


def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert "aliases make more than" in complaint(tmp_path, "\n".join(lines))


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    assert complaint(tmp_path, "a: " + "[" * 5000 + "]" * 5000) == "doc.yaml:1:1: nested too deeply"


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "ddr4_2400.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=r"ddr4_240\.yaml: no such file; did you mean 'ddr4_2400\.yaml'\?"):
        Document.read(tmp_path / "ddr4_240.yaml")
    with pytest.raises(ConfigError, match=r"the folder .*nowhere does not exist"):
        Document.read(tmp_path / "nowhere" / "a.yaml")


def test_a_folder_or_an_enormous_file_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        Document.read(tmp_path)
    with (tmp_path / "big").open("wb") as file:
        file.truncate(17 << 20)
    with pytest.raises(ConfigError, match="larger than 16 MiB"):
        Document.read(tmp_path / "big")


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    wait: int = 0
    scope: Literal["bank", "rank"] = "bank"


class Red(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["red"]
    depth: int


class Blue(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["blue"]
    height: float = 1.0


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = "x"
    rate: float = 1.0
    flag: bool = False
    file: Path = Path("x")
    pair: tuple[int, ...] = ()
    either: int | list[int] = 0
    rows: tuple[Part, ...] = ()
    by_name: dict[str, Part] = {}
    by_number: dict[int, str] = {}
    colour: Annotated[Red | Blue, Field(discriminator="kind")] = Blue(kind="blue")
    maybe: Part | None = None


def problems(tmp_path: Path, text: str) -> list[str]:
    document = read(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        document.validate(Whole)
    return str(caught.value).replace(str(document.path), "doc.yaml").split("\n")


def test_types_are_those_of_yaml_and_lists_and_text_serve_for_tuples_and_paths(tmp_path: Path) -> None:
    whole = read(tmp_path, "{rate: 2, file: a/b, pair: [1, 2], by_number: {1: x}, maybe: null}").validate(
        Whole
    )
    assert (whole.rate, whole.file, whole.pair, whole.by_number) == (2.0, Path("a/b"), (1, 2), {1: "x"})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("maybe: {wait: '8'}", "doc.yaml:1:15: maybe.wait: must be a whole number, got '8'"),
        ("maybe: {wait: true}", "doc.yaml:1:15: maybe.wait: must be a whole number, got true"),
        ("maybe: {wait: 1.5}", "doc.yaml:1:15: maybe.wait: must be a whole number, got 1.5"),
        ("maybe: 3", "doc.yaml:1:8: maybe: must be a section (key: value lines), got 3"),
        ("name: 8", "doc.yaml:1:7: name: must be text, got 8"),
        ("rate: fast", "doc.yaml:1:7: rate: must be a number, got 'fast'"),
        ("flag: no", "doc.yaml:1:7: flag: must be true or false, got 'no'"),
        ("pair: 1", "doc.yaml:1:7: pair: must be a list, got 1"),
        ("file: [a]", 'doc.yaml:1:1: file: must be text, got ["a"]'),
        ("rows:\n- wait: 1\n- wait: x\n", "doc.yaml:3:9: rows[1].wait: must be a whole number, got 'x'"),
        (
            "rows:\n- wait: 1\n- wiat: 1\n",
            "doc.yaml:3:3: rows[1].wiat: unknown key; allowed: scope, wait; did you mean 'wait'?",
        ),
        (
            "maybe: {scope: bnak}\n",
            "doc.yaml:1:16: maybe.scope: not a choice, got 'bnak'; allowed: bank, rank; did you mean 'bank'?",
        ),
        ("by_name: {a: {x: 1}}", "doc.yaml:1:15: by_name.a.x: unknown key; allowed: scope, wait"),
        ("maybe: {x: 1}", "doc.yaml:1:9: maybe.x: unknown key; allowed: scope, wait"),
        ("colour: {kind: red}", "doc.yaml:1:1: colour.depth: missing"),
        (
            "colour: {kind: rde, depth: 1}",
            "doc.yaml:1:16: colour.kind: not a choice, got 'rde'; allowed: red, blue; did you mean 'red'?",
        ),
        ("colour: {depth: 1}", "doc.yaml:1:1: colour.kind: missing"),
        (
            "colour: {kind: blue, hieght: 1}",
            "doc.yaml:1:22: colour.hieght: unknown key; allowed: height, kind; did you mean 'height'?",
        ),
        (
            "either: x",
            "doc.yaml:1:9: either: must be a whole number, got 'x' or must be a list, got 'x'",
        ),
    ],
)
def test_each_problem_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert problems(tmp_path, text) == [line]


def test_all_problems_come_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = problems(tmp_path, "rate: a\nnmae: x\nflag: 1\n")
    assert [line.split(": ")[0] for line in lines] == ["doc.yaml:1:7", "doc.yaml:2:1", "doc.yaml:3:7"]


def test_a_misspelt_required_key_is_one_problem(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "colour: {kind: red, dpeth: 2}")) == 1


def test_an_error_points_at_the_value_the_section_or_what_there_is(tmp_path: Path) -> None:
    document = read(tmp_path, "memory:\n  standard: ddr4\n  sizes: [1, 2]\n")
    places = {
        ("memory", "standard"): "2:13",
        ("memory", "sizes"): "3:3",
        ("memory", "sizes", 1): "3:14",
        ("memory", "sizes", 9): "3:3",
        ("memory", "ranks"): "1:1",
        ("cache", "rank"): "1:1",
    }
    for loc, place in places.items():
        assert str(document.error(loc, "no")).startswith(f"{document.path}:{place}: ")


def test_an_error_suggests_for_the_value_or_else_for_the_key(tmp_path: Path) -> None:
    document = read(tmp_path, "a: ddr4_240\nqueue: 3\n")
    assert str(document.error(("a",), "none", ["ddr4_2400"])).endswith(
        ":1:4: a: none; allowed: ddr4_2400; did you mean 'ddr4_2400'?"
    )
    assert str(document.error(("queue",), "unknown", ["queues"])).endswith("did you mean 'queues'?")


def test_a_very_long_list_of_choices_is_left_out_but_the_suggestion_stays(tmp_path: Path) -> None:
    message = str(read(tmp_path, "a: name_7").error(("a",), "unknown", [f"name_{i}_long" for i in range(99)]))
    assert "allowed" not in message
    assert message.endswith("did you mean 'name_7_long'?")


def test_a_merge_keeps_places_and_drops_the_options_of_another_kind(tmp_path: Path) -> None:
    base = read(tmp_path, "nmp: {kind: a, size: 4, options: {x: 1}}\nlist: [1, 2]\n")
    over = Document.from_data({"nmp": {"kind": "b"}, "list": [3]}, "over")
    merged = base.merged(over)
    assert merged.data == {"nmp": {"kind": "b", "size": 4}, "list": [3]}
    assert (str(merged.place(("nmp", "size"))), str(merged.place(("nmp", "kind")))) == (
        f"{base.path}:1:22",
        "over",
    )
    assert base.merged(Document.from_data({"nmp": {"kind": "a"}}, "o")).data == base.data
