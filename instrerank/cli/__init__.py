"""The command line: one thin module per verb, imported only when the verb is used."""

from __future__ import annotations

import argparse
import importlib
import re
import signal
import sys
import threading
from collections.abc import Mapping, Sequence

import instrerank
from instrerank.cli.messages import add_message_arguments, coloured, log, messages_on_stderr, warnings_as_messages
from instrerank.cli.streams import discard_output, prepare_streams
from instrerank.errors import InputError, InstrerankError

VERBS = {
    "collections": "list the collections that can be named, and what each has",
    "index": "build a Lucene index of passages",
    "search": "retrieve a first-stage run with BM25",
    "encode": "encode passages into the store, ahead of reranking, in shards",
    "rerank": "rerank a run with an instruction-following bi-encoder",
    "perturb": "make perturbed query sets: typos, paraphrases, instructions, injections",
    "constrain": "write instructions whose effect on relevance a program can verify",
    "attack": "find the query, within an edit budget, that hurts an encoder's ranking most",
    "evaluate": "score runs with trec_eval's measures, or compare them with a baseline",
    "train": "train an encoder, or a LoRA adapter, to follow instructions",
    "study": "measure robustness over encoders × instructions × query sets × seeds, with significance tests",
    "report": "write the report of a study, or compare runs topic by topic, as one HTML page",
    "export": "validate a run and write it in the format of a leaderboard or another tool",
    "check": "check runs, qrels and topics, and list every problem with its line",
    "store": "list, verify, compact or remove stored passage vectors",
    "encoders": "list model families, or show what a model reads, token by token",
    "doctor": "list what is installed on this machine and what is missing",
    "reproduce": "run conditions with known scores and compare",
    "completion": "print a script for shell completion of verbs, flags and file names",
    "demo": "run the whole pipeline on the bundled collection",
}


def build_parser(*verbs: str) -> argparse.ArgumentParser:
    """Build the parser; only the modules of `verbs` are imported, so that `--help` stays fast."""
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
    """Return a message with the names of parameters replaced by those of flags.

    Library modules write a parameter in backticks (`max_length`), as Python code names it; on the command line it is a
    flag (--max-length). Names that are not flags of this verb are left as they are.
    """
    return re.sub(r"`([a-z][\w.]*)`", lambda match: flags.get(match[1], match[0]), message)


def _flags(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the long flag of each parameter, by its argparse attribute and by its spelling."""
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
        0 success; 2 usage error, bad input, or an output that cannot be written; 3 missing prerequisite; 1 internal
        failure (with its traceback); 130 interrupted; 141 the reader of the output has gone; 143 terminated, with
        partial files removed.
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
            with warnings_as_messages(lambda message: in_flags(message, flags)):
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
