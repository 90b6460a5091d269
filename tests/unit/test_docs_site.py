"""The documentation's site: pages that are made from the program, and links and formulas on all of them."""

import re

import click
import pytest
import yaml
from commands_page import commands_page
from formulas import mathml, with_mathml
from json_schema import sections
from library_page import library_page
from options_page import options_page
from pages import ROOT, blocks
from repository import links_for_the_site, site_uri, source_of, what_pages_need

from recnmp._registry import library_names, plugin, plugin_names
from recnmp.cli import cli
from recnmp.config.load import config_of, load_document
from recnmp.config.schema import Config, json_schema

COMMANDS, OPTIONS = commands_page(), options_page()


def every_command(command: click.Command, path: str):
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from every_command(inner, f"{path} {name}")


ALL = dict(every_command(cli, "recnmp"))


@pytest.mark.parametrize("path", ALL)
def test_every_command_is_on_its_page_with_every_option(path):
    assert len(ALL) > 20
    below = re.split(r"^##+ ", COMMANDS.partition(f" {path}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert below.strip(), path
    for option in ALL[path].params:
        if isinstance(option, click.Option) and not option.hidden:
            assert all(f"`{name}" in below or f", {name}" in below for name in option.opts), (
                path,
                option.opts,
            )


def leaves(model: dict, whole: dict, path: str = ""):
    """Yield every option of the schema as a dotted path, by another way than the page's."""
    if "$ref" in model:
        model = whole["$defs"][model["$ref"].rpartition("/")[2]]
    inner = [
        leaf
        for part in (*model.get("anyOf", ()), *model.get("oneOf", ()))
        for leaf in leaves(part, whole, path)
    ]
    for name, value in model.get("properties", {}).items():
        inner += leaves(value, whole, f"{path}.{name}".strip("."))
    yield from inner or [path]


def test_every_option_of_the_schema_is_on_its_page():
    found = set(re.findall(r"^\| `([\w.]+)` \|", OPTIONS, re.MULTILINE))
    whole = json_schema()
    wanted = {path for name, value in whole["properties"].items() for path in leaves(value, whole, name)}
    wanted = {
        path for path in wanted if path in found or path not in {s.path for s in sections(whole, whole)}
    }
    assert len(wanted) > 60
    assert wanted <= found
    for kind in plugin_names("nmp"):
        names = plugin("nmp", kind).Options.model_fields
        assert {f"nmp.options.{name}" for name in names} <= found


def test_defaults_types_and_units_are_told():
    for row in (
        "| `memory.read_queue` | whole number from 1 to 4,096 | `32` | read requests a controller can hold |",
        "| `cache.rank.size_bytes` | size: a number of bytes, or such as `128 KiB` [bytes] | **required** |",
        "| `memory.refresh` | `off`, `simultaneous`, `staggered`, `same_bank` | `simultaneous` |",
        "| `end_to_end.serving.p95_ms` | number above 0 to 1e+12 or null [ms] | `null` |",
    ):
        assert row in OPTIONS, row


def examples():
    return [block.text for block in blocks(OPTIONS) if block.language == "yaml"]


@pytest.mark.parametrize("text", examples(), ids=lambda text: text.partition("\n")[0])
def test_every_example_of_a_section_is_a_configuration(text, tmp_path):
    data = yaml.safe_load(text)
    (tmp_path / "traces").symlink_to(ROOT / "traces")
    written = {"extends": str(ROOT / "configs" / "rank8.yaml"), **data}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(written))
    assert isinstance(config_of(load_document(tmp_path / "c.yaml")), Config)


def test_everything_that_has_a_name_is_in_the_library():
    page = library_page()
    for kind in ("standards", "models", "mappings", "hosts", "devices", "energy", "tiers", "synthetic"):
        assert all(f"| `{name}` | " in page for name in library_names(kind))
    for package in ("nmp", "cache.policies", "trace.formats"):
        assert all(f"| `{name}` | " in page for name in plugin_names(package))
    assert "|  |" not in page.replace("| name | |", "")  # each says where it is from


def test_links_lead_to_where_files_are_on_the_site():
    assert site_uri("README.md") == "index.md"
    assert site_uri("traces/README.md") == "traces.md"
    assert site_uri("docs/howto/add-a-model.md") == "howto/add-a-model.md"
    assert site_uri("LICENSE") == "files/LICENSE"
    text = "[a](../README.md) [b](energy.md#parts) [c](https://x.y)\n```\n[e](../README.md)\n```\n"
    moved = links_for_the_site(text, "docs/recnmp.md")
    assert moved.startswith("[a](index.md) [b](energy.md#parts) [c](https://x.y)")
    assert "[e](../README.md)" in moved
    assert links_for_the_site("[a](docs/energy.md)", "README.md") == "[a](energy.md)"
    assert links_for_the_site("[a](../../CONTRIBUTING.md)", "docs/howto/x.md") == "[a](../contributing.md)"


def test_pages_bring_what_they_link_to_and_every_page_is_on_the_site_once():
    need = what_pages_need()
    assert {"README.md", "CHANGELOG.md", "LICENSE", "traces/README.md"} <= set(need)
    assert len({site_uri(path) for path in need}) == len(need)
    assert source_of("index.md") == "README.md"
    assert source_of("energy.md") == "docs/energy.md"


def test_the_contents_name_every_page_and_no_other():
    class Loader(yaml.SafeLoader):
        """What mkdocs reads, less its own tags."""

    nav = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]
    named = list(uris(nav))
    made = ["reference/commands.md", "reference/configuration.md", "reference/library.md"]
    there = [site_uri(path.relative_to(ROOT).as_posix()) for path in ROOT.glob("docs/**/*.md")]
    there += [site_uri(path) for path in what_pages_need() if path.endswith(".md")]
    assert sorted(named) == sorted({*made, *there})


def uris(nav: object):
    if isinstance(nav, str):
        yield nav
    for part in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from uris(part)


def test_formulas_become_mathml():
    pytest.importorskip("latex2mathml", reason="formulas are made with the extra docs")
    page = (
        '<p>so <span class="arithmatex">\\(a_p &lt; b\\)</span>:</p><div class="arithmatex">\\[\nx\n\\]</div>'
    )
    made = with_mathml(page)
    assert made.count("<math") == 2
    assert 'display="block"' in made
    assert "arithmatex" not in made
    assert "<mo>&#x0003C;</mo>" in made
    assert "<mfrac>" in mathml(r"\frac{a}{b}", block=False)


def test_every_formula_of_the_pages_can_be_made():
    pytest.importorskip("latex2mathml", reason="formulas are made with the extra docs")
    formulas = re.findall(r"\$\$(.+?)\$\$", (ROOT / "docs" / "model.md").read_text(), re.DOTALL)
    assert len(formulas) > 15
    for formula in formulas:
        assert "\\" not in re.sub(r"<[^>]*>", "", mathml(formula, block=True)), formula
