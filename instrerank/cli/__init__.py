"""The command line: one thin module per verb, imported only when its verb is asked for."""

from __future__ import annotations

import argparse
import importlib
import re
import signal
import sys
import threading
from collections.abc import Mapping, Sequence

import instrerank
from instrerank.cli.messages import add_message_arguments, coloured, log, messages_on_stderr
from instrerank.cli.streams import discard_output, prepare_streams
from instrerank.errors import InputError, InstrerankError

VERBS = {
    "index": "build a Lucene index of passages",
    "search": "BM25: a first-stage run",
    "rerank": "rerank a run with an instruction-following bi-encoder",
    "perturb": "make perturbed query sets: typos, paraphrases, instructions, injections",
    "constrain": "make instructions whose effect on relevance a program can verify",
    "attack": "search the query that hurts an encoder most, within an edit budget",
    "evaluate": "score runs with trec_eval's measures",
    "train": "train an encoder, or a LoRA adapter, to follow instructions",
    "study": "encoders × instructions × query sets × seeds: is retrieval robust, and is the difference significant?",
    "report": "the page of a study: the answer, plots, tables, the worst queries",
    "export": "a run in the form that a leaderboard or another tool asks for, checked first",
    "check": "say what is wrong with runs, qrels and topics, line by line",
    "doctor": "say what this machine has and what is missing",
    "reproduce": "run conditions with known scores, and compare",
    "completion": "make a shell complete verbs, flags and file names",
    "demo": "the main job on the bundled collection, end to end",
}


def build_parser(*verbs: str) -> argparse.ArgumentParser:
    """Build the parser; only the modules of `verbs` are imported, so that `--help` stays quick."""
    parser = argparse.ArgumentParser(prog="instrerank", description=(instrerank.__doc__ or "").partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"instrerank {instrerank.__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name in verbs:
            module = importlib.import_module(f"instrerank.cli.{name}")
            module.add_arguments(subparser)
            add_message_arguments(subparser)
            subparser.set_defaults(run=module.run, flags=_flags(subparser))
    return parser


def in_flags(message: str, flags: Mapping[str, str]) -> str:
    """Return a message in the words of the command line.

    Library modules write a parameter in backticks (`max_length`), as a Python script knows it; whoever typed a command
    knows the flag (--max-length). What is no flag of this verb stays as it is.
    """
    return re.sub(r"`([a-z][\w.]*)`", lambda match: flags.get(match[1], match[0]), message)


def _flags(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the long flag of each parameter: by the attribute that argparse gives it, and by its spelling."""
    flags: dict[str, str] = {}
    for action in parser._actions:
        long = next((flag for flag in action.option_strings if flag.startswith("--")), None)
        flag = long or next(iter(action.option_strings), None)
        if flag is not None:
            flags |= {action.dest: flag, flag.lstrip("-").replace("-", "_"): flag}
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 done; 2 usage or bad input, or an output that cannot be written; 3 a missing prerequisite; 1 our own failure
        (with its traceback); 130 interrupted; 141 nobody reads the output any more; 143 terminated, with partial
        files removed.
    """
    verb, interrupted = "", False
    flags: dict[str, str] = {}

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    def fail(message: object, code: int) -> int:
        log.debug("traceback, as --verbose asks for it:", exc_info=True)
        log.error("%s %s", coloured(f"instrerank {verb}:", "red", sys.stderr), in_flags(str(message), flags))
        return code

    prepare_streams()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        signal.signal(signal.SIGINT, interrupt)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    with messages_on_stderr() as show_from:
        try:
            verb = next((argument for argument in arguments if argument in VERBS), "")
            parsed = _parse(build_parser(*[verb] if verb else []), arguments)
            verb, flags = parsed.verb, parsed.flags
            show_from(parsed.log_level)
            code = parsed.run(parsed) or 0
            sys.stdout.flush()
            return int(code)
        except InstrerankError as error:
            return fail(error, error.exit_code)
        except BrokenPipeError:
            discard_output()
            return 141
        except OSError as error:  # of a disk, a stream, a folder that readers and writers do not know of
            place = error.filename or "standard output"
            code = fail(f"cannot read or write {place}: {error.strerror or error}", InputError.exit_code)
            discard_output()
            return code
        except MemoryError as error:
            return fail(f"out of memory: {error or 'take fewer topics or a smaller `hits`'}", InputError.exit_code)
        except BaseException as error:
            # libraries turn an interrupt during their import into errors of their own
            if not interrupted and not isinstance(error, KeyboardInterrupt):
                raise
            log.error("instrerank %s: interrupted", verb)
            return 130


def _parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; help that cannot be written is an error, not a complaint of Python at its end."""
    try:
        return parser.parse_args(arguments)
    except SystemExit:
        sys.stdout.flush()
        raise
