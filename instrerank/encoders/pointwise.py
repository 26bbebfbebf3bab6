"""Rerankers that read query, instruction and passage together: language models and cross-encoders.

They are baselines: each pair costs as much as encoding a passage, and nothing can be reused for the next query.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from instrerank.encoders.adapted import base_and_adapter, tokenizer_folder
from instrerank.encoders.batching import length_sorted_batches, run_halving
from instrerank.encoders.families.prompts import Prompt, choose_prompt, prompt_parts
from instrerank.encoders.locate import hub_commit, position_limit, read_json
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.networks.transformers import load_network, resolve_device, resolve_dtype
from instrerank.encoders.options import Kind, LoadOptions
from instrerank.encoders.progress import counted
from instrerank.encoders.scored import Query, Scored, identity, model_repr
from instrerank.encoders.similarity import finite
from instrerank.encoders.tokenizer_files import read_tokenizer
from instrerank.encoders.tokenizing import windows
from instrerank.errors import InputError

if TYPE_CHECKING:
    import tokenizers
    import torch
    from numpy.typing import NDArray

Pair = tuple[str, str, str]
"""(query, instruction or "", passage)."""


class PairTokens(NamedTuple):
    """Token ids of one pair, the segment of each token, and whether the passage was truncated."""

    ids: list[int]
    segments: list[int]
    truncated: bool


class PairScores(NamedTuple):
    """Scores of pairs, in the order of the pairs.

    Attributes:
        scores: float32 [n], higher is more relevant; comparable within one query only.
        truncated: bool [n], whether the passage was truncated.
    """

    scores: NDArray[np.float32]
    truncated: NDArray[np.bool_]


class PairTexts(NamedTuple):
    """Queries and passages, unchanged."""

    queries: Sequence[Query]
    passages: Sequence[str]


class PairScorer(ABC):
    """Scores passages one by one, each with its query and instruction.

    Attributes:
        name: name as the user gave it.
        dtype: precision of the network; scores are float32.
        device: device that the network runs on.
        fingerprint: hex digest of weights, config, tokenizer and prompt.
        revision: commit in the hub's repository; None for a model from elsewhere.
        kind: "crossencoder" or "pointwise-llm".
        best_only: False: the scores of all candidates are comparable.
        store: None: there are no passage vectors to keep.
    """

    kind: ClassVar[Kind]
    best_only: ClassVar[bool] = False
    store: ClassVar[None] = None

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        tokenizer: tokenizers.Tokenizer,
        max_length: int,
        *,
        fingerprint: str = "",
        revision: str | None = None,
        batch_tokens: int | None = None,
    ):
        """Take a loaded network and its tokenizer.

        Args:
            name: name shown to users.
            model: a transformers network.
            tokenizer: the published tokenizer, without padding and truncation.
            max_length: maximum tokens of the whole input: query, instruction, passage and prompt.
            fingerprint: see the class.
            revision: see the class.
            batch_tokens: maximum tokens per batch, padding included.
        """
        parameter = next(model.parameters())
        self.name, self.fingerprint, self.max_length = name, fingerprint, max_length
        self.revision = revision
        self.dtype, self.device = str(parameter.dtype).removeprefix("torch."), str(parameter.device)
        self._model, self._tokenizer = model, tokenizer
        self._batch_tokens = batch_tokens or (2048 if parameter.device.type == "cpu" else 16384)

    def prepare(self, queries: Sequence[Query], passages: Sequence[str], *, progress: bool = False) -> PairTexts:
        """Return queries and passages unchanged: nothing can be computed for either alone."""
        return PairTexts(queries, passages)

    def score(
        self,
        prepared: PairTexts,
        queries: Sequence[int],
        candidates: Sequence[Sequence[int]],
        *,
        progress: bool = False,
    ) -> Scored:
        """Score the candidates of each query, each distinct pair once.

        Args:
            prepared: from `prepare`.
            queries: rows of n queries in `prepared`.
            candidates: for each query, the rows of its candidates among the passages in `prepared`.
            progress: show a progress bar.

        Raises:
            InputError: as for `score_pairs`, or a score that is not finite.
        """
        pairs = [
            (*prepared.queries[query], prepared.passages[row])
            for query, rows in zip(queries, candidates, strict=True)
            for row in rows
        ]
        scores, truncated = self.score_pairs(pairs, progress=progress)
        ends = np.cumsum([len(rows) for rows in candidates])
        return Scored(
            np.split(finite(scores), ends[:-1]) if len(ends) else [],
            np.zeros(len(queries), bool),
            np.zeros(len(prepared.passages), bool),
            len({pair for pair, cut in zip(pairs, truncated, strict=True) if cut}),
        )

    def score_pairs(self, pairs: Sequence[Pair], *, progress: bool = False) -> PairScores:
        """Score pairs of query (with instruction) and passage, each distinct pair once.

        Raises:
            InputError: an empty query or passage, or a query that leaves no room for the passage.
        """
        import torch

        distinct = list(dict.fromkeys(pairs))
        tokens = [self._tokenise(*pair) for pair in distinct]
        texts, lengths = ["\0".join(pair) for pair in distinct], [len(one.ids) for one in tokens]
        scores = np.empty(len(distinct), np.float32)
        with torch.inference_mode(), counted(len(distinct), "pairs", "pair", progress=progress) as done:
            for batch in length_sorted_batches(texts, lengths, self._batch_tokens):
                scores[batch] = run_halving(self._scores, [tokens[at] for at in batch]).float().cpu().numpy()
                done(len(batch))
        place = {pair: at for at, pair in enumerate(distinct)}
        rows = np.array([place[pair] for pair in pairs], np.int64)
        return PairScores(scores[rows], np.array([one.truncated for one in tokens], bool)[rows])

    def count_stored(self, texts: Sequence[str]) -> None:
        """Return None: passages are not encoded separately."""
        return None

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        return {**identity(self), "max_length": self.max_length}

    def __repr__(self) -> str:
        return model_repr(self)

    @property
    def window_length(self) -> int:
        """Maximum tokens of a window: half the input, leaving the rest to query, instruction and prompt."""
        return self.max_length // 2

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Split a text into windows of at most `size` tokens (see `tokenizing.windows`)."""
        return windows(self._tokenizer, text, size, stride)

    def _padded(self, batch: Sequence[PairTokens], *, left: bool) -> dict[str, torch.Tensor]:
        """Return `input_ids`, `attention_mask` and segments (`token_type_ids`) of a batch, [n, longest]."""
        import torch

        pad = getattr(self._model.config, "pad_token_id", None) or 0
        width = max(len(one.ids) for one in batch)

        def rows(values: Sequence[list[int]], filler: int) -> torch.Tensor:
            fills = [[filler] * (width - len(one)) for one in values]
            return torch.tensor([fill + one if left else one + fill for one, fill in zip(values, fills, strict=True)])

        padded = {
            "input_ids": rows([one.ids for one in batch], pad),
            "attention_mask": rows([[1] * len(one.ids) for one in batch], 0),
            "token_type_ids": rows([one.segments for one in batch], 0),
        }
        return {name: values.to(self.device) for name, values in padded.items()}

    @abstractmethod
    def _tokenise(self, query: str, instruction: str, passage: str) -> PairTokens: ...

    @abstractmethod
    def _scores(self, batch: Sequence[PairTokens]) -> torch.Tensor: ...


class CrossEncoder(PairScorer):
    """A sequence classifier over (query and instruction, passage), such as the MS MARCO cross-encoders."""

    kind = "crossencoder"

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
        logits: torch.Tensor = self._model(**inputs).logits.float()
        # one class: its logit; two: their difference, in the order of the softmax, without its ties at 0 and 1
        return logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]


class PointwiseLLM(PairScorer):
    """A language model asked whether a passage is relevant; the score is logit("true") − logit("false").

    This ranks by P(true), without the ties that a softmax in low precision has where it saturates.
    """

    kind = "pointwise-llm"

    def __init__(self, *args: Any, prompt: Prompt, **kwargs: Any):
        """Take the arguments of `PairScorer`, and the prompt.

        Raises:
            InputError: one of the prompt's two answers is not in the vocabulary.
        """
        super().__init__(*args, **kwargs)
        self.prompt = prompt
        answers = [self._tokenizer.token_to_id(token) for token in (prompt.true, prompt.false)]
        self._answers = [index for index in answers if index is not None]
        if len(self._answers) < 2:
            raise InputError(
                f"{prompt.true!r} or {prompt.false!r} is not in the vocabulary of {self.name}: give the tokens of its "
                "answers as `true_token` and `false_token`"
            )

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        return {**super().describe(), "prompt": dataclasses.asdict(self.prompt)}

    def _tokenise(self, query: str, instruction: str, passage: str) -> PairTokens:
        before, text, after = prompt_parts(self.prompt, query, instruction, passage)
        kept = text
        while True:
            encoding = self._tokenizer.encode(before + kept + after)
            excess = len(encoding.ids) - self.max_length
            if excess <= 0:
                return PairTokens(encoding.ids, encoding.type_ids, kept != text)
            # cut the passage, never the question at the end: the reference truncates that away
            end = len(before) + len(kept)
            inside = [span for span in encoding.offsets if len(before) <= span[0] < span[1] <= end]
            if excess >= len(inside):
                raise InputError(
                    f"query and instruction leave no room for the passage within {self.max_length} tokens "
                    f"(`max_length`): {before[:80]!r}…"
                )
            kept = kept[: inside[-excess][0] - len(before)]

    def _scores(self, batch: Sequence[PairTokens]) -> torch.Tensor:
        import torch

        inputs = self._padded(batch, left=True)
        mask = inputs["attention_mask"]
        config: Any = self._model.config
        if config.is_encoder_decoder:
            start = torch.full((len(batch), 1), config.decoder_start_token_id, device=mask.device)
            logits = self._model(input_ids=inputs["input_ids"], attention_mask=mask, decoder_input_ids=start).logits
        else:
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            logits = self._model(
                input_ids=inputs["input_ids"], attention_mask=mask, position_ids=positions, logits_to_keep=1
            ).logits
        answers: torch.Tensor = logits[:, -1, self._answers].float()
        return answers[:, 0] - answers[:, 1]


def load_pair_scorer(name_or_path: str | Path, options: LoadOptions) -> PairScorer:
    """Load a reranker that reads query and passage together.

    Args:
        name_or_path: folder or Hugging Face id.
        options: load options with `kind` "crossencoder" (any sequence classifier with one or two classes) or
            "pointwise-llm" (a causal or sequence-to-sequence language model).

    Raises:
        InputError: another kind, a language model without a known prompt, or weights that do not fit.
        MissingPrerequisiteError: a model, device or package is not available here.
    """
    name = str(name_or_path)
    if options.kind not in ("crossencoder", "pointwise-llm"):
        raise InputError(
            f"expected `kind` crossencoder or pointwise-llm, which read query and passage together, got {options.kind}"
        )
    question = None
    if options.kind == "pointwise-llm":
        question = choose_prompt(name, options.prompt, options.true_token, options.false_token)
    allow_bin, trusted = options.allow_bin, options.trust_remote_code
    folder, lora = base_and_adapter(name, options)
    config = read_json(folder / "config.json")
    auto_class = "AutoModelForSequenceClassification"
    if question is not None:
        auto_class = "AutoModelForSeq2SeqLM" if config.get("is_encoder_decoder") else "AutoModelForCausalLM"
    tokenizer = read_tokenizer(tokenizer_folder(folder, lora), trust_remote_code=trusted).tokenizer
    place = resolve_device(options.device)
    model = load_network(
        folder,
        auto_class,
        dtype=resolve_dtype(options.dtype, place),
        device=place,
        adapter=lora,
        trust_remote_code=trusted,
        allow_bin=allow_bin,
    )
    length = options.max_length or (512 if question is None else question.max_length)
    parts: dict[str, Any] = {
        "max_length": min(length, position_limit(config) or length),
        "fingerprint": fingerprint([folder] if lora is None else [folder, lora], repr(question)),
        "revision": hub_commit(folder),
        "batch_tokens": options.batch_tokens,
    }
    if question is None:
        return CrossEncoder(name, model, tokenizer, **parts)
    return PointwiseLLM(name, model, tokenizer, prompt=question, **parts)
