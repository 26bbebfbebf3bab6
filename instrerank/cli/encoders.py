"""`instrerank encoders`: the known model families, and what one model reads, token by token."""

from __future__ import annotations

import argparse
import json

from instrerank.cli import in_flags
from instrerank.cli.inputs import add_format_argument
from instrerank.cli.loading import add_code_arguments, add_loading_arguments, load_options_of
from instrerank.errors import InputError

DESCRIPTION = """List the model families whose templates are known, or show the exact strings that one model reads
for a query, an instruction and a passage, token by token. The weights of the model are not loaded.
"""
EPILOG = """examples:
  instrerank encoders
  instrerank encoders --family qwen3-embedding
  instrerank encoders minilm
  instrerank encoders Qwen/Qwen3-Reranker-0.6B
  instrerank encoders instrerank-minilm --query "copper" --instruction "Only its chemistry." --passage "Copper rusts."
  instrerank encoders intfloat/e5-base-v2 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="model to show: minilm, instrerank-minilm, a Hugging Face id, or a folder (default: list the families)",
    )
    parser.add_argument("--family", metavar="NAME", help="list only this family (default: all)")
    parser.add_argument("--query", metavar="TEXT", help="query to show (default: an example)")
    parser.add_argument("--instruction", metavar="TEXT", help="instruction to show (default: an example)")
    parser.add_argument("--passage", metavar="TEXT", help="passage to show (default: an example)")
    add_format_argument(parser, choices=("text", "json"))
    model = parser.add_argument_group("loading the encoder (these override its profile)")
    model.add_argument(
        "--encoder-kind",
        dest="kind",
        choices=("biencoder", "pointwise-llm"),
        default="biencoder",
        help="biencoder, or pointwise-llm, which the name of a known reranker selects by itself (default biencoder)",
    )
    add_loading_arguments(model, "prompt", "true_token", "false_token")
    add_loading_arguments(model, "adapter", "pooling", "query_template", "passage_template", "query_encoding")
    add_loading_arguments(model, "max_length", "max_query_length", "max_passage_length", "revision")
    add_code_arguments(model)


def run(arguments: argparse.Namespace) -> None:
    """Print the families, or what a model reads."""
    from instrerank.jobs.encoders import ReadingSettings, list_families, read_model
    from instrerank.jobs.readings import as_data, encoder_as_text, known_as_text, reranker_as_text
    from instrerank.jobs.rerankers import is_reranker, list_rerankers, read_reranker

    texts = {name: getattr(arguments, name) for name in ("query", "instruction", "passage")}
    given = {name: text for name, text in texts.items() if text is not None}
    if arguments.model is None:
        if given or load_options_of(arguments).changed():
            raise InputError("texts and loading flags are for one model: name it, as in `instrerank encoders minilm`")
        rerankers = list_rerankers(arguments.family)
        families = [] if arguments.family and rerankers else list_families(arguments.family)
        if arguments.format == "json":
            print(_json(as_data([*families, *rerankers])))
        else:
            print(in_flags(known_as_text(families, rerankers), arguments.flags))
        return
    if arguments.family is not None:
        raise InputError("give a model or `family`, not both")
    settings = ReadingSettings(model=arguments.model, options=load_options_of(arguments), **given)
    if is_reranker(arguments.model, settings.options):
        asked = read_reranker(settings)
        print(_json(as_data(asked)) if arguments.format == "json" else reranker_as_text(asked))
        return
    reading = read_model(settings)
    if arguments.format == "json":
        print(_json(as_data(reading)))
    else:
        print(encoder_as_text(reading._replace(notes=[in_flags(note, arguments.flags) for note in reading.notes])))


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False)
