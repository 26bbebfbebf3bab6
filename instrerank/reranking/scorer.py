"""What reranking asks of a model, whichever kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from instrerank.encoders.scored import Query, Scored

if TYPE_CHECKING:
    from instrerank.encoders.store import EmbeddingStore


class Scorer(Protocol):
    """A model that can rerank: bi-encoder, cascade, cross-encoder, pointwise LLM, or one of your own.

    `prepare` does once what does not depend on who is scored against whom (a bi-encoder encodes; a model that reads
    query and passage together can do nothing); `score` does the rest, as often as there are query sets. It knows
    queries and passages by their rows. To have `prepare`, `score` and `describe` of vectors, subclass
    `instrerank.encoders.BiEncoder`.
    """

    @property
    def kind(self) -> str:
        """As `LoadOptions.kind`, for the record."""
        ...

    @property
    def name(self) -> str:
        """Shown to users."""
        ...

    @property
    def dtype(self) -> str:
        """Precision it runs in."""
        ...

    @property
    def device(self) -> str:
        """Where it runs."""
        ...

    @property
    def best_only(self) -> bool:
        """Whether only the best scores can be compared, as a cascade's: they can be neither fused nor aggregated."""
        ...

    @property
    def store(self) -> EmbeddingStore | None:
        """Where passage vectors are kept, None if nowhere."""
        ...

    @property
    def window_length(self) -> int:
        """Tokens of a passage that it reads whole."""
        ...

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Cut a text into pieces of at most `size` tokens that start `stride` tokens apart."""
        ...

    def count_stored(self, texts: Sequence[str]) -> int | None:
        """Return how many of the distinct passages need no encoding; None: passages are not encoded by themselves."""
        ...

    def prepare(self, queries: Sequence[Query], passages: Sequence[str], *, progress: bool = False) -> Any:
        """Return whatever `score` needs of these queries and passages."""
        ...

    def score(
        self, prepared: Any, queries: Sequence[int], candidates: Sequence[Sequence[int]], *, progress: bool = False
    ) -> Scored:
        """Score for each of n queries, by their rows in what was prepared, the rows of its candidates.

        The scores depend on `prepared` and these arguments alone, not on earlier calls.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Return all that decides its scores, for a record."""
        ...
