"""The job `encoders` for pointwise language models: the known prompts, and what one model reads, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from instrerank.encoders.families.known_rerankers import RERANKERS, match_prompt
from instrerank.encoders.families.prompts import Prompt
from instrerank.encoders.locate import usable_settings
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.pair_files import find_pair_model
from instrerank.encoders.pair_tokenizing import PromptTokenizer
from instrerank.jobs.encoders import EXAMPLE_INSTRUCTION, WHOLE, ReadingSettings, TextRead, TokenRead


class KnownReranker(NamedTuple):
    """A row of the table of rerankers.

    Attributes:
        family: its name, which `prompt` takes.
        names: pattern of its models' names, without organisation.
        example: id of one of its models.
        prompt: template of query, instruction and passage.
        true: token that answers yes.
        false: token that answers no; "" if the score is the logit of `true` alone.
        default_instruction: what queries without an instruction are given; "" for nothing.
        instruction: "trained", or "appended" where the models were trained without free instructions.
        max_length: maximum tokens of the whole prompt.
        licence: of the weights; "" if it was not verified.
        source: reference for all this.
    """

    family: str
    names: str
    example: str
    prompt: str
    true: str
    false: str
    default_instruction: str
    instruction: str
    max_length: int
    licence: str
    source: str


def list_rerankers(name: str | None = None) -> list[KnownReranker]:
    """Return the known rerankers, or those of one family; empty if there are none."""
    return [
        KnownReranker(
            each.prompt.family,
            each.names,
            each.example,
            each.prompt.template,
            each.prompt.true,
            each.prompt.false,
            each.prompt.default_instruction,
            "trained" if each.prompt.instructed else "appended",
            each.prompt.max_length,
            each.licence,
            each.prompt.source,
        )
        for each in RERANKERS
        if name in (None, each.prompt.family)
    ]


class RerankerReading(NamedTuple):
    """What a pointwise language model reads.

    Attributes:
        model: its name.
        prompt: template, answers and source.
        notes: what to know before using it.
        texts: examples.
    """

    model: str
    prompt: Prompt
    notes: list[str]
    texts: list[TextRead]


def is_reranker(model: str, options: LoadOptions) -> bool:
    """Return whether a model is to be read as a pointwise reranker: by `kind`, or by its name."""
    return options.kind == "pointwise-llm" or (options.pooling is None and match_prompt(model) is not None)


def read_reranker(settings: ReadingSettings) -> RerankerReading:
    """Return what a pointwise reranker reads for a query, an instruction and a passage; no weights are loaded.

    Raises:
        InputError: an unknown model, one without a known prompt, an empty text, or a query that leaves no room.
        MissingPrerequisiteError: the model is not available here.
    """
    name = str(settings.model)
    with usable_settings(name):
        files = find_pair_model(name, settings.options.with_changes(kind="pointwise-llm"))
        assert files.prompt is not None  # of this kind
        tokenizer = PromptTokenizer(files.tokenizer, files.prompt)
        instruction = EXAMPLE_INSTRUCTION if settings.instruction is None else settings.instruction
        given = {"query and passage": "", "query with instruction, and passage": instruction}
        texts = [
            _read(tokenizer, what, (settings.query, each, settings.passage), files.max_length)
            for what, each in given.items()
            if each.strip() or (what == "query and passage" and files.prompt.without_instruction)
        ]
    return RerankerReading(name, files.prompt, list(_notes(files.prompt)), texts)


def _notes(prompt: Prompt) -> Iterator[str]:
    if not prompt.without_instruction:
        yield "the prompt cannot do without an instruction: a query that has none is refused"
    elif not prompt.instructed:
        yield "nothing says that the model was trained with instructions: it may ignore them"


def _read(tokenizer: PromptTokenizer, what: str, pair: tuple[str, str, str], max_length: int) -> TextRead:
    """Tokenise a prompt, within its maximum length and whole."""
    kept, whole = (tokenizer.encode(*pair, length).ids for length in (max_length, WHOLE))
    common = len(list(takewhile(bool, (one == other for one, other in zip(kept, whole, strict=False)))))
    lost = whole[common : common + len(whole) - len(kept)]
    added = tokenizer.tokenizer.get_added_tokens_decoder()
    tokens = [
        TokenRead(index, str(tokenizer.tokenizer.id_to_token(index)), index in added and added[index].special, True)
        for index in kept
    ]
    spelt = str(tokenizer.tokenizer.decode(lost, skip_special_tokens=False))
    return TextRead(what, tokenizer.text(*pair), tokens, max_length, spelt, len(lost))
