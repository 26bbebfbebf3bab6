r"""The prompts stored in `config_sentence_transformers.json`, as templates.

sentence-transformers 6 reads queries with the prompt named `query` and passages with the one named `document`, always:
it adds both, empty, where a folder lacks them, so that it applies neither a default prompt nor prompts named `passage`
or `corpus` (sentence_transformers/sentence_transformer/model.py, `encode_query` and `encode_document`). Here:

* a prompt named `passage` or `corpus` is for passages, since nothing else can be meant;
* names such as `search_query` and `retrieval.passage` are recognised if only one can be meant;
* a default prompt is applied to neither side, as there: where it is the only one, a warning says so;
* a prompt such as `Instruct: TASK⏎Query:` has a place for the instruction, and TASK is the default.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.encoders.locate import read_json, shown_name
from instrerank.errors import InputError, InstrerankWarning

_PASSAGE_NAMES = ("document", "passage", "corpus")
_QUERY_WORDS = {"query", "queries", "question", "questions"}
_PASSAGE_WORDS = {"document", "documents", "passage", "passages", "corpus", "doc", "docs"}
_RETRIEVAL_WORDS = {"retrieval", "search", "s2p", "asymmetric"}
_OTHER_WORDS = {"s2s", "sts", "similarity", "classification", "clustering", "pair", "summarization", "bitext"}

_PLACES = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"(\s*(?:instruct|instruction|task)\s*:\s*)(.*?)(\s*\n\s*[^\n:]{1,30}:\s*)",  # Instruct: TASK⏎Query:
        r"(\s*(?:instruct|instruction)\s*:\s*)(.*?)(\s+(?:query|question)\s*:\s*)",  # Instruct: TASK Query:
        r"(\s*)(\S.*?)(\s*\n\s*(?:query|question)\s*:\s*)",  # TASK⏎Query:
        r"(\s*<[^<>\n]+>\s*)([^<>\s][^<>]*?)(\s*<[^<>\n]+>\s*)",  # <instruct>TASK⏎<query>, <|user|>⏎TASK⏎<|embed|>⏎
    )
)
"""Prompts with a place for the instruction: what comes before it, the task that fills it, what comes after it."""
_GRITLM = "<|embed|>\n"
"""GritLM's query without instruction (arXiv 2402.09906); with one, `<|user|>⏎{i}⏎` comes before it."""


class Prompts(NamedTuple):
    """Templates made from stored prompts (see `EncoderProfile`), and an ending for its `source`."""

    query_template: str
    query_only_template: str
    default_instruction: str
    passage_template: str
    source: str = ""


class QueryTemplate(NamedTuple):
    """A template of queries (see `EncoderProfile`)."""

    template: str
    query_only: str = ""
    default_instruction: str = ""


def query_template(prompt: str) -> QueryTemplate:
    """Return the template of a prompt for queries; spaces and braces stay as they are."""
    if prompt == _GRITLM:
        return QueryTemplate("<|user|>\n{i}\n<|embed|>\n{q}", "<|embed|>\n{q}")
    place = next(filter(None, (pattern.fullmatch(prompt) for pattern in _PLACES)), None)
    if place is None:
        return QueryTemplate(literal(prompt) + "{q} {i}")
    before, task, after = place.groups()
    alone = "" if task else literal(prompt) + "{q}"
    return QueryTemplate(f"{literal(before)}{{i}}{literal(after)}{{q}}", alone, task)


def literal(prompt: str) -> str:
    """Return text for a template that fills in to `prompt`, whatever braces it has."""
    return re.sub(r"\{(?=[qid?(]\})", "{(}", prompt)


def read_prompts(
    folder: Path, config: dict[str, Any], query: str | None, passage: str | None, *, quietly: bool = False
) -> Prompts:
    """Choose the prompts of queries and passages, and warn where sentence-transformers would choose others.

    Args:
        folder: the model's folder, for messages.
        config: its `config_sentence_transformers.json`.
        query: name of the prompt for queries; None: recognise it.
        passage: name of the prompt for passages; None: recognise it.
        quietly: leave the warning out.

    Raises:
        InputError: prompts that are not texts, or an unknown name.
    """
    stored, default = config.get("prompts") or {}, config.get("default_prompt_name")
    if not isinstance(stored, dict) or not all(isinstance(text, str | None) for text in stored.values()):
        raise InputError(f"{folder}/config_sentence_transformers.json: `prompts` must give each name a text")
    for name, what in ((query, "`query_prompt`"), (passage, "`passage_prompt`"), (default, "default_prompt_name")):
        _check_name(folder, stored, name, what)
    known = {name: text for name, text in stored.items() if text}
    for_queries = query or ("query" if "query" in known else _recognised(known, _QUERY_WORDS, default))
    for_passages = passage or next((name for name in _PASSAGE_NAMES if name in known), None)
    for_passages = for_passages or _counterpart(known, for_queries) or _recognised(known, _PASSAGE_WORDS, default)
    chosen = {"queries": for_queries, "passages": for_passages}
    if not quietly:
        _say(folder, known, chosen, default, explicit=(query, passage))
    template = query_template(known.get(for_queries or "", ""))
    used = [f"`{name}`" for name in chosen.values() if name in known]
    return Prompts(
        template.template,
        template.query_only,
        template.default_instruction,
        literal(known.get(for_passages or "", "")) + "{d}",
        f"; prompts {' and '.join(used)} of config_sentence_transformers.json" if used else "",
    )


def chosen_prompts(folder: Path, query: str | None, passage: str | None) -> dict[str, Any]:
    """Return the fields of a profile that stored prompts chosen by name decide.

    Raises:
        InputError: an unknown name.
    """
    stored = read_json(folder / "config_sentence_transformers.json").get("prompts") or {}
    changes: dict[str, Any] = {}
    if query is not None:
        _check_name(folder, stored, query, "`query_prompt`")
        names = ("query_template", "query_only_template", "default_instruction")
        changes |= dict(zip(names, query_template(stored[query] or ""), strict=True))
    if passage is not None:
        _check_name(folder, stored, passage, "`passage_prompt`")
        changes["passage_template"] = literal(stored[passage] or "") + "{d}"
    return changes


def _check_name(folder: Path, stored: dict[str, Any], name: str | None, what: str) -> None:
    if name is not None and name not in stored:
        raise InputError(
            f"{shown_name(folder)}: unknown {what} {name!r:.80}. Available: "
            f"{', '.join(stored) or 'none, since the folder stores no prompts: give `query_template`'}"
        )


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))


def _recognised(known: dict[str, str], side: set[str], default: str | None) -> str | None:
    """Return the only prompt whose name tells that it is for one side of retrieval; None if several may be."""
    names = [name for name in known if _words(name) & side and not _words(name) & _OTHER_WORDS]
    for_retrieval = [name for name in names if _words(name) & _RETRIEVAL_WORDS]
    for some in (for_retrieval, names, [default] if default in names else []):
        if len({known[name] for name in some}) == 1:
            return some[0]
    return None


def _counterpart(known: dict[str, str], query: str | None) -> str | None:
    """Return the prompt for passages that belongs to one for queries: search_document to search_query."""
    if query is None:
        return None
    task = _words(query) - _QUERY_WORDS
    return next(
        (name for name in known if _words(name) & _PASSAGE_WORDS and _words(name) - _PASSAGE_WORDS == task), None
    )


def _say(
    folder: Path,
    known: dict[str, str],
    chosen: dict[str, str | None],
    default: str | None,
    *,
    explicit: tuple[str | None, str | None],
) -> None:
    """Warn where the prompts in use are not those that sentence-transformers applies, or may not be meant."""
    usual = {"queries": "query", "passages": "document"}
    by_name = [
        f"{side} with {name!r} ({known[name]!r:.80})"
        for (side, name), given in zip(chosen.items(), explicit, strict=True)
        if given is None and name is not None and name != usual[side]
    ]
    notes = []
    if by_name:
        notes.append(
            f"reads {' and '.join(by_name)} of its stored prompts, where sentence-transformers' encode_query and "
            "encode_document apply only those named query and document"
        )
    if chosen["queries"] is None and set(known) - {chosen["passages"]}:
        notes.append("reads queries without any of its stored prompts, since none is clearly for queries of retrieval")
    if default in known and default not in chosen.values():
        notes.append(f"does not apply its default prompt {default!r}, which sentence-transformers keeps to `encode`")
    if notes:
        warnings.warn(
            f"{shown_name(folder)} {'; it '.join(notes)}. `query_prompt` and `passage_prompt` choose among: "
            f"{', '.join(known)}",
            InstrerankWarning,
            stacklevel=2,
        )
