"""`instrerank completion`: shell completion of verbs, flags and file names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from instrerank.errors import MissingPrerequisiteError, pip_install

DESCRIPTION = """Print a script for shell completion of verbs, flags and file names (needs the extra `completion`)."""
EPILOG = """examples:
  instrerank completion bash > ~/.local/share/bash-completion/completions/instrerank
  instrerank completion zsh > ~/.zfunc/_instrerank
  instrerank completion fish > ~/.config/fish/completions/instrerank.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="shell to print the script for")


def run(arguments: argparse.Namespace) -> None:
    """Print the script for a shell."""
    from instrerank.cli import VERBS, build_parser

    try:
        import shtab
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"shell completion needs the package shtab: {pip_install('completion')}"
        ) from error
    parser = build_parser(*VERBS)
    for action in _actions(parser):
        if action.nargs != 0 and action.choices is None:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, arguments.shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its verbs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _actions(subparser)
        else:
            yield action
