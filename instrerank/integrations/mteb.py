"""mteb: `mteb.evaluate(MtebEncoder(encoder), tasks)` runs an encoder with its templates and the instructions."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from instrerank.encoders import Encoder
from instrerank.encoders.families.profiles import Placement
from instrerank.encoders.texts import place_instruction
from instrerank.errors import MissingPrerequisiteError, pip_install
from instrerank.reranking.candidates import EmptyPolicy
from instrerank.trec.records import is_empty

try:
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta, ScoringFunction
    from mteb.types import PromptType
except ImportError as error:
    raise MissingPrerequisiteError(f"mteb is not installed: {pip_install('mteb')}") from error

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.types import Array, BatchedInput
    from numpy.typing import NDArray
    from torch.utils.data import DataLoader


log = logging.getLogger(__name__)

_LAST = -1e9
"""Score of an empty document: below every dot product of an encoder, and finite, as mteb's statistics need it."""


class MtebEncoder(AbsEncoder):
    """An encoder with mteb's interface, for retrieval, reranking and every other text task.

    If the queries of a task have instructions (FollowIR etc.), they are inserted with the profile's template, not with
    mteb's own concatenation. Scores are dot products, as everywhere in instrerank.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        task_prompts: bool = False,
        instruction_placement: Placement = "slot",
        empty: EmptyPolicy = "error",
        meta: ModelMeta | None = None,
    ) -> None:
        """Wrap an encoder.

        Args:
            encoder: from `instrerank.encoders.load_encoder`.
            task_prompts: use mteb's task prompt as the instruction of queries that have none of their own, and in the
                slot if their own instruction is placed after them.
            instruction_placement: "slot": in the template's slot, as instrerank does by default; "after": query,
                space, instruction, as mteb's own wrappers do; "both".
            empty: "error"; or "score-last" to give documents with an empty text a score below every other, and log
                their number.
            meta: model metadata under which mteb saves the results, for example for a leaderboard. By default, the
            name is the encoder's and the revision is a hash of everything that determines its vectors, so that
            mteb's cache never mixes up results of different weights or templates.
        """
        self.encoder = encoder
        self.task_prompts = task_prompts
        self.instruction_placement = instruction_placement
        self.empty = empty
        changed = [option for option in (instruction_placement, empty) if option not in ("slot", "error")]
        self.mteb_model_meta = meta or _meta(encoder, [task_prompts, *changed])

    def encode(
        self,
        inputs: DataLoader[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> NDArray[np.float32]:
        """Encode the texts of a task, documents as passages, everything else (symmetric tasks included) as queries.

        Args:
            inputs: batches of n texts in total, as prepared by mteb.
            task_metadata: provides the prompt of the task.
            hf_split: ignored.
            hf_subset: ignored.
            prompt_type: query, document, or None if the task does not distinguish them.
            **kwargs: only `show_progress_bar` is used; batching is instrerank's own.

        Returns:
            float32 [n, d].

        Raises:
            InputError: an empty text (but see `empty`), or an instruction for a template that has no place for it.
        """
        progress = bool(kwargs.get("show_progress_bar", False))
        if prompt_type == PromptType.document:
            return self._documents([text for batch in inputs for text in batch["text"]], progress)
        prompt = self.get_instruction(task_metadata, prompt_type) if self.task_prompts else ""
        queries: list[str] = []
        instructions: list[str] = []
        for batch in inputs:
            # `text` holds query and instruction joined, `query` the query alone
            texts = batch.get("query", batch["text"])
            queries += texts
            instructions += batch.get("instruction", [""] * len(texts))
        encoder = self._placing(prompt or "")
        if encoder is self.encoder:
            instructions = [own or prompt or "" for own in instructions]
        return encoder.encode_queries(queries, instructions, progress=progress).vectors

    def similarity(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Return the dot products of queries [n, d] and documents [m, d], with those of empty documents at the end."""
        scores = super().similarity(embeddings1, embeddings2)
        if self.empty == "score-last":
            scores[:, torch.as_tensor(embeddings2).isnan().any(dim=1)] = _LAST
        return scores

    def _documents(self, texts: list[str], progress: bool) -> NDArray[np.float32]:
        """Return the vectors of documents; that of an empty one that may score last is no number."""
        if self.empty == "error":
            return self.encoder.encode_passages(texts, progress=progress).vectors
        full = np.array([not is_empty(text) for text in texts], bool)
        vectors = np.full((len(texts), self.encoder.dimension), np.nan, np.float32)
        vectors[full] = self.encoder.encode_passages(
            [text for text in texts if not is_empty(text)], progress=progress
        ).vectors
        if not full.all():
            log.warning(f"{int((~full).sum())} of {len(texts)} documents have an empty text and score last")
        return vectors

    def _placing(self, prompt: str) -> Encoder:
        """Return the encoder with templates for the placement, and a prompt that stands in the slot."""
        if self.instruction_placement == "slot":
            return self.encoder
        profile = self.encoder.profile
        profile = dataclasses.replace(profile, default_instruction=prompt or profile.default_instruction)
        encoder = copy.copy(self.encoder)
        encoder.profile = place_instruction(profile, self.instruction_placement)
        return encoder


def _meta(encoder: Encoder, options: list[object]) -> ModelMeta:
    decisive = [encoder.fingerprint, dataclasses.asdict(encoder.profile), encoder.dtype, *options]
    is_id = encoder.name.count("/") == 1 and not Path(encoder.name).exists()
    return ModelMeta(
        loader=None,
        name=encoder.name if is_id else f"instrerank/{Path(encoder.name).name}",
        revision=hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:40],
        release_date=None,
        languages=None,
        n_parameters=None,
        memory_usage_mb=None,
        max_tokens=encoder.profile.max_passage_length,
        embed_dim=encoder.dimension,
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch"],
        similarity_fn_name=ScoringFunction.DOT_PRODUCT,
        use_instructions="{i}" in encoder.profile.query_template,
        training_datasets=None,
    )
