"""What every format owes, whichever files the folder of formats holds."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from builders import trace_of
from pydantic import BaseModel

from recnmp._registry import plugin
from recnmp.errors import ConfigError
from recnmp.placement.export import export_trace
from recnmp.trace.convert import find_format, format_names, import_trace
from recnmp.trace.formats._options import ReadOptions, RequestOptions, WriteOptions
from recnmp.trace.formats.log import LogOptions
from recnmp.trace.storage import save_trace

MODULES = {name: plugin("trace.formats", name) for name in format_names()}
READ = [name for name, module in MODULES.items() if hasattr(module, "read")]
WRITTEN = [name for name, module in MODULES.items() if hasattr(module, "write")]
REQUESTS = [name for name, module in MODULES.items() if hasattr(module, "request_lines")]
PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()


def options_of(name: str) -> ReadOptions:
    if name == "log":
        return LogOptions.model_validate({"tables": {"item": {}}})
    options: ReadOptions = MODULES[name].ReadOptions()
    return options


@pytest.mark.parametrize("name", MODULES)
def test_a_format_says_what_it_is_and_does_something(name):
    module = MODULES[name]
    assert module.SUMMARY
    assert not module.SUMMARY.endswith(".")
    assert name in READ + WRITTEN + REQUESTS
    kinds = {"read": ReadOptions, "write": WriteOptions, "request_lines": RequestOptions}
    models = {"read": "ReadOptions", "write": "WriteOptions", "request_lines": "RequestOptions"}
    for function, kind in kinds.items():
        assert hasattr(module, function) == hasattr(module, models[function])
        if hasattr(module, function):
            assert issubclass(getattr(module, models[function]), kind)


@pytest.mark.parametrize("name", MODULES)
def test_a_format_and_its_options_are_documented(name):
    assert f"| `{name}` |" in PAGE
    for model in ("ReadOptions", "WriteOptions", "RequestOptions"):
        options: type[BaseModel] | None = getattr(MODULES[name], model, None)
        for option, field in options.model_fields.items() if options else ():
            assert field.description, (name, option)
            assert f"`{option}`" in PAGE or f"\n{option}:" in PAGE, (name, option)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("content", [None, b"", b"\0" * 100, b"neither\nfish\nnor\nflesh\n"])
def test_what_is_no_such_file_is_an_error_that_names_it_and_leaves_nothing(name, content, tmp_path):
    if name in ("dlrm_datasets", "fbgemm_tbe"):
        pytest.importorskip("torch", reason="PyTorch's files")
    file = tmp_path / "given.x"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as failure:
        import_trace(name, [file], tmp_path / "out.parquet", options_of(name))
    assert "given.x" in str(failure.value) or "nothing to import" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"given.x"}


@pytest.mark.parametrize("name", WRITTEN + REQUESTS)
def test_an_export_is_the_same_every_time_and_leaves_nothing_beside(name, tmp_path):
    if name in ("dlrm_datasets", "fbgemm_tbe"):
        pytest.importorskip("torch", reason="PyTorch's files")
    save_trace(trace_of([(9, 16)], [(0, [[1, 2], [3]]), (0, [[4]])], per_batch=1), tmp_path / "in.parquet")
    module = MODULES[name]
    options = module.WriteOptions() if name in WRITTEN else module.RequestOptions()
    written = []
    for _ in range(2):
        export_trace(name, tmp_path / "in.parquet", tmp_path / "out", options)
        written.append((tmp_path / "out").read_bytes())
    assert written[0] == written[1]
    assert {path.name for path in tmp_path.iterdir()} == {"in.parquet", "out"}


@pytest.mark.parametrize("name", WRITTEN + REQUESTS)
@pytest.mark.parametrize("damage", ["no trace", "a flipped byte in the lookups"])
def test_a_damaged_trace_is_not_exported(name, damage, tmp_path):
    if name in ("dlrm_datasets", "fbgemm_tbe"):
        pytest.importorskip("torch", reason="PyTorch's files")
    save_trace(trace_of([(9, 16)], [(0, [[n % 9] for n in range(500)])]), tmp_path / "in.parquet")
    content = bytearray((tmp_path / "in.parquet").read_bytes())
    last = pq.ParquetFile(tmp_path / "in.parquet").metadata.row_group(0).column(2)
    content[last.data_page_offset + last.total_compressed_size - 8] ^= 0xFF
    (tmp_path / "in.parquet").write_bytes(b"no trace" if damage == "no trace" else content)
    module = MODULES[name]
    options = module.WriteOptions() if name in WRITTEN else module.RequestOptions()
    with pytest.raises(ConfigError, match=r"in\.parquet"):
        export_trace(name, tmp_path / "in.parquet", tmp_path / "out", options)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_format_that_is_none_or_does_not_do_that_is_named():
    with pytest.raises(ConfigError, match=r"'critoe' is not one that is read: .*did you mean 'criteo'"):
        find_format("critoe", "read")
    with pytest.raises(ConfigError, match="'ramulator2' is not one that is read"):
        find_format("ramulator2", "read")
    with pytest.raises(ConfigError, match="'criteo' is not one that is written"):
        find_format("criteo", "write", "request_lines")
