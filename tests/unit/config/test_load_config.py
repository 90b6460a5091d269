"""Configurations: extending, overriding, shipped ones, and the resolved form."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from recnmp._registry import PACKAGE
from recnmp.config import Config, config_to_dict, load_config, load_config_dict
from recnmp.config import load as load_module
from recnmp.config.load import config_names
from recnmp.config.schema import json_schema
from recnmp.errors import ConfigError

BASE = "model: rm1\ntrace: {file: t/rm1.parquet}\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_defaults_fill_what_a_file_leaves_out(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "a.yaml", BASE))
    assert (config.memory.standard, config.memory.ranks_per_dimm, config.cache.rank) == ("ddr4_2400", 2, None)


def test_sizes_are_written_with_units(tmp_path: Path) -> None:
    text = BASE + "placement: {page_bytes: 2 MiB}\ncache: {llc: {size_bytes: 24.75 MiB, ways: 11}}\n"
    config = load_config(write(tmp_path, "a.yaml", text))
    assert config.placement.page_bytes == 2 << 20
    assert config.cache.llc is not None
    assert config.cache.llc.size_bytes == 25952256


def test_a_file_extends_another_key_by_key(tmp_path: Path) -> None:
    write(
        tmp_path,
        "base.yaml",
        BASE + "memory: {channels: 2, read_queue: 8}\ncache: {rank: {size_bytes: 4096}}\n",
    )
    write(tmp_path, "sub/mid.yaml", "extends: ../base.yaml\nmemory: {channels: 4}\n")
    config = load_config(write(tmp_path, "top.yaml", "extends: sub/mid.yaml\ncache: {rank: null}\n"))
    assert (config.memory.channels, config.memory.read_queue, config.cache.rank) == (4, 8, None)


def test_a_mapping_file_is_relative_to_the_file_that_names_it_and_its_content_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = write(tmp_path, "base/maps/mine.yaml", "order: RoBaBgRaChCo\nxor: {Ra0: [Ro1, Ro5]}\n")
    write(tmp_path, "base/base.yaml", BASE + "memory: {mapping: maps/mine.yaml}\n")
    top = write(tmp_path, "top.yaml", "extends: base/base.yaml\n")
    mapping = {"order": "RoBaBgRaChCo", "xor": {"Ra0": ["Ro1", "Ro5"]}, "source": None}
    resolved = config_to_dict(load_config(top))
    assert resolved["memory"]["mapping"] == mapping
    monkeypatch.chdir(tmp_path / "base" / "maps")
    assert load_config(top, ["memory.mapping=mine.yaml"]) == load_config(top)
    mine.unlink()
    assert config_to_dict(load_config_dict(resolved))["memory"] == resolved["memory"]
    with pytest.raises(ConfigError, match=r"base.yaml:3:19: memory.mapping: .*mine.yaml: no such file"):
        load_config(top)


def test_a_mistake_in_a_mapping_file_has_its_line(tmp_path: Path) -> None:
    write(
        tmp_path,
        "mine.yaml",
        "order: RoBaBgRaChCo\nxor:\n  Bg0: [Ro0, Row1]\n  Bx: [Ro0]\n  Ba0: []\nxr: 1\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, "a.yaml", BASE + "memory: {mapping: mine.yaml}\n"))
    expected = [
        "3:14: xor.Bg0[1]: 'Row1' is not a bit of",
        "4:3: xor.Bx: 'Bx' is not a bit of",
        "5:3: xor.Ba0: needs at least one bit",
        "6:1: xr: unknown key; allowed: order, source, xor; did you mean 'xor'?",
    ]
    found = str(caught.value).splitlines()
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.removeprefix(f"{tmp_path}/mine.yaml:").startswith(start)


def test_a_trace_file_is_relative_to_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "base/base.yaml", BASE)
    top = write(tmp_path, "top.yaml", "extends: base/base.yaml\n")
    assert load_config(top).trace.file == tmp_path / "base" / "t" / "rm1.parquet"
    monkeypatch.chdir(tmp_path / "base")
    assert load_config("../top.yaml").trace.file == tmp_path / "base" / "t" / "rm1.parquet"
    assert load_config(top, ["trace.file=x.parquet"]).trace.file == tmp_path / "base" / "x.parquet"


def test_errors_point_into_the_file_of_the_chain_that_has_the_value(tmp_path: Path) -> None:
    base = write(tmp_path, "base.yaml", BASE + "memory:\n  channels: 3\n")
    top = write(tmp_path, "top.yaml", "extends: base.yaml\nmemory:\n  ranks_per_dimm: 5\n")
    with pytest.raises(ConfigError) as caught:
        load_config(top)
    assert str(caught.value).split("\n") == [
        f"{top}:3:19: memory.ranks_per_dimm: must be a power of two, got 5",
        f"{base}:4:13: memory.channels: must be a power of two, got 3",
    ]


def test_a_loaded_configuration_still_knows_its_places(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE + "nmp:\n  options: {poolngs: 8}\n")
    top = write(tmp_path, "top.yaml", "extends: base.yaml\n")
    config = load_config(top, ["memory.standard=ddr4_24"])
    assert str(config.error(("nmp", "options", "poolngs"), "unknown option", ["poolings"])) == (
        f"{tmp_path / 'base.yaml'}:4:22: nmp.options.poolngs: unknown option; allowed: poolings; "
        "did you mean 'poolings'?"
    )
    assert str(config.error(("memory", "standard"), "no", ["ddr4_2400"])) == (
        "--set memory.standard=ddr4_24: memory.standard: no; allowed: ddr4_2400; did you mean 'ddr4_2400'?"
    )


def test_overrides_are_yaml_values_and_may_make_sections(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", BASE)
    config = load_config(
        path,
        [
            "memory.channels=2",
            "cache.rank={size_bytes: 8 KiB}",
            "cache.rank.ways=8",
            "nmp.options.x.y=[1, no]",
        ],
    )
    assert config.memory.channels == 2
    assert config.cache.rank is not None
    assert (config.cache.rank.size_bytes, config.cache.rank.ways) == (8192, 8)
    assert config.nmp.options == {"x": {"y": [1, "no"]}}
    assert load_config(path, ["cache.rank.size_bytes=4096", "cache.rank="]).cache.rank is None


def test_another_architecture_does_not_inherit_options_but_takes_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", BASE + "nmp: {kind: recnmp, options: {x: 1}}\n")
    assert load_config(path, ["nmp.kind=host"]).nmp.options == {}
    assert load_config(path, ["nmp.options.z=3", "nmp.kind=other"]).nmp.options == {"z": 3}
    assert load_config(path, ["nmp.options.z=3"]).nmp.options == {"x": 1, "z": 3}


def test_the_shipped_configurations_differ_only_where_their_names_say() -> None:
    ranks = {"rank1": (1, 1), "rank2": (1, 2), "rank4": (2, 2), "rank8": (4, 2)}
    assert set(config_names()) >= {*ranks, "host"}
    reference = load_config("rank8")
    for name, shape in ranks.items():
        config = load_config(name)
        assert (config.memory.dimms_per_channel, config.memory.ranks_per_dimm) == shape
        memory = config.memory.model_copy(update={"dimms_per_channel": 4, "ranks_per_dimm": 2})
        assert config.model_copy(update={"memory": memory}) == reference
    host = load_config("host")
    assert (host.nmp.kind, host.nmp.options, host.cache.rank) == ("host", {}, None)
    assert host.memory == reference.memory


@pytest.mark.parametrize("name", ["rank8", "rank8.yaml", "configs/rank8.yaml"])
def test_shipped_configurations_are_found_by_name_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(name)
    assert config.trace.file == PACKAGE.parent / "traces" / "rm1.parquet"
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "elsewhere" / "rank8.yaml")


def test_a_file_of_ones_own_may_extend_a_shipped_configuration(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "mine.yaml", "extends: rank8\nplacement: {pages: coloured}\n"))
    assert (config.placement.pages, config.memory.dimms_per_channel) == ("coloured", 4)


def test_a_wheel_finds_the_configurations_it_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "recnmp/_data/configs/only.yaml", BASE.replace("t/", "../traces/"))
    monkeypatch.setattr(load_module, "PACKAGE", tmp_path / "recnmp")
    assert config_names() == ["only"]
    assert load_config("only").trace.file == tmp_path / "recnmp" / "_data" / "traces" / "rm1.parquet"


def test_a_missing_configuration_lists_the_shipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"shipped configurations: axdimm, host, .*did you mean 'rank8"):
        load_config("configs/rnak8.yaml")


def test_the_resolved_configuration_loads_back_to_itself() -> None:
    for name in config_names():
        if name.startswith(("sweep-", "search-")):
            continue  # many runs
        config = load_config(name)
        data = json.loads(json.dumps(config_to_dict(config)))
        assert load_config_dict(data) == config


def test_a_stored_configuration_names_its_trace_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "a.yaml", BASE)
    write(tmp_path, "t/rm1.parquet", "")
    monkeypatch.chdir(tmp_path)
    data = config_to_dict(load_config(path))
    assert data["trace"]["file"] == "t/rm1.parquet"
    assert load_config_dict(data).trace.file == tmp_path / "t" / "rm1.parquet"
    monkeypatch.chdir("/")
    assert config_to_dict(load_config(path))["trace"]["file"] == str(tmp_path / "t" / "rm1.parquet").lstrip(
        "/"
    )


def test_a_stored_trace_that_is_gone_is_taken_from_the_shipped_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = write(tmp_path, "recnmp/_data/traces/rm1.parquet", "")
    monkeypatch.setattr(load_module, "PACKAGE", tmp_path / "recnmp")
    data = {"model": "rm1", "trace": {"file": "/not/here/rm1.parquet"}}
    assert load_config_dict(data).trace.file == shipped
    own = write(tmp_path, "rm1.parquet", "")
    assert load_config_dict({"model": "rm1", "trace": {"file": str(own)}}).trace.file == own


def test_a_stored_configuration_with_an_unknown_key_names_its_source() -> None:
    with pytest.raises(ConfigError, match=r"^result\.json: modl: unknown key; .*did you mean 'model'\?$"):
        load_config_dict({"modl": "rm1", "trace": {"file": "x"}}, "result.json")


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    poolings: int = 4
    window: int = 16


def test_options_of_a_plug_in_are_as_strict_and_know_their_places(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", BASE + "nmp:\n  kind: a\n  options: {poolngs: 8, window: x}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path).section(("nmp", "options"), Options)
    assert str(caught.value).split("\n") == [
        f"{path}:5:13: nmp.options.poolngs: unknown key; allowed: poolings, window; did you mean 'poolings'?",
        f"{path}:5:33: nmp.options.window: must be a whole number, got 'x'",
    ]
    good = load_config(path, ["nmp.options.window=3", "nmp.kind=b"])
    assert good.section(("nmp", "options"), Options) == Options(window=3)
    assert load_config("host").section(("nmp", "options"), Options) == Options()


def test_an_error_needs_no_file() -> None:
    config = Config.model_validate({"model": "rm1", "trace": {"file": "x"}})
    assert str(config.error(("model",), "unknown", ["rm2"])) == (
        "configuration: model: unknown; allowed: rm2; did you mean 'rm2'?"
    )


def test_the_checked_in_schema_is_the_generated_one() -> None:
    checked_in = (PACKAGE.parent / "recnmp.schema.json").read_text()
    assert checked_in == json.dumps(json_schema(), indent=2) + "\n"


def test_every_shipped_configuration_names_the_schema_for_editors() -> None:
    for path in (PACKAGE.parent / "configs").glob("*.yaml"):
        assert path.read_text().startswith("# yaml-language-server: $schema=../recnmp.schema.json\n")
