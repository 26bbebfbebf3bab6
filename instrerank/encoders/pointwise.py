"""Rerankers that read query and passage together: cross-encoders, and language models that are asked a question."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.encoders.families.layouts import BY_FOLDER
from instrerank.encoders.families.prompts import Prompt
from instrerank.encoders.locate import hub_commit
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.networks.transformers import load_network, resolve_device, resolve_dtype
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.pair_files import PairFiles, find_pair_model
from instrerank.encoders.pair_tokenizing import PairTokens, PromptTokenizer
from instrerank.encoders.pairs import PairScorer, PairScores
from instrerank.encoders.special_tokens import protect_fields
from instrerank.errors import InputError, InstrerankWarning

if TYPE_CHECKING:
    import tokenizers
    import torch

__all__ = ["CrossEncoder", "PairScorer", "PairScores", "PointwiseLLM", "load_pair_scorer"]


class CrossEncoder(PairScorer):
    """A sequence classifier over (query and instruction, passage), such as the MS MARCO cross-encoders."""

    kind = "crossencoder"

    def __init__(self, name: str, model: torch.nn.Module, tokenizer: tokenizers.Tokenizer, *args: Any, **kwargs: Any):
        """Take the arguments of `PairScorer`; special tokens in texts are read as text."""
        super().__init__(name, model, protect_fields(tokenizer, ())[0], *args, **kwargs)

    def _tokenise(self, query: str, instruction: str, passage: str) -> PairTokens:
        if not query.strip() or not passage.strip():
            raise InputError("cannot score an empty query or passage: remove it, or give it a text")
        asked = f"{query} {instruction}".strip()
        self._tokenizer.enable_truncation(self.max_length, strategy="only_second")
        try:
            encoding = self._tokenizer.encode(asked, passage)
        except Exception as error:  # the query alone is too long: tokenizers raises a bare Exception
            raise InputError(
                f"query and instruction leave no room for the passage within {self.max_length} tokens "
                f"(`max_length`): {asked[:80]!r}…"
            ) from error
        return PairTokens(encoding.ids, encoding.type_ids, bool(encoding.overflowing))

    def _scores(self, batch: Sequence[PairTokens]) -> torch.Tensor:
        inputs = self._padded(batch, left=False)
        if getattr(self._model.config, "type_vocab_size", 0) < 2:
            del inputs["token_type_ids"]
        return _of_classes(self._model(**inputs).logits.float())


class PointwiseLLM(PairScorer):
    """A language model asked whether a passage is relevant; the score is logit("true") − logit("false").

    This ranks by P(true), without the ties that a softmax in low precision has where it saturates. Where the language
    model was converted to a sequence classifier, the score is that of its class.
    """

    kind = "pointwise-llm"

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        tokenizer: tokenizers.Tokenizer,
        *args: Any,
        prompt: Prompt,
        **kwargs: Any,
    ):
        """Take the arguments of `PairScorer`, and the prompt.

        Raises:
            InputError: one of the prompt's two answers is not in the vocabulary.
        """
        self.prompt, self._prompted = prompt, PromptTokenizer(tokenizer, prompt)
        super().__init__(name, model, self._prompted.tokenizer, *args, **kwargs)
        self._classifies = hasattr(model, "score")
        self._appends_instructions = prompt.family == BY_FOLDER and not prompt.instructed
        answers = {token: self._tokenizer.token_to_id(token) for token in (prompt.true, prompt.false) if token}
        self._answers = list(answers.values())
        if not self._classifies and (None in self._answers or not prompt.true):
            raise InputError(
                f"{prompt.true!r} or {prompt.false!r} is not in the vocabulary of {self.name}: give the tokens of its "
                "answers as `true_token` and `false_token`"
            )

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        return {**super().describe(), "prompt": dataclasses.asdict(self.prompt)}

    def _tokenise(self, query: str, instruction: str, passage: str) -> PairTokens:
        if self._appends_instructions and instruction.strip():
            self._appends_instructions = False
            warnings.warn(
                f"{self.name} has no place for instructions in its prompt: each comes after its query "
                f"({self.prompt.template!r}); `prompt` puts it elsewhere",
                InstrerankWarning,
                stacklevel=2,
            )
        return self._prompted.encode(query, instruction, passage, self.max_length)

    def _scores(self, batch: Sequence[PairTokens]) -> torch.Tensor:
        import torch

        inputs = self._padded(batch, left=True)
        mask = inputs["attention_mask"]
        network: Any = self._model
        inputs = {"input_ids": inputs["input_ids"], "attention_mask": mask}
        if network.config.is_encoder_decoder:
            start = torch.full((len(batch), 1), network.config.decoder_start_token_id, device=mask.device)
            logits = network(**inputs, decoder_input_ids=start).logits[:, -1]
        else:
            inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
            if self._classifies:  # its own forward takes the last token that is not the padding's, wherever that is
                states = network.base_model(**inputs).last_hidden_state[:, -1]
                return _of_classes(network.score(states).float())
            logits = network(**inputs, logits_to_keep=1).logits[:, -1]
        answers: torch.Tensor = logits[:, self._answers].float()
        return answers[:, 0] - answers[:, 1] if len(self._answers) == 2 else answers[:, 0]


def _of_classes(logits: torch.Tensor) -> torch.Tensor:
    """Return the score of each row of [n, classes]."""
    # one class: its logit; two: their difference, in the order of the softmax, without its ties at 0 and 1
    return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]


def load_pair_scorer(name_or_path: str | Path, options: LoadOptions) -> PairScorer:
    """Load a reranker that reads query and passage together.

    Args:
        name_or_path: folder or Hugging Face id.
        options: load options with `kind` "crossencoder" (any sequence classifier with one or two classes) or
            "pointwise-llm" (a causal or sequence-to-sequence language model, or a classifier made of one).

    Raises:
        InputError: another kind, a language model without a known prompt, or weights that do not fit.
        MissingPrerequisiteError: a model, device or package is not available here.
    """
    name = str(name_or_path)
    files = find_pair_model(name, options)
    place = resolve_device(options.device)
    model = load_network(
        files.folder,
        files.auto_class,
        dtype=resolve_dtype(options.dtype, place),
        device=place,
        adapter=files.adapter,
        trust_remote_code=options.trust_remote_code,
        allow_bin=options.allow_bin,
    )
    _check_classes(name, files, model)
    parts: dict[str, Any] = {
        "max_length": files.max_length,
        "fingerprint": fingerprint([files.folder, *([files.adapter] if files.adapter else [])], repr(files.prompt)),
        "revision": hub_commit(files.folder),
        "batch_tokens": options.batch_tokens,
    }
    if files.prompt is None:
        return CrossEncoder(name, model, files.tokenizer, **parts)
    return PointwiseLLM(name, model, files.tokenizer, prompt=files.prompt, **parts)


def _check_classes(name: str, files: PairFiles, model: Any) -> None:
    """Refuse a classifier whose classes are not one score or no and yes, or that does not read prompts."""
    if files.auto_class != "AutoModelForSequenceClassification":
        return
    if model.config.num_labels > 2:
        raise InputError(f"{name} has {model.config.num_labels} classes: expected one (a score), or two (no and yes)")
    if files.prompt is not None and not hasattr(model, "score"):
        raise InputError(f"{name} is a classifier that reads no prompt: use `kind` crossencoder")
