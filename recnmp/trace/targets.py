"""What can be captured: a model of the zoo, a user's script, or a user's model with its inputs."""

import contextlib
import importlib
import runpy
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from recnmp._registry import PACKAGE, did_you_mean, library_names
from recnmp.errors import ConfigError, RecnmpError
from recnmp.library.model import load_model

ZOO_BATCHES, ZOO_BATCH_SIZE = 8, 64
"""What a zoo model runs unless told otherwise."""


@dataclass(frozen=True)
class Target:
    """Something that runs a model.

    Attributes:
        run: runs it; called with what announces a batch. Raises RecnmpError when the run fails.
        meta: what its trace says about where it comes from; nothing that differs between machines or days.
        batches: batches wanted; None for all that it makes.
        uses_global_seed: whether its inputs come from the process-wide random generators.
        ends_early: whether only capture ends it after ``batches``; without capture it runs on.
    """

    run: Callable[[Callable[[], None]], None]
    meta: Mapping[str, Any]
    batches: int | None
    uses_global_seed: bool = True
    ends_early: bool = False


def find_target(
    target: str,
    *,
    batches: int | None,
    batch_size: int | None,
    seed: int,
    arguments: Sequence[str] = (),
) -> Target:
    """Return what ``target`` names; raises ConfigError when that does not exist or an option is not its."""
    if seed < 0:
        raise ConfigError(f"seed {seed} is negative")
    first, _, name = target.partition(":")
    if arguments and not target.partition(" ")[0].endswith(".py"):
        raise ConfigError(f"{target}: only a script takes arguments, got {' '.join(arguments)}")
    if first == "zoo":
        return _zoo(name, batches or ZOO_BATCHES, batch_size or ZOO_BATCH_SIZE, seed)
    if batch_size is not None:
        raise ConfigError(
            f"{target}: only a zoo model's batch size can be set; this target makes its own batches"
        )
    try:
        words = shlex.split(target)
    except ValueError as error:
        raise ConfigError(f"{target}: {error}") from None
    if words and words[0].endswith(".py"):
        return _script(Path(words[0]), [*words[1:], *arguments], batches, seed)
    if not first or not name or len(words) != 1:
        raise ConfigError(f"{target!r} is no target: give zoo:NAME, SCRIPT.py or MODULE:FACTORY")
    return _factory(first, name, batches, seed)


def _zoo(name: str, batches: int, batch_size: int, seed: int) -> Target:
    known = library_names("models")
    if name not in known:
        raise ConfigError(f"no zoo model {name!r}; there are {', '.join(known)}{did_you_mean(name, known)}")
    model = load_model(name)
    if other := sorted({group.dtype for group in model.tables} - {"fp32"}):
        raise ConfigError(
            f"zoo model {name!r} has tables of {', '.join(other)}, but the zoo runs FP32; capture a model of the "
            "same sizes in FP32 and replay it with trace.table_dtype"
        )

    def run(new_batch: Callable[[], None]) -> None:
        from recnmp.trace import zoo  # PyTorch

        zoo.run(model, batches, batch_size, seed, new_batch)

    meta = {
        "target": f"zoo:{name}",
        "model": name,
        "batches": batches,
        "batch_size": batch_size,
        "seed": seed,
        "indices": "recnmp.trace.synthetic TABLE_MIX 1",
    }
    return Target(run, meta, batches, uses_global_seed=False)


def _script(path: Path, arguments: list[str], batches: int | None, seed: int) -> Target:
    if not path.is_file():
        raise ConfigError(f"{path}: no such script")
    folder = path.resolve().parent

    def run(_new_batch: Callable[[], None]) -> None:
        with _as_main([str(path), *arguments], folder), _explained(str(path), folder):
            runpy.run_path(str(path), run_name="__main__")

    return Target(run, {"target": path.name, "seed": seed}, batches, ends_early=batches is not None)


def _factory(module: str, name: str, batches: int | None, seed: int) -> Target:
    def run(new_batch: Callable[[], None]) -> None:
        target = f"{module}:{name}"
        with _as_main([target], Path.cwd()), _explained(target, Path.cwd()):
            try:
                factory = getattr(importlib.import_module(module), name, None)
            except ModuleNotFoundError as error:
                if error.name is None or not (module + ".").startswith(error.name + "."):
                    raise
                raise ConfigError(f"{target}: no module {error.name!r}") from None
            if not callable(factory):
                raise ConfigError(f"{target}: module {module!r} has no callable {name!r}")
            model, batch_inputs = _model_and_inputs(target, factory())
            for values in islice(batch_inputs, batches):
                new_batch()
                _call(model, values)

    return Target(run, {"target": f"{module}:{name}", "seed": seed}, batches)


def _model_and_inputs(target: str, made: object) -> tuple[Callable[..., object], Iterable[object]]:
    if isinstance(made, tuple) and len(made) == 2 and callable(made[0]) and isinstance(made[1], Iterable):
        return made
    raise ConfigError(f"{target}() must return a model and an iterable of its inputs")


def _call(model: Callable[..., object], values: object) -> None:
    if isinstance(values, Mapping):
        model(**values)
    elif isinstance(values, tuple | list):
        model(*values)
    else:
        model(values)


@contextlib.contextmanager
def _as_main(arguments: list[str], folder: Path) -> Iterator[None]:
    """Give the user's code its arguments and imports; what it prints goes to standard error."""
    argv, search = sys.argv, sys.path
    sys.argv, sys.path = arguments, [str(folder), *sys.path]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.argv, sys.path = argv, search


@contextlib.contextmanager
def _explained(target: str, folder: Path) -> Iterator[None]:
    """Turn a failure of the user's code, which lies in ``folder``, into one line: what failed, and where."""
    try:
        yield
    except RecnmpError:
        raise
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            raise RecnmpError(f"{target}: exited with {leaving.code!r}") from None
    except Exception as error:
        what = " ".join(traceback.format_exception_only(error)[-1].split())
        raise RecnmpError(f"{_place(error, folder) or target}: {what}") from error


def _place(error: Exception, folder: Path) -> str | None:
    """Return file and line of the innermost of the user's own lines that ``error`` passed, or None."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    for filename, line in reversed(places):
        path = Path(filename).resolve()
        if (
            path.is_relative_to(folder)
            and not path.is_relative_to(PACKAGE)
            and "site-packages" not in path.parts
        ):
            return f"{path.relative_to(folder)}:{line}"
    return None
