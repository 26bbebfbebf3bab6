"""Load any model that can rerank: bi-encoder, cascade, late interaction, cross-encoder or pointwise LLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instrerank.encoders.cascade import Cascade
from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.known_rerankers import match_prompt
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.encoders.late_loading import is_late_interaction, load_late_interaction
from instrerank.encoders.loading import Calibration, load_encoder
from instrerank.encoders.locate import base_name, locate, usable_settings
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.pointwise import PairScorer, load_pair_scorer
from instrerank.errors import InputError


def load_scorer(
    name_or_path: str | Path,
    options: LoadOptions | None = None,
    *,
    calibration: Calibration | None = None,
    **changes: Any,
) -> Encoder | Cascade | LateInteraction | PairScorer:
    """Load a model that can rerank.

    Args:
        name_or_path: as for `load_encoder`; for baselines a folder or a Hugging Face id.
        options: how to load it; `kind` and `dtype` select the type of model.
        calibration: as for `load_encoder`.
        **changes: fields of `LoadOptions` that override `options`.

    Raises:
        InputError: as for `load_encoder`.
        MissingPrerequisiteError: as for `load_encoder`.
    """
    options = (options or LoadOptions()).with_changes(**changes)
    if options.encodes_passages:
        # the others with known prompts are language models, which may be encoders too
        if "rerank" in base_name(str(name_or_path)) and match_prompt(str(name_or_path)):
            raise InputError(f"{name_or_path} reads query and passage together: load it with `kind` pointwise-llm")
        with usable_settings(name_or_path):
            folder = locate(
                str(name_or_path),
                revision=options.revision,
                allow_bin=options.allow_bin,
                code=options.trust_remote_code,
            )
            # such a folder cannot be a bi-encoder's
            if options.kind == "late-interaction" or is_late_interaction(folder):
                return load_late_interaction(name_or_path, options.with_changes(kind="late-interaction"))
    if not options.encodes_passages:
        with usable_settings(name_or_path):
            return load_pair_scorer(name_or_path, options)
    if not options.is_cascade:
        return load_encoder(name_or_path, options, calibration=calibration)
    depth = options.cascade_depth or 10
    both = [options.with_changes(dtype=dtype, cascade_depth=None) for dtype in ("float32", "bfloat16")]
    exact, rough = (load_encoder(name_or_path, each) for each in both)
    return Cascade(exact, rough, depth)
