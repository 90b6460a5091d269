"""What README and docs say is true: files, links, commands, options, identifiers and figures."""

import dataclasses
import importlib
import itertools
import pkgutil
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from pages import PAGES, ROOT, blocks, files_of, name_of
from pydantic import BaseModel
from reference.traffic import JITTED

import recnmp
from recnmp._registry import library_names, plugin, plugin_names
from recnmp.cli import cli
from recnmp.config import load_config
from recnmp.config.schema import Config
from recnmp.config.search import SearchConfig
from recnmp.config.sweep import SweepConfig
from recnmp.errors import ConfigError
from recnmp.search.request import make_request
from recnmp.simulate import simulate
from recnmp.sweep.plan import make_plan

MADE_BY_THE_SITE = {"commands.md", "configuration.md", "library.md"}  # of docs/reference
README = (ROOT / "README.md").read_text()
MAIN = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/recnmp simulate configs/rank8.yaml"
TESTS = ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest"
needs_speed = pytest.mark.skipif(not JITTED, reason="a whole run needs compiled kernels")
PROFILE = ["mlp.kind=profile", "mlp.device=xeon_2core_shared_2026"]


def code_lines(text: str) -> list[str]:
    return [line for block in blocks(text) for line in block.text.replace("\\\n", " ").splitlines()]


def commands(text: str) -> list[list[str]]:
    """Every recnmp command line in code, without what is around it; prose names commands, too, if in full."""
    inline = re.findall(r"`(recnmp [^`]+)`", text)
    lines = [part for line in code_lines(text) for part in line.split("&&")] + inline
    found = [re.fullmatch(r"(?:\S*/)?recnmp\s+(.*)", " ".join(line.split())) for line in lines]
    return [shlex.split(match[1]) for match in found if match]


COMMANDS = sorted({(name_of(page), *words) for page in PAGES for words in commands(page.read_text())})


def test_the_two_commands_are_there_as_they_are():
    lines = code_lines(README)
    assert next(line for line in lines if line.endswith("recnmp simulate configs/rank8.yaml")) == MAIN
    assert next(line for line in lines if line.endswith("pytest")) == TESTS
    for line in (MAIN, TESTS):
        assert f"```bash\n{line}\n```" in README


def test_the_documentation_is_written_for_a_screen():
    for page in PAGES:
        for line in page.read_text().splitlines():
            assert len(line) <= 120 or line.startswith("|"), (page, line)
    assert len(README.splitlines()) <= 230


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        made = Path(link).name in MADE_BY_THE_SITE and (page.parent / link).parent.name == "reference"
        assert made or link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_is_named_exists(page):
    folders = "|".join(path.name for path in [*ROOT.iterdir(), *(ROOT / "recnmp").iterdir()] if path.is_dir())
    found = re.findall(rf"(?<![\w/.])((?:{folders})/[\w/.-]*|\w+\.py)`", page.read_text())
    for name in found:
        if not re.search(r"NAME|\bmy", name):  # stand for names to choose
            below = [ROOT / name, ROOT / "recnmp" / name, ROOT / f"recnmp/{name}.py"]
            assert any(place.exists() for place in below) or any((ROOT / "recnmp").rglob(name)), name


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_shown_is_understood(words):
    command: click.Command = cli
    arguments = list(words[1:])
    while isinstance(command, click.Group) and arguments:
        if not arguments:
            return  # a group named as such
        command = command.commands[arguments.pop(0)]
    options = {name for option in command.params for name in option.opts} | {"--help"}
    assert {word for word in arguments if word.startswith("--")} <= options
    context = command.make_context(command.name, arguments, resilient_parsing=True, **cli.context_settings)
    for override in context.params.get("overrides") or ():
        assert_option_exists(override.partition("=")[0], context.params.get("kind"))
    config = context.params.get("config")
    shown = files_of((ROOT / words[0]).read_text())
    if config and config.islower() and config not in shown:
        reads = {"sweep": make_plan, "search": make_request}.get(str(command.name), load_config)
        assert reads(config)


def assert_option_exists(path: str, kind: str | None = None) -> None:
    if kind in plugin_names("trace.formats"):
        module = plugin("trace.formats", kind)
        models = (getattr(module, f"{what}Options", None) for what in ("Read", "Write", "Request"))
        assert any(model and path in model.model_fields for model in models), path
        return
    if path.startswith("nmp.options."):
        kinds = [plugin("nmp", name).Options.model_fields for name in plugin_names("nmp")]
        assert any(path.split(".")[2] in fields for fields in kinds), path
        return
    section, _, option = path.partition(".")
    if section in (many := {"sweep": SweepConfig, "search": SearchConfig}):
        assert option.split(".")[0] in many[section].model_fields, path
        return
    model: Any = Config
    for key in path.split("."):
        fields = {name: field for one in models_of(model) for name, field in one.model_fields.items()}
        assert key in fields, path
        model = fields[key].annotation


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """The sections that an annotation allows, through unions and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models_of(part)]


@needs_speed
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_or_result_key_that_is_named_exists(page, result):
    sections = "|".join({*Config.model_fields, *result})
    for path in re.findall(rf"`(?:--set )?((?:{sections})\.\w[\w.]*)(?:=[^`]*)?`", page.read_text()):
        if not path.endswith((".py", ".json", ".yaml", ".parquet")) and not is_in(result, path):
            assert_option_exists(path)


def is_in(document: Any, path: str) -> bool:
    for key in path.split("."):
        if key not in document:
            return False
        document = document[key]
    return True


@needs_speed
def test_the_documented_result_keys_are_those_of_a_result(result):
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## The result document")[2]
    documented = {key for row in table.splitlines() if row.startswith("| `") for key in keys_in(row)}
    assert [key for key in documented if not is_in(result, key)] == []
    for section in ("sls", "memory", "nmp", "energy", "end_to_end"):
        for key in leaves(section, result[section]):
            host = key.replace("memory.nmp", "memory.host")
            assert any(host == known or host.startswith(f"{known}.") for known in documented), key


def keys_in(row: str) -> list[str]:
    return re.findall(r"`([a-z][\w.]*)`", row.split("|")[1])


def leaves(name: str, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [name]
    return [leaf for key, inner in value.items() for leaf in leaves(f"{name}.{key}", inner)]


def test_every_identifier_of_the_nomenclature_exists():
    text = (ROOT / "docs" / "nomenclature.md").read_text()
    named = re.findall(r"`([A-Z]\w+)\.(\w+)`", text)
    assert len(named) > 50
    known = fields_by_class()
    assert [f"{name}.{field}" for name, field in named if field not in known.get(name, ())] == []


def fields_by_class() -> dict[str, set[str]]:
    """Fields and properties of every public class of the package; classes of one name are taken together."""
    known: dict[str, set[str]] = {}
    for module in pkgutil.walk_packages(recnmp.__path__, "recnmp."):
        if module.name == "recnmp.__main__":
            continue
        try:
            members = vars(importlib.import_module(module.name))
        except (ModuleNotFoundError, ConfigError) as error:
            if "torch" not in str(error):
                raise
            continue  # capture and the zoo need PyTorch
        for name, value in members.items():
            if not isinstance(value, type):
                continue
            fields = (
                {field.name for field in dataclasses.fields(value)}
                if dataclasses.is_dataclass(value)
                else set()
            )
            fields |= {key for base in value.__mro__ for key, item in vars(base).items() if is_property(item)}
            fields |= set(getattr(value, "model_fields", ())) if issubclass(value, BaseModel) else set()
            known.setdefault(name, set()).update(fields)
    return known


def is_property(item: object) -> bool:
    return isinstance(item, property) or type(item).__name__ == "cached_property"


def test_architecture_tells_the_import_rule_that_is_enforced():
    text = (ROOT / "docs" / "architecture.md").read_text()
    told = re.search(r"```\n(cli > .*?)```", text, re.DOTALL)
    assert told
    layers = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    assert layers
    enforced = re.findall(r'"([^"]+)"', layers[1])
    assert ["__main__", *(" ".join(layer.split()) for layer in told[1].split(">"))] == enforced


def test_every_kind_of_thing_to_add_is_found_where_the_readme_says():
    rows = re.findall(r"^\| [\w ]+ \| `recnmp/([\w/]+)/NAME\.(\w+)` \|", README, re.MULTILINE)
    assert len(rows) == 9
    for folder, suffix in rows:
        names = library_names(folder.partition("/")[2]) if suffix == "yaml" else plugin_names(folder)
        assert names
        paths = [ROOT / "recnmp" / folder / name for name in names]
        assert all(
            path.with_suffix(f".{suffix}").exists() or (path / "__init__.py").exists() for path in paths
        )


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    overrides = [*PROFILE, "trace.batches=1"]
    return simulate(load_config(ROOT / "configs" / "rank8.yaml", overrides)).to_dict()


@needs_speed
@pytest.mark.parametrize("name", ["rank1", "rank2", "rank4", "rank8"])
def test_the_table_of_ranks_is_what_comes_out(name):
    config = ROOT / "configs" / f"{name}.yaml"
    with_cache, without = (
        simulate(load_config(config, [*PROFILE, "functional_check=off", *more])).to_dict()
        for more in ([], ["cache.rank=null"])
    )
    memory, sls, nmp = (with_cache[key] for key in ("config", "sls", "nmp"))
    share = nmp["time_share"]
    cells = [
        f"`{name}`",
        f"{memory['memory']['dimms_per_channel']} x {memory['memory']['ranks_per_dimm']}",
        f"{sls['host_ns'] / 1e3:.1f}",
        f"{sls['nmp_ns'] / 1e3:.1f}",
        f"{sls['speedup_over_host']:.2f}",
        f"{without['sls']['speedup_over_host']:.2f}",
        f"{nmp['cache_hit_rate']:.1%}",
        f"{nmp['packet_load_imbalance']:.2f}",
        *(f"{share[part]:.1%}" for part in ("delivery", "return", "waiting")),
        f"{with_cache['end_to_end']['speedup_over_host']:.2f}",
    ]
    assert f"| {' | '.join(cells)} |" in README


@needs_speed
def test_the_output_shown_is_that_of_the_main_command():
    found = simulate(load_config(ROOT / "configs" / "rank8.yaml", PROFILE)).to_dict()
    shown = "\n".join(
        itertools.takewhile(lambda line: line != "```", README.partition("```text\n")[2].splitlines())
    )
    for side in ("host", "nmp"):
        assert f"{found['memory'][side]['cycles']:,}" in shown
        assert f"{found['memory'][side]['gb_per_s']:.2f} GB/s" in shown
        assert f"{found['memory'][side]['commands']['ACT']:,}" in shown
    assert f"{found['sls']['speedup_over_host']:.2f} x" in shown
    assert f"{found['nmp']['packets']} packets" in shown
