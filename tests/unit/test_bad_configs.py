"""What is asked wrongly ends with exit code 2 and one clear line for each mistake, never a traceback."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recnmp.cli import cli
from recnmp.config.load import shipped

GOOD = "model: rm1\ntrace:\n  file: {trace}\n"
CONFIG_KEYS = (
    "arrival, cache, end_to_end, extends, functional_check, host, memory, mlp, model, nmp, "
    "placement, search, sweep, trace, version"
)


@dataclass
class Bad:
    """A configuration to refuse, as ``text`` or as ``tail`` of a good head, and how its error lines start."""

    name: str
    lines: list[str]
    text: str | bytes | None = None
    tail: str = ""
    sets: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    target: str = "bad.yaml"


TABLE = [
    Bad(
        "unknown key",
        tail="memory:\n  rank: 2\n",
        lines=["bad.yaml:5:3: memory.rank: unknown key; allowed: audit,"],
    ),
    Bad(
        "misspelt section",
        tail="memroy: {}\n",
        lines=[f"bad.yaml:4:1: memroy: unknown key; allowed: {CONFIG_KEYS}; did you mean 'memory'?"],
    ),
    Bad(
        "misspelt extends",
        tail="extend: rank8\n",
        lines=[f"bad.yaml:4:1: extend: unknown key; allowed: {CONFIG_KEYS}; did you mean 'extends'?"],
    ),
    Bad(
        "text for a number",
        tail="memory: {read_queue: 'many'}\n",
        lines=["bad.yaml:4:22: memory.read_queue: must be a whole number, got 'many'"],
    ),
    Bad(
        "quoted number",
        tail="memory: {read_queue: '8'}\n",
        lines=["bad.yaml:4:22: memory.read_queue: must be a whole number, got '8'"],
    ),
    Bad(
        "true for a number",
        tail="memory: {channels: true}\n",
        lines=["bad.yaml:4:20: memory.channels: must be a whole number, got true"],
    ),
    Bad(
        "processor that is not there",
        tail="host: {cpu: skylake_18core}\n",
        lines=[
            "bad.yaml:4:13: host.cpu: unknown cpu 'skylake_18core'; allowed: skylake_sp_18core; did you mean"
        ],
    ),
    Bad(
        "more cores than there are",
        tail="host: {cores: 19}\n",
        lines=["bad.yaml:4:15: host.cores: Skylake-SP has 18, not 19"],
    ),
    Bad(
        "cores of no processor",
        tail="host: {cpu: null, cores: 2}\n",
        lines=["bad.yaml:4:26: host.cores: there is no processor to take them from: host.cpu is null"],
    ),
    Bad(
        "fraction for a count",
        tail="trace_batches: 1\nplacement: {seed: 1.5}\n",
        lines=[
            "bad.yaml:4:1: trace_batches: unknown key",
            "bad.yaml:5:19: placement.seed: must be a whole number, got 1.5",
        ],
    ),
    Bad(
        "word for a switch",
        tail="memory: {audit: yes}\n",
        lines=["bad.yaml:4:17: memory.audit: must be true or false, got 'yes'"],
    ),
    Bad(
        "value for a section",
        tail="memory: ddr4_2400\n",
        lines=["bad.yaml:4:9: memory: must be a section (key: value lines), got 'ddr4_2400'"],
    ),
    Bad(
        "repeated key",
        tail="memory:\n  channels: 1\n  channels: 2\n",
        lines=["bad.yaml:6:3: channels: repeated key; it is first set at bad.yaml:5:3"],
    ),
    Bad("missing key", text="model: rm1\n", lines=["bad.yaml:1:1: trace: missing"]),
    Bad("missing nested key", text="model: rm1\ntrace: {}\n", lines=["bad.yaml:2:1: trace.file: missing"]),
    Bad(
        "choice that is none",
        tail="memory: {refresh: stagered}\n",
        lines=["bad.yaml:4:19: memory.refresh: not a choice, got 'stagered'; allowed: off, simul"],
    ),
    Bad(
        "other version",
        tail="version: 2\n",
        lines=["bad.yaml:4:10: version: not a choice, got 2; allowed: 1"],
    ),
    Bad(
        "size with a decimal prefix",
        tail="placement: {page_bytes: 4 kB}\n",
        lines=[
            "bad.yaml:4:25: placement.page_bytes: not a size: '4 kB'; write bytes or a number with B, KiB,"
        ],
    ),
    Bad(
        "page of odd size",
        tail="placement: {page_bytes: 3000}\n",
        lines=["bad.yaml:4:25: placement.page_bytes: must be a power of two, got 3000"],
    ),
    Bad(
        "page smaller than a burst",
        tail="placement: {page_bytes: 32}\n",
        lines=["bad.yaml:4:25: placement.page_bytes: must be at least 64, got 32"],
    ),
    Bad(
        "negative",
        tail="placement: {seed: -1}\n",
        lines=["bad.yaml:4:19: placement.seed: must be at least 0, got -1"],
    ),
    Bad(
        "colours of random pages",
        tail="placement: {colours: balanced}\n",
        lines=["bad.yaml:4:1: placement: colours: balanced needs pages: coloured, got random"],
    ),
    Bad(
        "copies without a number",
        tail="placement: {replicate: {bags: 8}}\n",
        lines=["bad.yaml:4:13: placement.replicate: must have either entries or share"],
    ),
    Bad(
        "profile of nothing",
        tail="placement: {profile: {batches: 2}}\n",
        lines=["bad.yaml:4:1: placement: profile is for colours: balanced and for replicate, of which"],
    ),
    Bad(
        "copies that nobody reads",
        sets=["placement.replicate.entries=5"],
        target="host",
        lines=["--set placement.replicate.entries=5: placement.replicate: a host-only run"],
    ),
    Bad(
        "three channels",
        tail="memory: {channels: 3}\n",
        lines=["bad.yaml:4:20: memory.channels: must be a power of two, got 3"],
    ),
    Bad(
        "cache of broken sets",
        tail="cache:\n  rank: {size_bytes: 1000}\n",
        lines=["bad.yaml:5:3: cache.rank: size_bytes must be whole sets of 4 ways x 64 B = 256 B, got 1000"],
    ),
    Bad(
        "near memory with bursts of 32 B",
        tail="memory: {standard: lpddr5_6400}\n",
        lines=[
            "bad.yaml:4:20: memory.standard: nmp.kind recnmp works on bursts of 64 B, but those of LPDDR5-6400"
        ],
    ),
    Bad(
        "cache with bursts of 32 B",
        tail="memory: {standard: lpddr5_6400}\nnmp: {kind: host}\ncache: {llc: {size_bytes: 4096}}\n",
        lines=["bad.yaml:4:20: memory.standard: cache works on bursts of 64 B, but those of LPDDR5-6400"],
    ),
    Bad(
        "ranks where there are none",
        tail="memory: {standard: hbm2_2000, ranks_per_dimm: 2}\nnmp: {kind: host}\n",
        lines=[
            "bad.yaml:4:20: memory.standard: HBM2-2000 4Gb pseudo channel has one rank to a channel, not 2"
        ],
    ),
    Bad(
        "refresh that the standard does not have",
        tail="memory: {refresh: same_bank}\n",
        lines=[
            "bad.yaml:4:19: memory.refresh: refresh 'same_bank': DDR4-2400 8Gb x8 has no same-bank refresh"
        ],
    ),
    Bad(
        "order of arrival of one thread",
        tail="arrival: {order: random}\n",
        lines=["bad.yaml:4:1: arrival: order and tables are for several threads; threads is 1"],
    ),
    Bad(
        "tables of their own for one thread",
        tail="arrival: {threads: 1, tables: separate}\n",
        lines=["bad.yaml:4:1: arrival: order and tables are for several threads; threads is 1"],
    ),
    Bad(
        "no thread",
        tail="arrival: {threads: 0}\n",
        lines=["bad.yaml:4:20: arrival.threads: must be at least 1, got 0"],
    ),
    Bad(
        "order that is none",
        tail="arrival: {threads: 2, order: robin}\n",
        lines=[
            "bad.yaml:4:30: arrival.order: not a choice, got 'robin'; allowed: batched, round_robin, random"
        ],
    ),
    Bad(
        "unknown kind of dense timing",
        tail="mlp: {kind: profil}\n",
        lines=[
            "bad.yaml:4:13: mlp.kind: not a choice, got 'profil'; allowed: measured, profile, none; did you"
        ],
    ),
    Bad(
        "missing file to extend",
        text="extends: bsae.yaml\n",
        files={"base.yaml": "model: rm1\n"},
        lines=["bad.yaml:1:10: extends: bsae.yaml: no such file;"],
    ),
    Bad(
        "files that extend each other",
        text="extends: other.yaml\n",
        files={"other.yaml": "extends: bad.yaml\n"},
        lines=["other.yaml:1:10: extends: files extend each other in a circle: bad.yaml -> other.yaml -> "],
    ),
    Bad(
        "list of files to extend",
        text="extends: [a]\n",
        lines=["bad.yaml:1:1: extends: must be the name of one file"],
    ),
    Bad(
        "tab", text="model: rm1\ntrace:\n\tfile: x\n", lines=["bad.yaml:3:1: a tab cannot indent; use spaces"]
    ),
    Bad(
        "empty file",
        text="",
        lines=["bad.yaml:1:1: nothing in this file; a mapping (key: value lines) is needed"],
    ),
    Bad(
        "list at the top",
        text="- model: rm1\n",
        lines=["bad.yaml:1:1: a mapping (key: value lines) is needed here"],
    ),
    Bad(
        "binary file",
        text=b"PAR1\x15\x04\x00",
        lines=["bad.yaml:1:5: not a text file: it has the character '\\x15'"],
    ),
    Bad(
        "unclosed bracket", text="model: [rm1\n", lines=["bad.yaml:2:1: not valid YAML: expected ',' or ']'"]
    ),
    Bad(
        "tag of another language",
        text="model: !!python/name:os.system x\n",
        lines=["bad.yaml:1:8: values of type !!python/name:os.system are not allowed"],
    ),
    Bad(
        "override of an unknown option",
        sets=["memory.chanels=2"],
        lines=["--set memory.chanels=2: memory.chanels: unknown key;"],
    ),
    Bad(
        "override that is out of range",
        sets=["memory.channels=3"],
        lines=["--set memory.channels=3: memory.channels: must be a power of two, got 3"],
    ),
    Bad(
        "override without =",
        sets=["memory.channels"],
        lines=["--set memory.channels: write --set section.option=value"],
    ),
    Bad("override without a name", sets=["=3"], lines=["--set =3: write --set section.option=value"]),
    Bad(
        "override that is no YAML",
        sets=["model=[rm1"],
        lines=["--set model=[rm1: not valid YAML: expected ',' or ']'"],
    ),
    Bad("folder as a configuration", target=".", lines=[".: is a folder; name a file in it"]),
    Bad(
        "configuration that is not there",
        target="bda.yaml",
        lines=["bda.yaml: no such file; shipped configurations: axdimm, host, "],
    ),
]

NAMES = {
    "model": ("model: rn1\ntrace: {file: t.parquet}\n", "1:8: model: ", "rm1"),
    "trace file": ("model: rm1\ntrace: {file: rm1.parqet}\n", "2:15: trace.file: ", "rm1.parquet"),
    "standard": ("memory: {standard: ddr4_2440}\n", "1:20: memory.standard: ", "ddr4_2400"),
    "mapping": ("memory: {mapping: RoBaXx}\n", "1:19: memory.mapping: ", None),
    "mapping of the library": ("memory: {mapping: skylakelike}\n", "1:19: memory.mapping: ", "skylake_like"),
    "mapping file": (
        "memory: {mapping: bd.yaml}\n",
        "1:19: memory.mapping: bd.yaml: no such file",
        "bad.yaml",
    ),
    "controller policy": ("memory: {policy: frfcf}\n", "1:18: memory.policy: ", "frfcfs"),
    "cache": ("cache: {rank: {kind: lru_, size_bytes: 4096}}\n", "1:22: cache.rank.kind: ", "lru"),
    "cache of a policy that sees the future": (
        "cache: {llc: {kind: belady, size_bytes: 4096}}\n",
        "1:21: cache.llc.kind: belady is for `recnmp study cache` alone: it sees the future; allowed: arc, clock",
        None,
    ),
    "cache of a policy that needs a profile": (
        "cache: {rank: {kind: pinned, size_bytes: 4096}}\n",
        "1:22: cache.rank.kind: pinned is for `recnmp study cache` alone: it needs the profile of every access",
        None,
    ),
    "option of a cache's policy": (
        "cache: {rank: {kind: 's3fifo:smal_share=0.2', size_bytes: 4096}}\n",
        "1:22: cache.rank.kind: policy s3fifo: option 'smal_share' is not one of small_share",
        "small_share",
    ),
    "locality without a RankCache": (
        "nmp: {options: {locality: profiled}}\n",
        "1:27: nmp.options.locality: profiled is for a RankCache, but cache.rank is not set",
        None,
    ),
    "locality that is none": (
        "nmp: {options: {locality: profile}}\n",
        "1:27: nmp.options.locality: not a choice, got 'profile'; allowed: all, threshold, profiled",
        "profiled",
    ),
    "threshold without a number": (
        "nmp: {options: {locality: threshold}}\ncache: {rank: {size_bytes: 4096}}\n",
        "1:7: nmp.options: locality_threshold belongs to locality: threshold, and that needs it",
        None,
    ),
    "number without a threshold": (
        "nmp: {options: {locality_threshold: 2}}\ncache: {rank: {size_bytes: 4096}}\n",
        "1:7: nmp.options: locality_threshold belongs to locality: threshold, and that needs it",
        None,
    ),
    "architecture": ("nmp: {kind: recnpm}\n", "1:13: nmp.kind: ", "recnmp"),
    "architecture option": (
        "nmp: {options: {poolings_per_packt: 8}}\n",
        "1:17: nmp.options.poolings_per_packt: ",
        "poolings_per_packet",
    ),
    "option of another architecture": (
        "nmp: {kind: axdimm, options: {reorder_window: 8}}\n",
        "1:31: nmp.options.reorder_window: ",
        None,
    ),
    "RankCache where there is none": (
        "cache: {rank: {size_bytes: 4096}}\nnmp: {kind: axdimm}\n",
        "1:9: cache.rank: nmp.kind axdimm does not model cache.rank",
        None,
    ),
    "traffic beside AxDIMM": (
        "memory: {host_traffic: {gb_per_s: 1}}\nnmp: {kind: axdimm}\n",
        "1:10: memory.host_traffic: nmp.kind axdimm does not model memory.host_traffic",
        None,
    ),
    "device": ("mlp: {kind: profile, device: xeon}\n", "1:30: mlp.device: ", None),
}
"""What is wrong with a name, where, and the name that is suggested."""


def check(bad: Bad, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    head = GOOD.format(trace="t.parquet")
    text = head + bad.tail if bad.text is None else bad.text
    Path("bad.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    for name, other in bad.files.items():
        Path(name).write_text(other)
    with pytest.raises(SystemExit) as exit_:
        cli([command, bad.target, *(arg for text in bad.sets for arg in ("--set", text))], prog_name="recnmp")
    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == len(bad.lines), err
    for line, expected in zip(lines, bad.lines, strict=True):
        assert line.startswith(f"recnmp: error: {expected}")


@pytest.mark.parametrize("command", ["validate", "simulate"])
@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_a_bad_configuration_gets_one_line_for_each_mistake(
    bad: Bad,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    check(bad, command, capsys)


@pytest.mark.parametrize("command", ["validate", "simulate"])
@pytest.mark.parametrize(("text", "place", "suggestion"), NAMES.values(), ids=NAMES.keys())
def test_a_name_that_nothing_has_gets_its_place_and_what_there_is(
    text: str,
    place: str,
    suggestion: str | None,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    good = "" if text.startswith("model") else GOOD.format(trace=shipped("traces") / "rm1.parquet")
    Path("rm1.parquet").touch()
    Path("bad.yaml").write_text(text + good)
    with pytest.raises(SystemExit) as exit_:
        cli([command, "bad.yaml"], prog_name="recnmp")
    out, err = capsys.readouterr()
    assert (exit_.value.code, out) == (2, "")
    assert err.startswith(f"recnmp: error: bad.yaml:{place}")
    assert len(err.splitlines()) == 1
    assert suggestion is None or f"did you mean '{suggestion}'?" in err
