"""The command line: parsing and printing, nothing else.

Standard output carries the result alone. Exit codes: 0 done, 1 the run failed, 2 what was asked cannot be
done, 130 interrupted, 143 terminated. Everything but click is imported by the command that needs it: help
answers at once.
"""

import os
import signal
import sys

from recnmp.cli import (
    convert,
    generate,
    measure,
    memory,
    plot,
    report,
    reproduce,
    roofline,
    search,
    simulate,
    study,
    study_hot,
    study_rankcache,
    sweep,
    trace,
)
from recnmp.cli._base import cli

__all__ = [
    "cli",
    "convert",
    "generate",
    "main",
    "measure",
    "memory",
    "plot",
    "report",
    "reproduce",
    "roofline",
    "search",
    "simulate",
    "study",
    "study_hot",
    "study_rankcache",
    "sweep",
    "trace",
]


SIGNALLED = 128
"""Exit codes of programs that a signal ended are this and its number."""


def main() -> None:
    """Run the command line; the entry point of the ``recnmp`` program."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        cli(prog_name="recnmp")
    except SystemExit as done:
        if not isinstance(done.code, int) or done.code == 0:
            raise
        if done.code < SIGNALLED and "torch" not in sys.modules:
            raise
        # now and then compiled code crashes while it is torn down: torch after a thread of a captured script failed,
        # others where a signal met them at work; all that is half written is gone by now
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(done.code)


def _terminated(number: int, _: object) -> None:
    """Leave by way of every ``finally``: what is half written goes."""
    sys.exit(SIGNALLED + number)
