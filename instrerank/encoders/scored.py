"""What all reranking models have in common: queries with instructions in, scores of candidates out."""

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
        queries_truncated: bool [queries], whether the query was truncated.
        passages_truncated: bool [prepared passages], whether the passage was truncated.
        pairs_truncated: number of distinct query–passage pairs that were truncated; counted by models that read both
            together, in place of queries and passages.
    """

    scores: Sequence[NDArray[np.float32]]
    queries_truncated: NDArray[np.bool_]
    passages_truncated: NDArray[np.bool_]
    pairs_truncated: int = 0

    @property
    def details(self) -> Mapping[str, Any]:
        """Further details for the sidecar."""
        return {}


def identity(model: Any) -> dict[str, Any]:
    """Return what identifies a model in sidecars; `revision` only if it has one."""
    parts = {name: getattr(model, name) for name in ("name", "revision", "fingerprint", "dtype", "device")}
    return {name: value for name, value in parts.items() if name != "revision" or value is not None}


def model_repr(model: Any) -> str:
    """Return a short description of a loaded model."""
    return f"{type(model).__name__}({model.name!r}, dtype={model.dtype!r}, device={model.device!r})"
