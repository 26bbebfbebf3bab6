"""Filters of meaning: which variants still say what their originals say, according to an encoder and an NLI model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from instrerank.encoders.similarity import cosines
from instrerank.errors import InputError
from instrerank.perturbations.llm.options import LanguageModelOptions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrerank.encoders import Encoder

Pair = tuple[str, str]
"""(original, variant)."""

_BATCH = 32


class MeaningFilter:
    """Rejects variants whose cosine with the original is below a floor, or that an NLI model does not accept."""

    def __init__(self, options: LanguageModelOptions) -> None:
        """Take the options; the models are loaded when they are first needed."""
        self._encoder_name, self._floor, self._nli_name = options.meaning_encoder, options.meaning_floor, options.nli

    def reasons(self, pairs: Sequence[Pair], *, adds: bool) -> list[str]:
        """Return for each pair why the variant is rejected, "" if it is accepted.

        Args:
            pairs: originals and variants.
            adds: whether variants may say more than originals, so that only the latter must follow from the former.

        Returns:
            `dissimilar`, `not-entailed`, `too-long` (one of the two does not fit into the model) or "".
        """
        reasons = [""] * len(pairs)
        for check in (self._by_cosine, functools.partial(self._by_entailment, adds=adds)):
            open_rows = [row for row, reason in enumerate(reasons) if not reason]
            found = check([pairs[row] for row in open_rows]) if open_rows else []
            for row, reason in zip(open_rows, found, strict=True):
                reasons[row] = reason
        return reasons

    def describe(self) -> dict[str, Any]:
        """Return what determines the filter, for the record of a query set."""
        described: dict[str, Any] = {"encoder": self._encoder_name}
        if self._encoder_name != "none":
            described |= {"fingerprint": self._encoder.fingerprint, "floor": self._floor}
        if self._nli_name is not None:
            described |= {"nli": self._nli_name, "nli_fingerprint": self._nli.fingerprint}
        return described

    @functools.cached_property
    def _encoder(self) -> Encoder:
        from instrerank.encoders import load_encoder

        return load_encoder(self._encoder_name)

    @functools.cached_property
    def _nli(self) -> Entailment:
        return Entailment(str(self._nli_name))

    def _by_cosine(self, pairs: Sequence[Pair]) -> list[str]:
        if self._encoder_name == "none":
            return [""] * len(pairs)
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        encoded = self._encoder.encode_queries(texts)
        row = {text: number for number, text in enumerate(texts)}
        originals, variants = (np.array([row[pair[side]] for pair in pairs], np.int64) for side in (0, 1))
        cut = encoded.truncated[originals] | encoded.truncated[variants]
        near = cosines(encoded.vectors[originals], encoded.vectors[variants]) >= self._floor
        reasons: list[str] = np.where(cut, "too-long", np.where(near, "", "dissimilar")).tolist()
        return reasons

    def _by_entailment(self, pairs: Sequence[Pair], *, adds: bool) -> list[str]:
        if self._nli_name is None:
            return [""] * len(pairs)
        # (premise, hypothesis): the original must follow from the variant, and the other way round
        asked = [(variant, original) for original, variant in pairs]
        asked += [] if adds else list(pairs)
        verdicts = self._nli.verdicts(asked)
        reasons = []
        for number in range(len(pairs)):
            own = verdicts[number :: len(pairs)]
            reasons.append("too-long" if None in own else "" if all(own) else "not-entailed")
        return reasons


class Entailment:
    """A sequence classifier trained on natural language inference.

    Attributes:
        fingerprint: hex digest of weights, config and tokenizer.
    """

    def __init__(self, name: str) -> None:
        """Load the model from a folder or by its Hugging Face id; weights are read from safetensors only.

        Raises:
            InputError: another kind of model, or none of its labels is `entailment`.
            MissingPrerequisiteError: the model is not available here.
        """
        import transformers

        from instrerank.encoders.locate import locate, position_limit, read_json
        from instrerank.encoders.networks.tensors import fingerprint
        from instrerank.encoders.networks.transformers import load_network, resolve_device

        folder = locate(name)
        device = resolve_device("auto")
        network: Any = load_network(folder, "AutoModelForSequenceClassification", dtype="float32", device=device)
        self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, padding_side="right"
        )
        labels = {int(number): str(label) for number, label in network.config.id2label.items()}
        found = [number for number, label in labels.items() if label.lower().startswith("entail")]
        if len(found) != 1:
            raise InputError(
                f"`nli` {name} has the labels {', '.join(labels.values())}: give a model with a label `entailment`"
            )
        self._model, self._device, self._entailment = network, device, found[0]
        self._limit = min(self._tokenizer.model_max_length, position_limit(read_json(folder / "config.json")) or 512)
        self.fingerprint = fingerprint([folder], "entailment")

    def verdicts(self, pairs: Sequence[Pair]) -> list[bool | None]:
        """Return for each (premise, hypothesis) whether it is labelled as entailment; None if it is too long."""
        import torch

        verdicts: list[bool | None] = []
        for start in range(0, len(pairs), _BATCH):
            batch = pairs[start : start + _BATCH]
            inputs = self._tokenizer(*map(list, zip(*batch, strict=True)), padding=True, return_tensors="pt")
            lengths: NDArray[np.int64] = inputs["attention_mask"].sum(dim=1).numpy()
            inputs = {name: values[:, : self._limit].to(self._device) for name, values in inputs.items()}
            with torch.inference_mode():
                labels = self._model(**inputs).logits.argmax(dim=1).tolist()
            verdicts += [
                None if length > self._limit else label == self._entailment
                for length, label in zip(lengths.tolist(), labels, strict=True)
            ]
        return verdicts
