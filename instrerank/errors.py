"""Errors that the command line turns into one line and an exit code."""


class InstrerankError(Exception):
    """Our own failure (exit code 1)."""

    exit_code = 1


class InputError(InstrerankError, ValueError):
    """Bad usage or bad input: what was given, what is allowed, what to do next (exit code 2)."""

    exit_code = 2


class MissingPrerequisiteError(InstrerankError, RuntimeError):
    """Java, a package or a model that this machine lacks (exit code 3)."""

    exit_code = 3


def pip_install(extra: str) -> str:
    """Return the command that installs one of our extras: the same remedy wherever its packages are missing."""
    return f"pip install 'instrerank[{extra}]'"
