"""Models as jobs load them: with the bundled passages at hand for a quantisation that has to see some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instrerank import encoders
from instrerank.collections.bundled import calibration_texts
from instrerank.encoders import Encoder, LoadOptions
from instrerank.reranking.scorer import Scorer


def load_encoder(name_or_path: str | Path, options: LoadOptions | None = None, **changes: Any) -> Encoder:
    """Load a bi-encoder as its authors meant it; its passage vectors are kept in the default store.

    Args:
        name_or_path: "minilm", "instrerank-minilm", a folder, or an id on the Hugging Face hub.
        options: how it is loaded.
        **changes: fields of `LoadOptions` that differ from `options` (`device`, `dtype`, `adapter`, `pooling`, …).

    Raises:
        InputError: an unknown name, an unknown model without the options it needs, weights that do not fit.
        MissingPrerequisiteError: a model, device or package that is not here.
    """
    return encoders.load_encoder(name_or_path, options, calibration=calibration_texts, **changes)


def load_scorer(name_or_path: str | Path, options: LoadOptions | None = None, **changes: Any) -> Scorer:
    """Load any model that can rerank: a bi-encoder, a cascade, a cross-encoder or a pointwise LLM.

    Arguments and errors as for `load_encoder`; `kind` and `dtype` say what it is.
    """
    return encoders.load_scorer(name_or_path, options, calibration=calibration_texts, **changes)
