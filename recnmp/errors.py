"""The two ways a run can fail, each with its exit code."""


class RecnmpError(Exception):
    """A failure with a message meant for the user; the command line prints it without a traceback."""

    exit_code = 1


class ConfigError(RecnmpError):
    """What was asked cannot be done as asked: a bad file, key, value, name or combination (exit code 2)."""

    exit_code = 2
