"""Errors that the command line reports on one line, with an exit code, and warnings."""


class InstrerankError(Exception):
    """An operation failed (exit code 1); the base class of all our errors."""

    exit_code = 1


class InputError(InstrerankError, ValueError):
    """Invalid usage or input (exit code 2); the message says what was given, what is allowed and what to do next."""

    exit_code = 2


class MissingPrerequisiteError(InstrerankError, RuntimeError):
    """Java, a package, a model or a data set is missing on this machine (exit code 3)."""

    exit_code = 3


class InstrerankWarning(UserWarning):
    """Something works, but perhaps not as it was meant; the message says what is done and what else can be given."""


def pip_install(extra: str) -> str:
    """Return the command that installs one of our extras, as shown by every error about a missing package."""
    return f"pip install 'instrerank[{extra}]'"
