"""The pointwise language-model rerankers that are known: their prompts, word for word, and their answers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from instrerank.encoders.families.family import WEB_SEARCH
from instrerank.encoders.families.prompts import Prompt, own_prompt
from instrerank.encoders.locate import base_name
from instrerank.errors import InputError

_FOLLOWIR_CODE = "code orionw/FollowIR (reranker_models.py), as in mteb (rerankers_monot5_based.py)"
_MONOT5 = Prompt(
    "monot5",
    "Query: {q} {i} Document: {d} Relevant:",
    true="▁true",
    false="▁false",
    max_length=512,
    source="arXiv 2003.06713, code castorini/pygaggle",
)
_CONTEXTUAL = Prompt(
    "ctxl-rerank-v2",
    "Check whether a given document contains information helpful to answer the query.\n<Document> {d}\n"
    "<Query> {q} {i} ??",
    true="!",  # the token with the id 0, whatever it is
    false="",
    max_length=8192,
    source="recipe of ContextualAI/ctxl-rerank-v2-instruct-multilingual-1b, as copied publicly; card not read",
    instructed=True,
)


class Reranker(NamedTuple):
    """Published rerankers that share a prompt.

    Attributes:
        names: pattern of the model's name without its organisation; the whole name must match, ignoring case.
        prompt: their prompt.
        example: id of one of these models on the Hugging Face hub.
        licence: licence of the weights as mteb states it; "" if it states none.
    """

    names: str
    prompt: Prompt
    example: str
    licence: str = ""


RERANKERS: tuple[Reranker, ...] = (
    Reranker(
        r"qwen3-reranker-(0\.6b|4b|8b)(-seq-cls)?",
        Prompt(
            "qwen3-reranker",
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the "
            'Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n{|}'
            "<Instruct>: {i}\n<Query>: {q}\n<Document>: {d}{|}"
            "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
            true="yes",
            false="no",
            max_length=8192,
            source="arXiv 2506.05176; mteb's wrapper and public copies of the card of Qwen/Qwen3-Reranker-0.6B",
            default_instruction=WEB_SEARCH,
            instructed=True,
        ),
        "Qwen/Qwen3-Reranker-0.6B",
        "apache-2.0",
    ),
    Reranker(
        r"followir-7b",
        Prompt(
            "followir",
            # the literal <s> comes after the tokenizer's own, as in the reference
            "<s> [INST] You are an expert Google searcher, whose job is to determine if the following document is "
            "relevant to the query (true/false). Answer using only one word, one of those two choices.\n\n"
            "Query: {q} {i}\nDocument: {d}\n"
            'Relevant (only output one word, either "true" or "false"): [/INST] ',
            source=f"arXiv 2403.15246, {_FOLLOWIR_CODE}",
            instructed=True,
        ),
        "jhu-clsp/FollowIR-7B",
    ),
    Reranker(
        r"mistral-7b-instruct-v0\.[123]",
        Prompt(
            "mistral-instruct",
            "<s>[INST] You are an expert Google searcher, whose job is to determine if the following document is "
            'relevant to the query (true/false).\nQuery: {q} {i}\nDocument: {d}\nRelevant (either "true" or '
            '"false"): [/INST]',
            source=_FOLLOWIR_CODE,
        ),
        "mistralai/Mistral-7B-Instruct-v0.2",
    ),
    Reranker(
        r"llama-2-(7|13|70)b-chat-hf",
        Prompt(
            "llama2-chat",
            "<s>[INST] <<SYS>>\nYou are an expert at finding information. Determine if the following document is "
            "relevant to the query (true/false).\n<</SYS>>Query: {q} {i}\nDocument: {d}\nRelevant: [/INST]",
            source=_FOLLOWIR_CODE,
        ),
        "meta-llama/Llama-2-7b-chat-hf",
    ),
    Reranker(
        r"llama-2-(7|13|70)b-hf",
        Prompt(
            "llama2",
            "Determine if the following document is relevant to the query (true/false).\n\nQuery: {q} {i}\n"
            "Document: {d}\nRelevant: ",
            source=_FOLLOWIR_CODE,
        ),
        "meta-llama/Llama-2-7b-hf",
    ),
    Reranker(r"monot5-(small|base|large|3b)-.*", _MONOT5, "castorini/monot5-base-msmarco-10k"),
    Reranker(
        r"mt5-base-(en-msmarco|mmarco-v[12])",
        replace(_MONOT5, family="mmarco-mt5", true="▁yes", false="▁no", source="arXiv 2108.13897, as in mteb"),
        "unicamp-dl/mt5-base-mmarco-v2",
    ),
    Reranker(
        r"flan-t5-(small|base|large|xl|xxl)",
        Prompt(
            "flan-t5",
            "Is the following passage relevant to the query?\nQuery: {q} {i}\nPassage: {d}",
            true="▁yes",
            false="▁no",
            max_length=512,
            source=_FOLLOWIR_CODE,
        ),
        "google/flan-t5-large",
    ),
    Reranker(
        r"bge-reranker-v2-gemma",
        Prompt(
            "bge-reranker-gemma",
            "<bos>{|}A: {q} {i}{|}\n{|}B: {d}{|}\n{|}Given a query A and a passage B, determine whether the passage "
            "contains an answer to the query by providing a prediction of either 'Yes' or 'No'.",
            true="Yes",
            false="",
            max_length=1024,
            source="recipe of BAAI/bge-reranker-v2-gemma, as copied publicly; card not read",
            special_tokens=False,
        ),
        "BAAI/bge-reranker-v2-gemma",
    ),
    Reranker(
        r"ctxl-rerank-v2-instruct-multilingual-1b",
        _CONTEXTUAL,
        "ContextualAI/ctxl-rerank-v2-instruct-multilingual-1b",
    ),
    Reranker(
        r"ctxl-rerank-v2-instruct-multilingual-6b",
        replace(_CONTEXTUAL, family="ctxl-rerank-v2-6b", true="<unk>"),
        "ContextualAI/ctxl-rerank-v2-instruct-multilingual-6b",
    ),
)


def match_prompt(name: str) -> Prompt | None:
    """Return the prompt of a published reranker, or None."""
    base = base_name(name)
    return next((each.prompt for each in RERANKERS if re.fullmatch(each.names, base)), None)


def choose_prompt(
    name: str, prompt: str | None = None, true_token: str | None = None, false_token: str | None = None
) -> Prompt:
    """Return the prompt of a language model, with its answers.

    Args:
        name: name of the model, by which published rerankers are recognised.
        prompt: a family of `RERANKERS`, or a text with {q}, {i} and {d}; None: that of the model's name.
        true_token: token that answers yes; None: the family's, "true" for a text.
        false_token: token that answers no; None: the family's, "false" for a text.

    Raises:
        InputError: an unknown model, or a prompt without its fields.
    """
    families = {each.prompt.family: each.prompt for each in RERANKERS}
    chosen = match_prompt(name) if prompt is None else families.get(prompt)
    if chosen is None and prompt is not None:
        chosen = own_prompt(prompt)
    if chosen is None:
        what = f"no prompt is known for {name}" if prompt is None else f"unknown `prompt` {prompt!r}"
        raise InputError(
            f"{what}: give `prompt` as one of {', '.join(families)}, or as a text with {{q}} and {{d}} once each and "
            "{i} at most once; if the model's answers are not true and false, also give `true_token` and `false_token`"
        )
    return replace(chosen, true=true_token or chosen.true, false=false_token or chosen.false)
