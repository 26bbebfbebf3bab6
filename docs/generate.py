"""A page for each verb, made from its parser: python docs/generate.py, or make docs."""

import argparse
import textwrap
from pathlib import Path

from instrerank.cli import VERBS, build_parser

PAGES = Path(__file__).parent / "verbs"
GUIDES = {
    "index": ["tutorial"],
    "search": ["tutorial"],
    "rerank": ["tutorial", "encoders"],
    "evaluate": ["methods"],
    "export": ["leaderboards", "integrations"],
    "check": ["leaderboards"],
    "demo": ["tutorial"],
}
"""What to read, where that is not the page with the verb's name."""


def page(verb: str) -> str:
    """Return the page of a verb: what it does, its usage, its flags, its examples."""
    subparsers = next(each for each in build_parser(verb)._actions if isinstance(each, argparse._SubParsersAction))
    parser = subparsers.choices[verb]
    named = [name for name in GUIDES.get(verb, [verb]) if (PAGES.parent / f"{name}.md").exists()]
    guides = ["Guide: " + ", ".join(f"[{name}](../{name}.md)" for name in named)] if named else []
    notes, _, examples = parser.epilog.partition("examples:\n")
    parts = [
        f"# {verb}",
        _capital(parser.description.strip()),
        *guides,
        f"```text\n{_usage(parser)}\n```",
        *([f"```text\n{notes.strip()}\n```"] if notes.strip() else []),
        f"## Examples\n\n```sh\n{textwrap.dedent(examples).strip()}\n```",
    ]
    own, groups = parser._action_groups[:2], parser._action_groups[2:]
    sections = [("flags", [action for group in own for action in group._group_actions if action.dest != "help"])]
    sections += [(group.title, group._group_actions) for group in groups]
    formatter = parser._get_formatter()
    for title, actions in sections:
        rows = [f"- `{_named(action)}`: {formatter._expand_help(action)}" for action in actions]
        parts += [f"## {_capital(title)}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _usage(parser: argparse.ArgumentParser) -> str:
    """Return the command with what it cannot do without, the same under every Python."""
    choices = [group for group in parser._mutually_exclusive_groups if group.required]
    needed = [_named(action) for action in parser._actions if action.option_strings and action.required]
    needed += [f"({' | '.join(map(_named, group._group_actions))})" for group in choices]
    needed += [_named(action) for action in parser._actions if not action.option_strings]
    return " ".join([parser.prog, *needed, "[flags]"])


def _named(action: argparse.Action) -> str:
    """Return a flag and its value as one types them."""
    value = action.metavar or "|".join(action.choices or ()) or action.dest.upper()
    value = {"?": f"[{value}]", "+": f"{value} [{value} …]"}.get(action.nargs, value)
    if not action.option_strings:
        return value
    return ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {value}")


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for verb in VERBS:
        (PAGES / f"{verb}.md").write_text(page(verb), "utf-8")
