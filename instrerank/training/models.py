"""Loading a model for training and saving the result, either the whole model or a LoRA adapter."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.encoders import Encoder, EncoderProfile, LoadOptions
from instrerank.encoders.families.layouts import POOLING_NAMES
from instrerank.encoders.families.profiles import ADAPTER_SIDES, PROFILE_FILE, AdapterSide, write_profile
from instrerank.encoders.layers import load_layers
from instrerank.encoders.loading import ModelFiles, build_encoder
from instrerank.encoders.networks.transformers import ENCODERS, load_network, no_progress_bars
from instrerank.encoders.tokenizing import load_tokenizer
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.files import check_writable, read_json_file
from instrerank.training.saved import normalise

if TYPE_CHECKING:
    from instrerank.training.network import TrainableEncoder


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter on all linear layers (Hu et al. 2021, arXiv 2106.09685).

    Attributes:
        rank: r.
        alpha: the adapter's output is scaled by alpha / r.
        dropout: dropout rate on its input.
        side: with "query", only queries use the adapter; passage vectors stay those of the base model.
    """

    rank: int = 8
    alpha: int = 8
    dropout: float = 0.0
    side: AdapterSide = "both"

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1 or self.side not in ADAPTER_SIDES:
            raise InputError(
                f"LoRA with rank {self.rank}, alpha {self.alpha}, dropout {self.dropout:g}, side {self.side}: rank "
                f"and alpha must be at least 1, dropout at least 0 and less than 1, side one of "
                f" {', '.join(ADAPTER_SIDES)}"
            )


def load_trainable(
    files: ModelFiles,
    *,
    lora: Lora | None = None,
    seed: int = 42,
    passages: Sequence[str] = (),
    batch_tokens: int | None = None,
    cache_gradients: bool = False,
    device: str = "auto",
    store: Path | None = None,
) -> TrainableEncoder:
    """Load a base model for training in float32; an unused pooler is frozen.

    Args:
        files: from `find_model`, with the profile to train with.
        lora: train an adapter; None: train all weights.
        seed: seed of an adapter's initial weights.
        passages: texts whose vectors a query-side adapter needs; none: only queries are encoded.
        batch_tokens: number of tokens per chunk, including padding.
        cache_gradients: see `TrainableEncoder`.
        device: device that encodes those passages; the network itself is placed by the trainer.
        store: caches their vectors.

    Raises:
        InputError: weights that do not match, or an adapter as the base of an adapter.
        MissingPrerequisiteError: peft is not installed.
    """
    from instrerank.training.network import FrozenPassages, TrainableEncoder

    if lora is not None and files.adapter is not None:
        raise InputError(f"{files.name} has an adapter: train a new one on its base model, or omit `lora`")
    if files.adapter is not None and (files.adapter / "modules.json").is_file():
        raise InputError(f"{files.name} is an adapter with a layout of its own: train on its base model")
    if lora is None and files.layout.modules:
        _check_names(files.folder / "modules.json")
    auto_class = ENCODERS.get(files.config["model_type"], "AutoModel")
    network: Any = load_network(files.layout.network, auto_class, dtype="float32", device="cpu", adapter=files.adapter)
    profile, frozen = files.profile, None
    if lora is not None:
        network = _with_lora(network, lora, files.name, seed)
        profile = replace(profile, adapter_side=lora.side)
        if lora.side == "query" and passages:
            frozen = FrozenPassages(build_encoder(files, LoadOptions(device=device, store=store)), passages)
    for key, parameter in network.named_parameters():
        if "pooler" in key:
            parameter.requires_grad_(False)
    return TrainableEncoder(
        network,
        profile,
        load_tokenizer(files.tokenizer, profile),
        layers=load_layers(files.layout),
        batch_tokens=batch_tokens,
        cache_gradients=cache_gradients,
        frozen_passages=frozen,
    )


def _check_names(path: Path) -> None:
    """Refuse before the training what sentence-transformers could not save after it."""
    if not all(isinstance(module, dict) and "name" in module for module in read_json_file(path)):
        raise InputError(
            f"{path}: a module has no `name`, without which sentence-transformers cannot save the model: add it, or "
            f"train an adapter (`lora`)"
        )


def _with_lora(network: Any, lora: Lora, name: str, seed: int) -> Any:
    import torch

    try:
        import peft
    except ImportError as error:
        raise MissingPrerequisiteError(f"LoRA adapters need the package peft: {pip_install('train')}") from error
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules="all-linear",
        exclude_modules=r".*pooler.*",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        adapted = peft.get_peft_model(network, config)
    # the name that load_encoder finds, rather than where the files lie on this machine
    adapted.peft_config["default"].base_model_name_or_path = name
    return adapted


def current_encoder(model: TrainableEncoder, files: ModelFiles) -> Encoder:
    """Return an `Encoder` with the current weights, on their current device."""
    frozen = model.frozen_passages
    return Encoder(
        files.name,
        model.profile,
        model.tokenizer,
        model.backend if frozen is None else frozen.encoder.backend,
        layers=model.layers,
        query_backend=model.backend,
        passage_fingerprint=None if frozen is None else frozen.encoder.fingerprint,
        store=None if frozen is None or frozen.encoder.store is None else frozen.encoder.store.folder,
    )


def save_trained(model: TrainableEncoder, files: ModelFiles, folder: Path, card: str) -> None:
    """Save a model for `rerank --encoder FOLDER`: a LoRA adapter, or a folder in the sentence-transformers layout.

    Both include the profile used in training (`instrerank.json`) and a model card (`README.md`). The files are moved
    into the folder once all of them are complete.

    Raises:
        InputError: the folder cannot be written to, or the layout cannot represent the profile.
        MissingPrerequisiteError: sentence-transformers is not installed (whole models only).
    """
    from safetensors import SafetensorError

    staging = check_writable(folder / ".partial" / PROFILE_FILE).parent
    network: Any = model.network
    try:
        if hasattr(network, "peft_config"):
            network.save_pretrained(str(staging), save_embedding_layers=False)
        else:
            with no_progress_bars():
                _save_layout(network, files, model.profile, staging)
        write_profile(replace(model.profile, source=f"trained by instrerank on {files.name}"), staging)
        (staging / "README.md").write_text(card, "utf-8")
        normalise(staging, like=staging / "README.md")
        for path in staging.iterdir():
            target = folder / path.name
            if target.is_dir():
                shutil.rmtree(target)
            path.replace(target)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write {folder}: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _save_layout(network: Any, files: ModelFiles, profile: EncoderProfile, folder: Path) -> None:
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer import modules
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"saving a whole model needs sentence-transformers>=6: {pip_install('train')}"
        ) from error
    if profile.bidirectional:
        raise InputError(
            f"{profile.family} cannot be saved in the sentence-transformers layout: train an adapter (`lora`)"
        )
    if files.layout.modules:
        whole = SentenceTransformer(str(files.folder), device="cpu")
    else:
        names = {mode: name for name, mode in POOLING_NAMES.items()}
        pooling = modules.Pooling(
            network.config.hidden_size,
            pooling_mode=[names[mode] for mode in profile.pooling_modes],
            include_prompt=profile.pool_prefix,
        )
        parts = [modules.Transformer(str(files.layout.network)), pooling]
        whole = SentenceTransformer(modules=parts + [modules.Normalize()] * profile.normalize, device="cpu")
    whole[0].auto_model.load_state_dict({name: value.cpu() for name, value in network.state_dict().items()})
    whole.max_seq_length = profile.max_passage_length
    # the part before the text: sentence-transformers has no other templates
    whole.prompts = {
        "query": profile.query_template.partition("{")[0],
        "document": profile.passage_template.partition("{")[0],
    }
    whole.save_pretrained(str(folder), create_model_card=False)
