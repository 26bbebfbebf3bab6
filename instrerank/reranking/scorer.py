"""The protocol of models that can rerank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from instrerank.encoders.scored import Query, Scored

if TYPE_CHECKING:
    from instrerank.encoders.stores.store import EmbeddingStore
    from instrerank.encoders.stores.token_store import TokenStore


class Scorer(Protocol):
    """A model that can rerank: bi-encoder, cascade, late interaction, cross-encoder, pointwise LLM, or your own.

    `prepare` does the work that does not depend on the pairs to score (a bi-encoder encodes; a model that reads query
    and passage together does nothing), once; `score` does the rest, once per query set, and refers to queries and
    passages by their rows. To implement a bi-encoder, subclass `instrerank.encoders.BiEncoder`, which defines
    `prepare`, `score` and `describe`.
    """

    @property
    def kind(self) -> str:
        """Kind of model, as in `LoadOptions.kind`, for the sidecar."""
        ...

    @property
    def name(self) -> str:
        """Name shown to users."""
        ...

    @property
    def dtype(self) -> str:
        """Precision of the model."""
        ...

    @property
    def device(self) -> str:
        """Device that the model runs on."""
        ...

    @property
    def best_only(self) -> bool:
        """Whether only the best scores are comparable, as in a cascade; fusion and windows are then not possible."""
        ...

    @property
    def store(self) -> EmbeddingStore | TokenStore | None:
        """Store of passage vectors; None if they are not kept."""
        ...

    @property
    def window_length(self) -> int:
        """Maximum tokens of a passage that the model reads without truncation."""
        ...

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Split a text into windows of at most `size` tokens that start `stride` tokens apart."""
        ...

    def count_stored(self, texts: Sequence[str]) -> int | None:
        """Return how many distinct passages have stored vectors; None if passages are not encoded separately."""
        ...

    def prepare(self, queries: Sequence[Query], passages: Sequence[str], *, progress: bool = False) -> Any:
        """Return what `score` needs for these queries and passages."""
        ...

    def score(
        self, prepared: Any, queries: Sequence[int], candidates: Sequence[Sequence[int]], *, progress: bool = False
    ) -> Scored:
        """Score the candidates of each of n queries; queries and candidates are given by their rows in `prepared`.

        The scores depend only on these arguments, not on earlier calls.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        ...
