"""The job `train`: train an encoder or a LoRA adapter, and write it with its model card."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from instrerank.collections import open_passages
from instrerank.collections.loaded import is_name
from instrerank.encoders.families.profiles import PROFILE_FILE
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.files import check_writable, one_process
from instrerank.jobs.described import described_source
from instrerank.jobs.outputs import staged
from instrerank.jobs.settings import settings_of
from instrerank.jobs.training_data import Prepared, read_training_data
from instrerank.jobs.training_evaluation import NDCG, RerankingEvaluation, load_evaluation
from instrerank.training.inspection import describe_batch
from instrerank.training.models import Lora
from instrerank.training.objectives import Objective
from instrerank.training.sampling import Sampler
from instrerank.training.schedule import CHECKPOINTS, PRESETS, Habits, Schedule
from instrerank.trec.problems import counted

if TYPE_CHECKING:
    from instrerank.training.network import TrainableEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Settings of `train`.

    Attributes:
        data: training data: a file of rows (JSONL, TSV), a folder written by `constrain` (with `corpus` or `index`),
            `hf:ID`, a list of these, or a list of `Row`s or of records as in a JSONL file.
        encoder: base model: name, Hugging Face id or folder.
        output: folder for the trained model, its log and checkpoints.
        preset: preset that fills settings that are not given, one of `PRESETS`.
        schedule: batch size, steps and learning rate.
        habits: settings that do not affect the weights: device, checkpoints, log, patience.
        objective: the loss.
        instructions_per_query: y of marginal negative sampling, including the query's own instruction; None: half the
            triples of a batch.
        typos: probability of a typo in a query.
        lora: train a LoRA adapter instead of all weights.
        low_rank: rank, alpha, dropout and side of the adapter.
        load: how to load the base model: pooling, templates, lengths, query encoding, revision, `batch_tokens`.
        cache_gradients: train with large batches in little memory (GradCache).
        too_long: what to do with rows whose query exceeds `max_query_length`: "error", "skip" or "truncate".
        corpus: passages as `instrerank.open_passages` takes them, for data of `constrain` and for the evaluation.
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        evaluate_run: first-stage run to rerank at each checkpoint, as `instrerank.load_run` takes it.
        evaluate_topics: its topics, as `instrerank.load_topics` takes them.
        evaluate_qrels: its qrels, as `instrerank.load_qrels` takes them, for nDCG@10.
        evaluate_constraints: folder written by `constrain`, for p-MRR.
        metric: measure that selects the best checkpoint: "ndcg_cut_10" or "p_mrr".
        note: text to add to the model card, such as the licence of the data.
        resume: continue from the last checkpoint made with the same settings.
        overwrite: replace an earlier training run, its checkpoints and its log.
    """

    data: Any
    encoder: str | Path
    output: str | Path | None = None
    preset: str | None = None
    schedule: Schedule = field(default_factory=Schedule)
    habits: Habits = field(default_factory=Habits)
    objective: Objective = field(default_factory=Objective)
    instructions_per_query: int | None = None
    typos: float = 0.0
    lora: bool = False
    low_rank: Lora = field(default_factory=Lora)
    load: LoadOptions = field(default_factory=LoadOptions)
    cache_gradients: bool = False
    too_long: Literal["error", "skip", "truncate"] = "error"
    corpus: Any = None
    index: str | Path | None = None
    evaluate_run: Any = None
    evaluate_topics: Any = None
    evaluate_qrels: Any = None
    evaluate_constraints: Path | None = None
    metric: str = NDCG
    note: str = ""
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        if not isinstance(self.objective, Objective):
            raise InputError(f"`objective` must be an Objective, got {self.objective!r}; give uni or multi as `form`")
        if self.load.kind != "biencoder" or self.load.dtype != "float32":
            raise InputError(
                f"training starts from a bi-encoder in float32, got {self.load.kind} in {self.load.dtype}"
            )
        if self.load.dim is not None:
            raise InputError(f"training uses whole vectors, got `dim` {self.load.dim}")
        if self.low_rank.side == "query" and not self.lora:
            raise InputError("`side` query needs `lora`")
        if self.too_long not in ("error", "skip", "truncate"):
            raise InputError(f"unknown `too_long` {self.too_long!r}. Available: error, skip, truncate")
        if self.resume and self.overwrite:
            raise InputError("give `resume` to continue, or `overwrite` to start again, not both")
        evaluated = [self.evaluate_run, self.evaluate_topics, self.evaluate_qrels]
        if self.is_evaluated and (any(each is None for each in evaluated) or self.passages is None):
            raise InputError(
                "evaluation needs `evaluate_run`, `evaluate_topics`, `evaluate_qrels`, and `corpus` or `index`"
            )
        if self.habits.patience and not self.is_evaluated:
            raise InputError(
                "`patience` needs evaluations: give `evaluate_run`, `evaluate_topics` and `evaluate_qrels` as well"
            )

    @property
    def is_evaluated(self) -> bool:
        """Whether checkpoints are evaluated."""
        given = (self.evaluate_run, self.evaluate_topics, self.evaluate_qrels, self.evaluate_constraints)
        return any(each is not None for each in given)

    @property
    def passages(self) -> Any:
        """The passages: `corpus` or `index`."""
        return self.corpus if self.corpus is not None else self.index

    @property
    def sources(self) -> list[Any]:
        """The data as a list of names, or of one list of rows in memory."""
        if isinstance(self.data, list | tuple) and self.data and all(map(is_name, self.data)):
            return list(self.data)
        return [self.data]

    def sampler(self) -> Sampler:
        """Return the sampler that makes batches."""
        return Sampler(self.objective, self.instructions_per_query, self.typos, self.schedule.seed)


class Trained(NamedTuple):
    """What `train` returns.

    Attributes:
        output: folder of the model, for `load_encoder`.
        steps: number of training steps.
        best_step: step of the best checkpoint, whose weights were kept; None without evaluation.
        figures: evaluation results, as in the model card.
        rows: number of rows trained on.
        triples: number of triples in these rows.
    """

    output: Path
    steps: int
    best_step: int | None
    figures: Mapping[str, Any]
    rows: int
    triples: int


def train_settings(*, preset: str | None = None, **given: Any) -> TrainSettings:
    """Make `TrainSettings` from keyword arguments; the preset fills in those that are not given.

    Raises:
        InputError: an unknown preset or parameter (the nearest one is named), or incompatible settings.
    """
    if preset is not None and preset not in PRESETS:
        raise InputError(f"unknown `preset` {preset!r}. Available: {', '.join(PRESETS)}")
    return settings_of(TrainSettings, preset=preset, **{**PRESETS.get(preset or "", {}), **given})


def train(data: Any, encoder: str | Path, output: str | Path, **settings: Any) -> Trained:
    """Train a bi-encoder, or a LoRA adapter, to follow instructions (InF-Embed's objective, arXiv 2505.21439).

    Args:
        data: training data: a file of rows, a folder written by `constrain`, `hf:ID`, a list of these, or rows in
            memory.
        encoder: base model: name, Hugging Face id or folder.
        output: folder for the trained model (which `load_encoder` takes), its log and checkpoints.
        **settings: other fields of `TrainSettings`, `Schedule`, `Habits`, `Objective`, `Lora` and `LoadOptions`
            (`lora=True, rank=8, epochs=1, …`).

    Raises:
        InputError: bad rows, incompatible settings, an `output` with an earlier training, or one that
            another process is training into.
        InstrerankError: the loss is not finite.
        MissingPrerequisiteError: the extra `train` is not installed, or a model is not available here.
    """
    return run_train(train_settings(data=data, encoder=encoder, output=output, **settings))


def run_train(settings: TrainSettings) -> Trained:
    """Run `train` with the given settings."""
    if settings.output is None:
        raise InputError("missing parameter `output`: the folder of the trained model")
    if importlib.util.find_spec("accelerate") is None:
        raise MissingPrerequisiteError(f"training needs the package accelerate: {pip_install('train')}")
    output = _check_folder(settings, Path(settings.output))
    # torchrun starts one process per device: the first one locks the folder for all
    first = os.environ.get("RANK", "0") == "0"
    with one_process(output, folder=output) if first else nullcontext(), _library_warnings_in_the_log():
        return _train(settings, prepare(settings), output)


def inspect(settings: TrainSettings, batches: int) -> Iterator[str]:
    """Yield a description of the first batches as the model sees them: texts, tokens and candidates.

    Raises:
        InputError: as `train`.
    """
    ready, sampler, size = prepare(settings), settings.sampler(), settings.schedule.batch_size
    sampler.check(ready.rows, size)
    for start in range(0, min(len(ready.rows), batches * size), size):
        yield from describe_batch(sampler(ready.rows[start : start + size]), ready.files.profile, ready.tokenizer)


def prepare(settings: TrainSettings) -> Prepared:
    """Find the base model, and read and check the rows.

    Raises:
        InputError: as `train`.
    """
    settings.sampler()  # rejects sampling settings that contradict the objective
    return read_training_data(
        settings.sources, settings.encoder, settings.load, passages=settings.passages, policy=settings.too_long
    )


def _check_folder(settings: TrainSettings, output: Path) -> Path:
    """Reject a folder that is an input, or that has an earlier training run not to be resumed or replaced."""
    check_writable(output / PROFILE_FILE)
    for name, source in _inputs(settings):
        if is_name(source) and Path(source).resolve() == output.resolve():
            raise InputError(f"`output` {output} is also the input `{name}`: choose another folder")
    earlier = next((each for each in (CHECKPOINTS, PROFILE_FILE) if (output / each).exists()), None)
    if earlier and not settings.resume and not settings.overwrite:
        raise InputError(
            f"{output} contains an earlier training run ({earlier}): continue it with `resume`, replace it with "
            f"`overwrite`, or choose another `output`"
        )
    return output


def _inputs(settings: TrainSettings) -> list[tuple[str, Any]]:
    names = ("encoder", "corpus", "index", "evaluate_run", "evaluate_topics", "evaluate_qrels", "evaluate_constraints")
    return [(name, getattr(settings, name)) for name in names] + [("data", source) for source in settings.sources]


def _train(settings: TrainSettings, ready: Prepared, output: Path) -> Trained:
    from instrerank.training.trainer import train as fit

    lora = settings.low_rank if settings.lora else None
    evaluation = _evaluation(settings)
    model = _load_trainable(settings, ready, lora)
    trainer = fit(
        model,
        ready.files,
        ready.rows,
        settings.sampler(),
        settings.schedule,
        output,
        habits=settings.habits,
        configuration={"lora": lora and asdict(lora)},
        evaluate=evaluation,
        resume=settings.resume,
        overwrite=settings.overwrite,
    )
    state = trainer.state
    figures: dict[str, Any] = {"steps": state.global_step}
    if evaluation:
        figures |= {"best step": state.best_global_step, settings.metric: state.best_metric}
    if trainer.args.should_save:
        _save(settings, ready, model, lora, figures, output)
        log.info(f"{output}: {counted(state.global_step, 'step')}")
    best = state.best_global_step if evaluation else None
    return Trained(output, state.global_step, best, figures, len(ready.rows), ready.triples)


def _load_trainable(settings: TrainSettings, ready: Prepared, lora: Lora | None) -> TrainableEncoder:
    from instrerank.training.models import load_trainable

    triples = [triple for row in ready.rows for triple in row.triples]
    return load_trainable(
        ready.files,
        lora=lora,
        seed=settings.schedule.seed,
        passages=[text for triple in triples for text in (triple.passage, *triple.negatives)],
        batch_tokens=settings.load.batch_tokens,
        cache_gradients=settings.cache_gradients,
        device=settings.habits.device,
        store=settings.load.store_folder(),
    )


def _evaluation(settings: TrainSettings) -> RerankingEvaluation | None:
    if not settings.is_evaluated:
        return None
    return load_evaluation(
        settings.evaluate_run,
        settings.evaluate_topics,
        settings.evaluate_qrels,
        open_passages(settings.passages),
        constraints=settings.evaluate_constraints,
        metric=settings.metric,
    )


def _save(
    settings: TrainSettings,
    ready: Prepared,
    model: TrainableEncoder,
    lora: Lora | None,
    figures: Mapping[str, Any],
    output: Path,
) -> None:
    """Write the model and its card into `output`, all files or none."""
    from instrerank.training.card import model_card
    from instrerank.training.models import save_trained

    data = [
        {**described_source(source), "rows": len(rows), "triples": sum(len(row.triples) for row in rows)}
        for source, rows in ready.sources
    ]
    card = model_card(
        base=ready.files.name,
        profile=model.profile,
        sampler=settings.sampler(),
        schedule=settings.schedule,
        lora=lora,
        data=data,
        figures=figures,
        note=settings.note,
    )
    # an earlier training run in this folder was checked before this one began
    with staged(output, dict(_inputs(settings)), overwrite=True) as staging:
        save_trained(model, ready.files, staging, card)


@contextmanager
def _library_warnings_in_the_log() -> Iterator[None]:
    """Log library warnings at debug level: users of `train` cannot act on them."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, category, *_, **__: log.debug(f"{category.__name__}: {message}")
        yield
