"""What the commands of ``measure`` share: models and indices that are chosen, profiles that are kept and shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from recnmp.cli._base import progress
from recnmp.errors import ConfigError

if TYPE_CHECKING:
    from recnmp.library.device import DeviceProfile
    from recnmp.trace.trace import Trace


def chosen_models(given: tuple[str, ...]) -> list[str]:
    """Return the models that ``--model`` names, each once; raises ConfigError for an unknown one."""
    from recnmp._registry import did_you_mean, library_names
    from recnmp.config.mapping import names_file

    known = library_names("models")
    names = [name.strip() for text in given for name in text.split(",")]
    for name in names:
        if name != "all" and name not in known and not names_file(name):
            raise ConfigError(
                f"--model: unknown model {name!r}{did_you_mean(name, known)}; see `recnmp list models`"
            )
    return list(dict.fromkeys(known if "all" in names else names))


def chosen_indices(model: str | None, file: Path | None, options: dict[str, Any]) -> "tuple[str, Trace]":
    """Return the name of the indices, and a trace that has them."""
    if (model is None) == (file is None):
        raise ConfigError("either --model or --trace says whose indices are gathered")
    if file is not None:
        from recnmp.trace.storage import load_trace

        trace = load_trace(file)
        return file.stem, trace.select(0, min(options["trace_batches"], trace.batches))
    from recnmp.library.model import load_model
    from recnmp.mlp.profile import stored_name
    from recnmp.trace.synthetic import synthetic_trace

    (name,) = chosen_models((str(model),))
    trace = synthetic_trace(
        load_model(name), options["trace_batches"], options["batch_size"], options["seed"]
    )
    return stored_name(name), trace


def profile_name(options: dict[str, Any]) -> str:
    """Return the name of the profile: that of its file."""
    return options["out"].stem if options["out"] else "this machine"


def finish(profile: "DeviceProfile", options: dict[str, Any]) -> None:
    """Print what was measured, and add it to the file that was named."""
    if options["out"] is not None:
        from recnmp.mlp.profiling import add_to_profile

        add_to_profile(profile, options["out"])
    if options["as_json"]:
        click.echo(profile.model_dump_json(indent=2, exclude_none=True))
        return
    from recnmp.report.measured import profile_lines

    for line in profile_lines(profile):
        click.echo(line)


def measure_batches(
    model: str | None, file: Path | None, batches: list[int], options: dict[str, Any]
) -> None:
    """Time SLS of whole batches of every model that ``model`` names, and finish.

    Raises ConfigError for what is asked of a trace's gather, and for several numbers of threads or table types.
    """
    from recnmp.library.model import load_model
    from recnmp.mlp.gather_batches import measure_sls_batches
    from recnmp.mlp.process import How
    from recnmp.mlp.profile import stored_name
    from recnmp.mlp.profiling import without_models
    from recnmp.units import TableDtype

    if model is None or file is not None:
        raise ConfigError("--batch: times the SLS of --model, not of a trace")
    for option in ("trace_batches", "batch_size"):
        if click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE:
            raise ConfigError(
                f"--batch: says how large batches are, so --{option.replace('_', '-')} has no say"
            )
    if len(options["threads"]) > 1 or len(options["dtypes"]) > 1:
        raise ConfigError("--batch: takes one number of threads and one type of table")
    dtype: TableDtype = options["dtypes"][0] if options["dtypes"] else "fp32"
    with progress() as show:
        found = {
            stored_name(name): measure_sls_batches(
                load_model(name),
                batches,
                threads=options["threads"][0],
                dtype=dtype,
                clock=options["clock"],
                passes=options["passes"],
                table_bytes=options["table_bytes"],
                seed=options["seed"],
                progress=show or str,
            )
            for name in chosen_models((model,))
        }
    how = How(threads=options["threads"][0], clock=options["clock"])
    finish(without_models(how, profile_name(options), options["note"], sls_batches=found), options)
