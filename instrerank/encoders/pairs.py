"""Rerankers that read query, instruction and passage together: language models and cross-encoders.

They are baselines: each pair costs as much as encoding a passage, and nothing can be reused for the next query.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from instrerank.encoders.batching import length_sorted_batches, run_halving
from instrerank.encoders.options import Kind
from instrerank.encoders.pair_tokenizing import PairTokens
from instrerank.encoders.progress import counted
from instrerank.encoders.scored import Query, Scored, identity, model_repr
from instrerank.encoders.similarity import finite
from instrerank.encoders.tokenizing import windows

if TYPE_CHECKING:
    import tokenizers
    import torch
    from numpy.typing import NDArray

Pair = tuple[str, str, str]
"""(query, instruction or "", passage)."""


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
