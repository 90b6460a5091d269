"""`measure`: real hardware timed into a device profile, dense parts, SLS, both beside each other, and its roofs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recnmp.cli._base import FILE, cli, json_option, progress
from recnmp.cli._measured import chosen_indices, chosen_models, finish, measure_batches, profile_name
from recnmp.errors import ConfigError

if TYPE_CHECKING:
    from recnmp.library.device import GatherProfile
    from recnmp.trace.trace import Trace

_BATCHES = "1,4,16,64,256,1024"
_MODEL = "Model of the library or YAML file; several with commas or by repeating; all for the whole library."


def numbers(_: click.Context, option: click.Parameter, value: str) -> list[int]:
    """Read whole numbers with commas; raises BadParameter for anything else."""
    parts = value.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r}: whole numbers above 0 with commas", param=option)
    return [int(part) for part in parts]


def _some_numbers(context: click.Context, option: click.Parameter, value: str | None) -> list[int] | None:
    return None if value is None else numbers(context, option, value)


def _size(_: click.Context, option: click.Parameter, value: str | None) -> int | None:
    from recnmp.units import parse_bytes

    try:
        return None if value is None else parse_bytes(value)
    except ConfigError as error:
        raise click.BadParameter(str(error), param=option) from None


_models_option = click.option("--model", "models", multiple=True, required=True, metavar="M", help=_MODEL)
_threads_option = click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="Of the matrix library."
)
_repeats_option = click.option(
    "--repeats", default=30, show_default=True, type=click.IntRange(3), help="Samples of a part in a process."
)
_clock_option = click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    show_default=True,
    help="cpu: without the time that other work had the core, for one thread on a machine that is shared.",
)
_memory_option = click.option(
    "--table-memory",
    "table_bytes",
    metavar="SIZE",
    callback=_size,
    help="Allocated for tables, such as 2 GiB; by default four times the last-level cache, at most half of the "
    "memory that is free.",
)
_note_option = click.option("--note", default="", help="What a reader must know about this machine.")
_out_option = click.option(
    "--out", type=FILE, metavar="FILE", help="Device profile (YAML) to write; its other sections are kept."
)
_from_trace = (
    click.option("--trace", "file", type=FILE, metavar="FILE", help="Trace whose indices are gathered."),
    click.option(
        "--trace-batches",
        default=8,
        show_default=True,
        type=click.IntRange(1),
        help="Batches gathered, at most.",
    ),
    click.option("--batch-size", default=64, show_default=True, type=click.IntRange(1), help="Of --model."),
    click.option(
        "--seed", default=1, show_default=True, type=click.IntRange(0), help="Of --model's indices."
    ),
)


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@cli.group()
def measure() -> None:
    """Time real hardware: dense parts, the host's gather-reduce, and how they disturb each other."""


@measure.command()
@_options(_models_option, _threads_option, _repeats_option, _clock_option)
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="What computes."
)
@click.option(
    "--batch", "batches", default=_BATCHES, show_default=True, callback=numbers, help="Batch sizes."
)
@click.option(
    "--dtype",
    type=click.Choice(["fp32", "bf16", "int8"]),
    default="fp32",
    show_default=True,
    help="bf16: all of it; int8: weights of the MLPs, quantised dynamically.",
)
@click.option("--compile", "compiled", is_flag=True, help="Pass every operator through torch.compile.")
@click.option(
    "--backend",
    type=click.Choice(["auto", "torch", "numpy"]),
    default="auto",
    show_default=True,
    help="auto: PyTorch where it is installed.",
)
@click.option("--processes", default=5, show_default=True, type=click.IntRange(1), help="For each model.")
@_options(_note_option, _out_option, json_option)
def mlp(models: tuple[str, ...], batches: list[int], **options: Any) -> None:
    """Time the dense part of models, operator by operator, in fresh processes.

    On a GPU: launches included, kernels alone by graph replay, and transfers of dense features and pooled vectors.
    """
    from recnmp.mlp.process import How
    from recnmp.mlp.profiling import measure_profile

    how = How(**{field: options[field] for field in How._fields})
    with progress() as show:
        profile = measure_profile(
            profile_name(options),
            chosen_models(models),
            batches,
            how=how,
            processes=options["processes"],
            note=options["note"],
            progress=show,
        )
    finish(profile, options)


@measure.command()
@click.option(
    "--model",
    metavar="M",
    help="Model whose indices are gathered, as `recnmp trace capture zoo:M` has them; with --batch several, or all.",
)
@click.option(
    "--batch",
    "batches",
    metavar="N,...",
    callback=_some_numbers,
    help="Time SLS of one batch of each size instead, as an operator beside the dense parts of --model.",
)
@_options(*_from_trace)
@click.option("--threads", default="1", show_default=True, callback=numbers, help="Such as 1,2,4.")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(["fp32", "int8_rowwise"]),
    help="Of the tables; may be repeated. Both by default, fp32 with --batch.",
)
@click.option(
    "--passes", default=30, show_default=True, type=click.IntRange(3), help="Over the trace, each a sample."
)
@click.option(
    "--beside",
    metavar="CONFIG",
    help="Also simulate the host's gather of the same lookups on CONFIG's memory, a core for a thread; FP32.",
)
@_options(_clock_option, _memory_option, _note_option, _out_option, json_option)
def sls(model: str | None, file: Path | None, batches: list[int] | None, **options: Any) -> None:
    """Time the host's own gather-reduce: PyTorch's embedding bags on a trace's indices.

    Tables are larger than the last-level cache. Every entry that the trace reads has one of its own there, so reuse
    is the trace's; each pass reads others in the same pattern.
    """
    beside = options.pop("beside")
    if beside is not None and (batches is not None or options["as_json"]):
        raise ConfigError("--beside: for one trace, as text; leave out --batch and --json")
    if batches is not None:
        measure_batches(model, file, batches, options)
        return
    if options["clock"] != "wall":
        raise ConfigError("--clock cpu: of SLS by --batch; a trace's gather is timed by the wall clock")
    from recnmp.mlp.gather import measure_gather
    from recnmp.mlp.process import How
    from recnmp.mlp.profiling import without_models

    name, trace = chosen_indices(model, file, options)
    with progress() as show:
        found = measure_gather(
            trace,
            threads=options["threads"],
            dtypes=options["dtypes"] or ("fp32", "int8_rowwise"),
            table_bytes=options["table_bytes"],
            passes=options["passes"],
            progress=show or str,
        )
    how = How(threads=max(options["threads"]))
    finish(without_models(how, profile_name(options), options["note"], sls={name: found}), options)
    if beside is not None:
        for line in simulated_beside(found, trace, beside):
            click.echo(line)


def simulated_beside(found: "GatherProfile", trace: "Trace", config: str) -> Iterator[str]:
    """Yield what simulated hosts on the memory of ``config`` take for the lookups that were measured."""
    from recnmp.config import load_config
    from recnmp.nmp.ladder import ladder_on
    from recnmp.report.tables import RUNG_LABELS

    loaded = load_config(config)
    measured = {point.threads: point.per_lookup.median_ns for point in found.points if point.dtype == "fp32"}
    if not measured:
        raise ConfigError("--beside: what is simulated has FP32 tables, and none was measured")
    yield f"\nns a lookup on {config}'s memory ({loaded.memory.standard}, simulated) and on this machine"
    for threads, here in measured.items():
        cells = [
            f"{RUNG_LABELS[rung.name]} {rung.ns / trace.lookups:.2f}"
            for rung in ladder_on(loaded, trace, threads)
        ]
        yield f"  {threads} thread{'s' * (threads != 1)}: {', '.join(cells)}; measured {here:.2f}"


@measure.command()
@_options(_threads_option, _repeats_option, _clock_option, _note_option, _out_option, json_option)
def roof(**options: Any) -> None:
    """Time what the machine can do at most: an FP32 matrix product, and copies in DRAM and in cache.

    `recnmp roofline` draws a model's operators below them.
    """
    from recnmp.mlp.process import How
    from recnmp.mlp.profiling import without_models
    from recnmp.mlp.roof import measure_roof

    found = measure_roof(threads=options["threads"], clock=options["clock"], repeats=options["repeats"])
    how = How(threads=options["threads"], clock=options["clock"])
    finish(without_models(how, profile_name(options), options["note"], roof=found), options)


@measure.command()
@_options(_models_option, _threads_option, _repeats_option, _clock_option)
@click.option(
    "--batch", "batches", default="16,64,256", show_default=True, callback=numbers, help="Batch sizes."
)
@click.option(
    "--gather", default="rm1", show_default=True, metavar="M", help="Model whose indices are gathered."
)
@_options(*_from_trace)
@click.option("--gather-threads", default=1, show_default=True, type=click.IntRange(1), help="That gather.")
@click.option(
    "--rounds", default=3, show_default=True, type=click.IntRange(1), help="Alone, beside, in turn."
)
@_options(_memory_option, _note_option, _out_option, json_option)
def interference(
    models: tuple[str, ...], batches: list[int], gather: str, file: Path | None, **options: Any
) -> None:
    """Time dense parts with and without a gather on other cores, and the gather beside them.

    `end_to_end.interference: profile` uses the result where co-located models are simulated.
    """
    from recnmp.mlp.interference import measure_interference
    from recnmp.mlp.process import How
    from recnmp.mlp.profile import stored_name
    from recnmp.mlp.profiling import without_models

    name, trace = chosen_indices(None if file else gather, file, options)
    how = How(threads=options["threads"], repeats=options["repeats"], clock=options["clock"])
    with progress() as show:
        found = measure_interference(
            chosen_models(models),
            batches,
            trace,
            name,
            how=how,
            gather_threads=options["gather_threads"],
            table_bytes=options["table_bytes"],
            rounds=options["rounds"],
            progress=show or str,
        )
    sections = {stored_name(model): times for model, times in found.items()}
    finish(without_models(how, profile_name(options), options["note"], interference=sections), options)
