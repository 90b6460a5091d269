"""The page of everything that is installed and has a name: library files and plug-ins, each with its source."""

from collections import Counter
from collections.abc import Iterator

import yaml

from recnmp._registry import PACKAGE, library_names, plugin, plugin_names
from recnmp.library.dram import load_standard

_HEAD = """# Library

What a configuration can name; `recnmp list` prints the names. This page is generated from the files themselves, which
lie in `recnmp/library`, `recnmp/nmp`, `recnmp/cache/policies` and `recnmp/trace/formats`. A new file there is a new
name: [how to add a DRAM standard](../howto/add-a-dram-standard.md), [a model](../howto/add-a-model.md),
[a cache policy](../howto/add-a-cache-policy.md), [an NMP architecture](../howto/add-an-nmp-architecture.md).
"""
_KINDS = {
    "standards": "DRAM standards (`memory.standard`)",
    "models": "Models (`model`)",
    "mappings": "Address mappings (`memory.mapping`)",
    "hosts": "Host processors (`host.cpu`)",
    "devices": "Device profiles (`mlp.device`)",
    "energy": "Supply currents and prices",
    "tiers": "Faster tiers (`recnmp study hot`)",
    "synthetic": "Synthetic traces (`recnmp trace synth`)",
}
_PLUGINS = {
    "nmp": "Architectures (`nmp.kind`)",
    "cache.policies": "Replacement policies (`cache.rank.kind`, `cache.llc.kind`, `recnmp study cache`)",
    "trace.formats": "Trace formats (`recnmp trace import`, `export`)",
}


def library_page() -> str:
    """Return the page, in Markdown."""
    return "\n".join([_HEAD, *_files(), *_plugins()])


def _files() -> Iterator[str]:
    for kind, title in _KINDS.items():
        yield f"\n## {title}\n\n| name | source |\n|---|---|"
        for name in library_names(kind):
            if kind == "standards":
                yield f"| `{name}` | {_standard(name)} |"
                continue
            facts = yaml.safe_load((PACKAGE / "library" / kind / f"{name}.yaml").read_text())
            yield f"| `{name}` | {_line(facts.get('source') or facts.get('name') or '')} |"


def _standard(name: str) -> str:
    spec = load_standard(name)
    sure = Counter(timing.certainty for timing in spec.timings.values())
    how = ", ".join(f"{count} {certainty}" for certainty, count in sorted(sure.items()))
    return f"{spec.name}, {spec.peak_gb_per_s:.1f} GB/s a channel; timings: {how}"


def _plugins() -> Iterator[str]:
    for package, title in _PLUGINS.items():
        yield f"\n## {title}\n\n| name | |\n|---|---|"
        for name in plugin_names(package):
            told = (plugin(package, name).__doc__ or "").split("\n\n")[0]
            yield f"| `{name}` | {_line(told)} |"


def _line(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;").replace("``", "`")
