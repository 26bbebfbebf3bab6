"""The model card of a trained model: data, objective, seeds, results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from instrerank.encoders import EncoderProfile
from instrerank.training.models import Lora
from instrerank.training.sampling import Sampler
from instrerank.training.schedule import Schedule
from instrerank.version import __version__


def model_card(
    *,
    base: str,
    profile: EncoderProfile,
    sampler: Sampler,
    schedule: Schedule,
    lora: Lora | None,
    data: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
    note: str = "",
) -> str:
    """Return the text of a `README.md` that starts with the Hugging Face hub's metadata.

    Args:
        base: the base model as given by the user.
        profile: templates, pooling and lengths.
        sampler: objective and sampling.
        schedule: steps and learning rates.
        lora: None if all weights were trained.
        data: name, hash and numbers of rows and triples of each source.
        figures: results, with the number of training steps.
        note: a note by the user, such as the terms of the data.
    """
    kind = "all weights" if lora is None else f"LoRA adapter, {_listed(asdict(lora))}"
    objective = sampler.objective
    head = {"base_model": base, "library_name": "peft" if lora else "sentence-transformers", "tags": ["instrerank"]}
    lines = [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in head.items()),
        "---",
        "# An instruction-following bi-encoder",
        "",
        f"Trained by instrerank {__version__} from `{base}` ({kind}) with the InF-Embed objective "
        f"(arXiv 2505.21439): {objective.form}{{{','.join(objective.terms)}}}, temperature {objective.temperature:g}.",
        "",
        "`instrerank rerank --encoder DIR` reads the profile it was trained with from `instrerank.json`.",
        *(["", note] if note else []),
        "",
        "## Data",
        "",
        *(f"- {_listed(source)}" for source in data),
        "",
        "## Settings",
        "",
        f"- input: {_listed({name: value for name, value in asdict(profile).items() if name != 'source'})}",
        f"- draws: {_listed({name: value for name, value in asdict(sampler).items() if name != 'objective'})}, "
        f"self-teaching {objective.self_teaching:g}",
        f"- schedule: {_listed(asdict(schedule))}",
        "",
        "## Figures",
        "",
        *(f"- {name}: {value}" for name, value in figures.items()),
    ]
    return "\n".join(lines) + "\n"


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in values.items() if value is not None)
