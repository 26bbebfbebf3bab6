"""The job behind `train --recipe`: train query-side adapters on vectors, and write them as one encoder."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.adapted import ADAPTER_WEIGHTS
from instrerank.encoders.families.profiles import PROFILE_FILE, read_profile, write_profile
from instrerank.encoders.loading import ModelFiles, build_encoder, find_model
from instrerank.encoders.locate import locate, usable_settings
from instrerank.encoders.networks.tensors import read_weights
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.tokenizing import load_tokenizer
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.files import check_writable, one_process, read_json_file, whole_file
from instrerank.jobs.outputs import staged
from instrerank.jobs.settings import settings_of
from instrerank.training.models import Lora, load_trainable, save_trained
from instrerank.training.schedule import CHECKPOINTS
from instrerank.training.vectors.recipe import AdapterRecipe, Recipe, read_recipe
from instrerank.training.vectors.sources import Sources, read_sources
from instrerank.trec.problems import counted
from instrerank.version import __version__

if TYPE_CHECKING:
    from instrerank.training.network import TrainableEncoder

log = logging.getLogger(__name__)
BARE = "bare"
"""Subfolder of the adapter of queries without an instruction, if there are two."""
CARD = "README.md"
_RECORD = "recipe.json"
_OF_RECIPES = {"query_template", "instruction_placement", "query_encoding", "adapter", "dtype", "dim"}
"""Options of loading that a recipe sets, or that its adapters do not have."""
_SPECIAL = re.compile(r"\[[A-Z]+\]|</?s>|<\|.*?\|>")
"""What special tokens look like."""


@dataclass(frozen=True, kw_only=True)
class TrainVectorsSettings:
    """Settings of `train --recipe`.

    Attributes:
        recipe: YAML file (docs/train.md), or a `Recipe`.
        data: folder with the collections that the recipe names.
        encoder: base model: name, Hugging Face id or folder.
        output: folder for the adapters, their log and checkpoints.
        load: how to load the base model.
        device: "auto", "cpu", "cuda", ….
        progress: show progress bars.
        resume: continue from the last checkpoints made with the same settings.
        overwrite: replace an earlier training run.
    """

    recipe: str | Path | Recipe
    data: str | Path
    encoder: str | Path
    output: str | Path
    load: LoadOptions = field(default_factory=LoadOptions)
    device: str = "auto"
    progress: bool = False
    resume: bool = False
    overwrite: bool = False


class TrainedVectors(NamedTuple):
    """What `train_vectors` returns.

    Attributes:
        output: folder of the encoder, for `load_encoder`.
        losses: the last logged loss of each adapter: mean divergence over its last steps, in nats.
    """

    output: Path
    losses: dict[str, float]


def train_vectors(
    recipe: str | Path | Recipe, data: str | Path, encoder: str | Path, output: str | Path, **settings: Any
) -> TrainedVectors:
    """Train query-side adapters on vectors: of queries without, and with, an instruction.

    Args:
        recipe: YAML file, or a `Recipe`.
        data: folder with the collections that the recipe names.
        encoder: base model.
        output: folder of the trained encoder.
        **settings: other fields of `TrainVectorsSettings` and `LoadOptions`.

    Raises:
        InputError: a bad recipe, missing data, or an `output` with an earlier training.
        InstrerankError: the loss is not finite.
        MissingPrerequisiteError: the extra `train` is not installed, or the model is not available here.
    """
    given = {"recipe": recipe, "data": data, "encoder": encoder, "output": output, **settings}
    return run_train_vectors(train_vectors_settings(**given))


def train_vectors_settings(**given: Any) -> TrainVectorsSettings:
    """Make `TrainVectorsSettings` from what `train` takes.

    Raises:
        InputError: a missing parameter, several folders of data, or parameters that a recipe decides.
    """
    own = {each.name for each in (*fields(TrainVectorsSettings), *fields(LoadOptions))} - _OF_RECIPES
    decided = [f"`{name}`" for name in given if name not in own]
    if decided:
        raise InputError(f"{', '.join(decided)} cannot be used with `recipe`, which decides how adapters are trained")
    data = given.get("data")
    if isinstance(data, list | tuple):
        if len(data) != 1:
            raise InputError("`recipe` needs one `data`: the folder with the recipe's collections")
        given["data"] = data[0]
    return settings_of(TrainVectorsSettings, **given)


def run_train_vectors(settings: TrainVectorsSettings) -> TrainedVectors:
    """Run `train --recipe` with the given settings; errors as of `train_vectors`."""
    if importlib.util.find_spec("peft") is None:
        raise MissingPrerequisiteError(f"training an adapter needs the package peft: {pip_install('train')}")
    recipe = settings.recipe if isinstance(settings.recipe, Recipe) else read_recipe(Path(settings.recipe))
    output = Path(settings.output)
    with usable_settings(settings.encoder):
        load = settings.load.with_changes(query_template=recipe.query_template)
        files = find_model(settings.encoder, load)
    _check_separator(recipe, files)
    for part in recipe.adapters.values():
        if part.start is not None:
            locate(part.start)  # an unknown one is refused before passages are encoded
    sources = read_sources(recipe, Path(settings.data))
    check_writable(output / CHECKPOINTS / _RECORD)
    with one_process(output, folder=output):
        _settle(settings, recipe, files, output)
        return _train(settings, recipe, sources, files, output)


def _check_separator(recipe: Recipe, files: ModelFiles) -> None:
    """Refuse a special token in the template that this tokenizer would read as text."""
    known = load_tokenizer(files.tokenizer, files.profile).special_tokens
    unknown = [token for token in _SPECIAL.findall(recipe.query_template) if token not in known]
    if unknown:
        raise InputError(
            f"query_template: {unknown[0]} is not a special token of {files.name}, which has "
            f"{', '.join(sorted(known))}"
        )


def _settle(settings: TrainVectorsSettings, recipe: Recipe, files: ModelFiles, output: Path) -> None:
    """Record what is trained, and refuse to mix it with something else."""
    record = {"recipe": asdict(recipe), "encoder": files.name, "profile": asdict(files.profile)}
    record = json.loads(json.dumps(record))
    folder = output / CHECKPOINTS
    if settings.overwrite:
        for old in (folder, output / BARE):
            shutil.rmtree(old, ignore_errors=True)
    elif (folder / _RECORD).is_file():
        if not settings.resume:
            raise InputError(
                f"{output} contains an earlier training run: continue it with `resume`, replace it with `overwrite`, "
                "or choose another `output`"
            )
        if read_json_file(folder / _RECORD) != record:
            raise InputError(f"{output} was made with another recipe or encoder, and cannot be resumed with this one")
    with whole_file(folder / _RECORD) as file:
        json.dump(record, file, indent=1)


def _train(
    settings: TrainVectorsSettings, recipe: Recipe, sources: Sources, files: ModelFiles, output: Path
) -> TrainedVectors:
    from instrerank.training.vectors.examples import Examples
    from instrerank.training.vectors.teacher import Teacher
    from instrerank.training.vectors.trainer import fit

    made = len(sources.queries) - sources.asked
    log.info(
        f"{counted(len(sources.passages), 'passage')}, {counted(sources.asked, 'query')} that people asked, "
        f"{made} made, {counted(len(sources.neutral), 'neutral instruction')}"
    )
    base = build_encoder(files, settings.load.with_changes(device=settings.device))
    vectors = base.encode_passages(sources.passages, progress=settings.progress).vectors
    queries = base.encode_queries(sources.queries, progress=settings.progress).vectors
    teacher = Teacher(sources.passages, vectors)
    models, losses = {}, {}
    for name, part in recipe.adapters.items():
        models[name] = _adapter(recipe, part, files)
        examples = Examples(sources, teacher, queries, part, base.device)
        losses[name] = fit(
            models[name],
            examples,
            vectors,
            part,
            output / CHECKPOINTS / name,
            temperature=recipe.temperature,
            seed=recipe.seed,
            device=base.device,
            resume=settings.resume,
            progress=settings.progress,
        )
        log.info(f"{name}: {part.steps} steps, loss {losses[name]:.4f}")
    with staged(output, {"recipe": settings.recipe, "data": settings.data}, overwrite=True) as staging:
        _save(models, recipe, files, staging, _card(recipe, files, losses))
    return TrainedVectors(output, losses)


def _adapter(recipe: Recipe, part: AdapterRecipe, files: ModelFiles) -> TrainableEncoder:
    model = load_trainable(files, lora=Lora(recipe.rank, recipe.rank, side="query"), seed=recipe.seed)
    if part.start is not None:
        _start_from(part.start, model)
    return model


def _start_from(start: str, model: TrainableEncoder) -> None:
    """Load the weights of an adapter to begin with.

    Raises:
        InputError: the adapter has no weights, or is of another rank or model.
    """
    import peft

    network: Any = model.network
    folder = locate(start)
    wanted = {name: value.shape for name, value in peft.get_peft_model_state_dict(network).items()}
    weights = read_weights(folder / ADAPTER_WEIGHTS, folder / "adapter_model.bin", allow_bin=False)
    if {name: value.shape for name, value in weights.items()} != wanted:
        raise InputError(f"start: {start} is an adapter of another model, or of another rank than the recipe's")
    peft.set_peft_model_state_dict(network, weights)


def _save(models: Mapping[str, TrainableEncoder], recipe: Recipe, files: ModelFiles, folder: Path, card: str) -> None:
    """Write one adapter, or that of queries without an instruction in a subfolder of the other's."""
    for name, model in models.items():
        place = folder / BARE if name == BARE and len(models) > 1 else folder
        place.mkdir(exist_ok=True)
        save_trained(model, files, place, card)
        _halve(place / ADAPTER_WEIGHTS, recipe.adapters[name].scale)
    if len(models) > 1:
        for name in (CARD, PROFILE_FILE):
            (folder / BARE / name).unlink()
        saved = read_profile(folder)
        assert saved is not None
        write_profile(replace(saved, bare_query_adapter=BARE), folder)


def _halve(path: Path, scale: float) -> None:
    """Scale an adapter, and store it in half precision: it is added to weights of 10 times its size."""
    from safetensors.torch import load_file, save_file

    mode = path.stat().st_mode
    weights = {name: value * scale if "lora_B" in name else value for name, value in load_file(path).items()}
    save_file({name: value.half() for name, value in weights.items()}, path, {"format": "pt"})
    path.chmod(mode)


def _card(recipe: Recipe, files: ModelFiles, losses: Mapping[str, float]) -> str:
    """Return the model card: base, recipe, losses, the data's terms."""
    head = ["---", f"base_model: {json.dumps(files.name)}", 'library_name: "peft"', "tags: [instrerank]", "---"]
    text = [
        "# Query-side adapters trained on vectors",
        "",
        f"Trained by instrerank {__version__} (`train --recipe`) from `{files.name}`, whose passage vectors it keeps.",
        "`instrerank rerank --encoder DIR` reads how to use them from `instrerank.json`.",
        *(["", recipe.note] if recipe.note else []),
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps(asdict(recipe), indent=1),
        "```",
        "",
        "## Loss",
        "",
        *(f"- {name}: {loss:.4f}" for name, loss in losses.items()),
    ]
    return "\n".join([*head, *text]) + "\n"
