"""Find what a reranker that reads query and passage together needs, and what it is asked; no weights are loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.adapted import base_and_adapter, tokenizer_folder
from instrerank.encoders.families.chat import chat_prompt, stored_prompt
from instrerank.encoders.families.known_rerankers import choose_prompt, match_prompt
from instrerank.encoders.families.layouts import read_modules
from instrerank.encoders.families.prompts import Prompt, place_in_prompt
from instrerank.encoders.families.settings import read_settings
from instrerank.encoders.locate import position_limit, read_json
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.tokenizer_files import read_tokenizer
from instrerank.errors import InputError

if TYPE_CHECKING:
    import tokenizers


class PairFiles(NamedTuple):
    """The parts of a reranker.

    Attributes:
        folder: of the network.
        adapter: of its LoRA adapter; None without one.
        config: the network's `config.json`.
        tokenizer: without padding and truncation.
        prompt: what a language model is asked; None for a cross-encoder.
        max_length: maximum tokens of the whole input.
    """

    folder: Path
    adapter: Path | None
    config: dict[str, Any]
    tokenizer: tokenizers.Tokenizer
    prompt: Prompt | None
    max_length: int

    @property
    def auto_class(self) -> str:
        """The transformers class that loads the network."""
        classes = " ".join(map(str, self.config.get("architectures") or ()))
        if self.prompt is None or "ForSequenceClassification" in classes:
            return "AutoModelForSequenceClassification"
        return "AutoModelForSeq2SeqLM" if self.config.get("is_encoder_decoder") else "AutoModelForCausalLM"


def find_pair_model(name: str, options: LoadOptions) -> PairFiles:
    """Find a reranker that reads query and passage together.

    The prompt of a language model is the first of: `prompt`; that of a published model of this name; that of the
    folder, if it is in sentence-transformers' layout.

    Args:
        name: folder or Hugging Face id.
        options: `kind` is "crossencoder" or "pointwise-llm".

    Raises:
        InputError: another kind, a language model without a known prompt, or a prompt that cannot be used.
        MissingPrerequisiteError: the model is not available here.
    """
    if options.kind not in ("crossencoder", "pointwise-llm"):
        raise InputError(
            f"expected `kind` crossencoder or pointwise-llm, which read query and passage together, got {options.kind}"
        )
    trusted = options.trust_remote_code
    folder, adapter = base_and_adapter(name, options)
    modules = read_modules(folder)
    network = modules[0][1] if modules else folder
    texts = tokenizer_folder(network, adapter)
    tokenizer = read_tokenizer(texts, trust_remote_code=trusted, stored=read_settings(texts, reranker=True)).tokenizer
    known = match_prompt(name)
    stored = None
    if known is None and options.prompt is None:
        stored = stored_prompt(folder, tokenizer.id_to_token, trust_remote_code=trusted)
    prompt = None
    if options.kind == "crossencoder":
        if known or stored:
            raise InputError(f"{name} reads a prompt with query, instruction and passage: use `kind` pointwise-llm")
    elif stored:
        prompt = replace(stored, true=options.true_token or stored.true, false=options.false_token or stored.false)
    else:
        prompt = choose_prompt(name, options.prompt, options.true_token, options.false_token)
        prompt = chat_prompt(prompt, texts, trust_remote_code=trusted)
    if prompt is not None:
        prompt = place_in_prompt(prompt, options.instruction_placement)
    config = read_json(network / "config.json")
    length = options.max_length or (512 if prompt is None else prompt.max_length)
    limit = position_limit(config)
    return PairFiles(network, adapter, config, tokenizer, prompt, min(length, limit or length))
