"""What every model that reranks takes and gives: queries and passages by their rows, scores of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Query = tuple[str, str]
"""(query, its instruction or "")."""


@dataclass(frozen=True)
class Scored:
    """Scores of the candidates of some queries.

    Attributes:
        scores: per query float32 [candidates], higher is more relevant; comparable within one query.
        queries_truncated: bool [queries], whether the model did not see all of it.
        passages_truncated: bool [passages that were prepared], whether the model did not see all of it.
        pairs_truncated: distinct pairs of query and passage of which the model did not see all; counted by models that
            read both together, instead of queries and passages.
    """

    scores: Sequence[NDArray[np.float32]]
    queries_truncated: NDArray[np.bool_]
    passages_truncated: NDArray[np.bool_]
    pairs_truncated: int = 0

    @property
    def details(self) -> Mapping[str, Any]:
        """What else a record of the scores should say."""
        return {}


def identity(model: Any) -> dict[str, Any]:
    """Return what names a model beyond doubt, as records have it; no revision where there is none."""
    parts = {name: getattr(model, name) for name in ("name", "revision", "fingerprint", "dtype", "device")}
    return {name: value for name, value in parts.items() if name != "revision" or value is not None}


def model_repr(model: Any) -> str:
    """Return a short form of a loaded model."""
    return f"{type(model).__name__}({model.name!r}, dtype={model.dtype!r}, device={model.device!r})"
