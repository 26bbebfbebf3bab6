"""Load models for jobs, with bundled passages to calibrate quantisation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from instrerank import encoders
from instrerank.collections.bundled import calibration_texts
from instrerank.encoders import Encoder, LoadOptions
from instrerank.reranking.scorer import Scorer

if TYPE_CHECKING:
    from instrerank.encoders.late_interaction import LateInteraction


def load_encoder(name_or_path: str | Path, options: LoadOptions | None = None, **changes: Any) -> Encoder:
    """Load a bi-encoder with the templates and pooling that it was trained with; passage vectors are kept and reused.

    Args:
        name_or_path: "minilm", "instrerank-minilm", a folder, or a Hugging Face id.
        options: how to load it.
        **changes: fields of `LoadOptions` that override `options` (`device`, `dtype`, `adapter`, `pooling`, …).

    Raises:
        InputError: an unknown name, an unknown model without the options it needs, or weights that do not fit.
        MissingPrerequisiteError: a model, device or package is not available here.
    """
    return encoders.load_encoder(name_or_path, options, calibration=calibration_texts, **changes)


def load_text_encoder(name_or_path: str | Path, options: LoadOptions) -> Encoder | LateInteraction:
    """Load a model that encodes passages without their queries: a bi-encoder in one precision, or late interaction.

    Arguments and errors as for `load_encoder`.
    """
    if options.is_cascade or not options.encodes_passages:
        return load_encoder(name_or_path, options)  # which refuses them
    return cast("Encoder | LateInteraction", load_scorer(name_or_path, options))


def load_scorer(name_or_path: str | Path, options: LoadOptions | None = None, **changes: Any) -> Scorer:
    """Load any model that can rerank: a bi-encoder, a cascade, late interaction, a cross-encoder or a pointwise LLM.

    Arguments and errors as for `load_encoder`; `kind` and `dtype` select the type of model.
    """
    return encoders.load_scorer(name_or_path, options, calibration=calibration_texts, **changes)
