"""Prompts that the model's own chat template writes: a user's messages, and what sentence-transformers stores.

A template is rendered once, with a character in place of each field, which gives a literal prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from instrerank.encoders.families.layouts import BY_FOLDER, read_modules
from instrerank.encoders.families.prompts import Prompt, literal
from instrerank.encoders.families.settings import read_settings_file
from instrerank.encoders.locate import read_json, shown_name
from instrerank.errors import InputError

Message = tuple[str, str]
"""(role, text with fields)."""

_MESSAGE = re.compile(r"\{(system|user|assistant)\}")
_STANDINS = {"{q}": "\ufdd1", "{i}": "\ufdd2", "{d}": "\ufdd3"}
"""For each field, a noncharacter, which no chat template changes."""
_NOT_RENDERED = ("restore_suffix", "truncation", "max_length", "padding", "return_tensors")
"""Arguments that concern the tokens of a rendered template."""
_UNSTATED = 8192
"""Maximum tokens of a prompt where the folder states none."""


def chat_prompt(prompt: Prompt, folder: Path, *, trust_remote_code: bool = False) -> Prompt:
    """Let the chat template of a model write the messages of a prompt; any other prompt is returned as it is.

    Args:
        prompt: its template has messages that begin with {system}, {user} and {assistant}; the last one, if it is the
            assistant's, begins the answer.
        folder: of the model's tokenizer.
        trust_remote_code: let the repository's own code read its tokenizer.

    Raises:
        InputError: text before the first message, a tokenizer without a chat template, or one that leaves out a field.
    """
    before, *parts = _MESSAGE.split(prompt.template)
    if not parts:
        return prompt
    if before:
        raise InputError(f"a `prompt` of chat messages begins with {{system}} or {{user}}, got {prompt.template!r}")
    messages = list(zip(parts[::2], parts[1::2], strict=True))
    answer = messages.pop()[1] if messages[-1][0] == "assistant" else ""
    template = _rendered(folder, messages, trust_remote_code, False, {"add_generation_prompt": True}) + answer
    if lost := [field for field in _STANDINS if field in prompt.template and field not in template]:
        raise InputError(f"the chat template of {shown_name(folder)} leaves out {', '.join(lost)} of `prompt`")
    return replace(prompt, template=template, special_tokens=False)


def stored_prompt(
    folder: Path, spell: Callable[[int], str | None], *, trust_remote_code: bool = False
) -> Prompt | None:
    """Return the prompt of a reranker in sentence-transformers' layout (`CrossEncoder`); None for any other folder.

    Its chat template has the roles `query` and `document`, and perhaps `system` for the instruction; its module
    `LogitScore` names the answers (sentence_transformers/cross_encoder).

    Args:
        folder: of the model.
        spell: returns a token of its vocabulary.
        trust_remote_code: let the repository's own code read its tokenizer.

    Raises:
        InputError: a chat template without these roles, or answers that are not in the vocabulary.
    """
    modules = read_modules(folder)
    _, stored = read_settings_file(modules[0][1] if modules else folder)
    chat = (stored.get("modality_config") or {}).get("message")
    if not modules or not chat:
        return None
    network = modules[0][1]
    given = dict(stored.get("processing_kwargs") or {})
    chain = [name.rpartition(".")[2] for name, _ in modules if name.startswith("sentence_transformers.")]
    if chain not in (["Transformer"], ["Transformer", "LogitScore"]) or len(chain) < len(modules):
        raise InputError(
            f"{shown_name(folder)}: unsupported modules {' → '.join(name for name, _ in modules)} of a reranker; "
            "expected Transformer, then LogitScore for a language model"
        )
    rendering = given.pop("chat_template", None) or {}
    if any(given.values()):
        raise InputError(f"{shown_name(folder)}: processing_kwargs {', '.join(given)} of a reranker are not supported")
    arguments = {name: value for name, value in rendering.items() if name not in _NOT_RENDERED}
    config = read_json(folder / "config_sentence_transformers.json")
    default = (config.get("prompts") or {}).get(config.get("default_prompt_name")) or ""

    def render(*messages: Message) -> str:
        return _rendered(network, messages, trust_remote_code, chat.get("format") == "structured", arguments)

    pair: tuple[Message, Message] = ("query", "{q}"), ("document", "{d}")
    alone = render(*([("system", default)] if default else []), *pair)
    template = render(("system", "{i}"), *pair)
    if alone.count("{d}") != 1 or "{q}" not in alone:
        raise InputError(f"the chat template of {shown_name(folder)} leaves out the roles query and document")
    instructed = "{i}" in template
    if not instructed:
        template = alone.replace("{q}", "{q} {i}")
    score = next((read_json(place / "config.json") for name, place in modules if name.endswith(".LogitScore")), {})
    answers = {side: score.get(f"{side}_token_id") for side in ("true", "false")}
    length = stored.get("max_seq_length") or read_json(network / "tokenizer_config.json").get("model_max_length")
    return Prompt(
        BY_FOLDER,
        template,
        **{side: "" if index is None else str(spell(index)) for side, index in answers.items()},
        max_length=length if length and length < 10**6 else _UNSTATED,
        source=f"the chat template in the folder of {shown_name(folder)}",
        alone=alone,
        special_tokens=False,
        instructed=instructed,
    )


def _rendered(
    folder: Path, messages: Sequence[Message], trusted: bool, structured: bool, arguments: dict[str, Any]
) -> str:
    """Return the template that the tokenizer's chat template makes of messages."""
    from transformers import AutoTokenizer

    contents = []
    for role, text in messages:
        for field, standin in _STANDINS.items():
            text = text.replace(field, standin)
        contents.append({"role": role, "content": [{"type": "text", "text": text}] if structured else text})
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=trusted)
        text = str(tokenizer.apply_chat_template(contents, tokenize=False, **arguments))
    except Exception as error:  # a template raises whatever it likes
        raise InputError(
            f"the chat template of {shown_name(folder)} cannot be used: {' '.join(str(error).split()):.300}"
        ) from error
    text = literal(text)
    for field, standin in _STANDINS.items():
        text = text.replace(standin, field)
    return text
