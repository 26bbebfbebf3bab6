"""Training as a job: rows and a base model in, an encoder or a LoRA adapter with its card out."""

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
from instrerank.encoders.loading import ModelFiles, find_model
from instrerank.encoders.locate import usable_settings
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.tokenizing import TextTokenizer, load_tokenizer
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.files import check_writable, one_process
from instrerank.jobs.described import described_source
from instrerank.jobs.outputs import staged
from instrerank.jobs.settings import settings_of
from instrerank.jobs.training_evaluation import NDCG, RerankingEvaluation, load_evaluation
from instrerank.training.inspection import describe_batch, too_long
from instrerank.training.models import Lora
from instrerank.training.objectives import Objective
from instrerank.training.rows import Row, as_rows, constraint_rows, read_rows
from instrerank.training.sampling import Sampler
from instrerank.training.schedule import CHECKPOINTS, PRESETS, Habits, Schedule
from instrerank.trec.problems import listed

if TYPE_CHECKING:
    from instrerank.training.network import TrainableEncoder

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What `train` does.

    Attributes:
        data: rows: a file (JSONL, TSV), a folder of `constrain` (with `corpus` or `index`), `hf:ID`, a list of these,
            or a list of `Row` or of records as a JSONL file holds them.
        encoder: base model: name, Hugging Face id or folder.
        output: folder of the trained model, its log and checkpoints.
        preset: what these settings were filled from, one of `PRESETS`.
        schedule: how long and how fast.
        habits: what does not decide the weights: device, checkpoints, log, patience.
        objective: what is minimised.
        instructions_per_query: y of marginal negative sampling, the own one included; None: half the triples of a
            batch.
        typos: probability of a typo in a query.
        lora: train an adapter instead of all weights.
        low_rank: rank, alpha, dropout and side of that adapter.
        load: how the base model is loaded: pooling, templates, lengths, query encoding, revision; `batch_tokens` are
            computed at once.
        cache_gradients: compute large batches in little memory (GradCache).
        too_long: what to do about rows whose query and instruction exceed `max_query_length`: "error", "skip" or
            "truncate".
        corpus: passages as `instrerank.open_passages` takes them, for rows of `constrain` and for the evaluation.
        index: Lucene index that stores its passages, instead of `corpus`.
        evaluate_run: first stage, as `instrerank.load_run` takes it, reranked at every checkpoint.
        evaluate_topics: its topics, as `instrerank.load_topics` takes them.
        evaluate_qrels: qrels, as `instrerank.load_qrels` takes them, for nDCG@10.
        evaluate_constraints: folder of `constrain`, for p-MRR.
        metric: decides which checkpoint is best: "ndcg_cut_10" or "p_mrr".
        note: text for the model card, such as the terms of the data.
        resume: go on from the last checkpoint of the same settings.
        overwrite: replace an earlier training, its checkpoints and its log.
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
        """Refuse settings that do not go together.

        Raises:
            InputError: names the parameter, its value and what is allowed.
        """
        if not isinstance(self.objective, Objective):
            raise InputError(f"`objective` takes an Objective, got {self.objective!r}; `form` takes uni or multi")
        if self.load.kind != "biencoder" or self.load.dtype != "float32":
            raise InputError(
                f"training starts from a bi-encoder in float32, got {self.load.kind} in {self.load.dtype}"
            )
        if self.low_rank.side == "query" and not self.lora:
            raise InputError("`side` query trains an adapter: set `lora` as well")
        if self.too_long not in ("error", "skip", "truncate"):
            raise InputError(f"unknown `too_long` {self.too_long!r}. Available: error, skip, truncate")
        if self.resume and self.overwrite:
            raise InputError("give `resume` to go on, or `overwrite` to start again, not both")
        evaluated = [self.evaluate_run, self.evaluate_topics, self.evaluate_qrels]
        if self.is_evaluated and (any(each is None for each in evaluated) or self.passages is None):
            raise InputError(
                "an evaluation needs `evaluate_run`, `evaluate_topics`, `evaluate_qrels`, and `corpus` or `index`"
            )
        if self.habits.patience and not self.is_evaluated:
            raise InputError(
                "`patience` counts evaluations: give `evaluate_run`, `evaluate_topics` and `evaluate_qrels` as well"
            )

    @property
    def is_evaluated(self) -> bool:
        """Whether checkpoints are evaluated."""
        given = (self.evaluate_run, self.evaluate_topics, self.evaluate_qrels, self.evaluate_constraints)
        return any(each is not None for each in given)

    @property
    def passages(self) -> Any:
        """The passages, whichever way they were given."""
        return self.corpus if self.corpus is not None else self.index

    @property
    def sources(self) -> list[Any]:
        """The data as a list of names, or of one list of rows in memory."""
        if isinstance(self.data, list | tuple) and self.data and all(map(is_name, self.data)):
            return list(self.data)
        return [self.data]

    def sampler(self) -> Sampler:
        """Return what makes the batches."""
        return Sampler(self.objective, self.instructions_per_query, self.typos, self.schedule.seed)


class Trained(NamedTuple):
    """What `train` returns.

    Attributes:
        output: folder of the model, which `load_encoder` takes.
        steps: how many were made.
        best_step: that of the weights which were kept; None without evaluation.
        figures: what was measured, as the model card has it.
        rows: rows trained on.
        triples: triples in them.
    """

    output: Path
    steps: int
    best_step: int | None
    figures: Mapping[str, Any]
    rows: int
    triples: int


class Prepared(NamedTuple):
    """A training with everything read and checked.

    Attributes:
        files: of the base model, with the profile to train with.
        tokenizer: of the base model.
        sources: each source of data with its rows.
        rows: all rows that are trained on.
    """

    files: ModelFiles
    tokenizer: TextTokenizer
    sources: list[tuple[Any, list[Row]]]
    rows: list[Row]

    @property
    def triples(self) -> int:
        """The number of triples in the rows."""
        return sum(len(row.triples) for row in self.rows)


def train_settings(*, preset: str | None = None, **given: Any) -> TrainSettings:
    """Make `TrainSettings` of keyword arguments; the preset fills what is not given.

    Raises:
        InputError: an unknown preset or parameter (the nearest one is named), or settings that do not go together.
    """
    if preset is not None and preset not in PRESETS:
        raise InputError(f"unknown `preset` {preset!r}. Available: {', '.join(PRESETS)}")
    return settings_of(TrainSettings, preset=preset, **{**PRESETS.get(preset or "", {}), **given})


def train(data: Any, encoder: str | Path, output: str | Path, **settings: Any) -> Trained:
    """Train a bi-encoder, or a LoRA adapter, to follow instructions (InF-Embed's objective, arXiv 2505.21439).

    Args:
        data: rows: a file, a folder of `constrain`, `hf:ID`, a list of these, or rows in memory.
        encoder: base model: name, Hugging Face id or folder.
        output: folder of the trained model, which `load_encoder` takes, with its log and checkpoints.
        **settings: the other fields of `TrainSettings`, and those of `Schedule`, `Habits`, `Objective`, `Lora` and
            `LoadOptions` (`lora=True, rank=8, epochs=1, …`).

    Raises:
        InputError: bad rows, settings that do not go together, an `output` with an earlier training, or one that
            another process is training into.
        InstrerankError: the loss is not finite.
        MissingPrerequisiteError: the extra `train`, or a model, is not here.
    """
    return run_train(train_settings(data=data, encoder=encoder, output=output, **settings))


def run_train(settings: TrainSettings) -> Trained:
    """Do what `TrainSettings` say; see `train`."""
    if settings.output is None:
        raise InputError("missing parameter `output`: the folder of the trained model")
    if importlib.util.find_spec("accelerate") is None:
        raise MissingPrerequisiteError(f"training needs the package accelerate: {pip_install('train')}")
    output = _check_folder(settings, Path(settings.output))
    # torchrun starts a process for each device: the first one holds the folder for all
    first = os.environ.get("RANK", "0") == "0"
    with one_process(output, folder=output) if first else nullcontext(), _library_warnings_in_the_log():
        return _train(settings, prepare(settings), output)


def inspect(settings: TrainSettings, batches: int) -> Iterator[str]:
    """Yield lines that show the first batches as the model sees them: texts, tokens and candidates.

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
    settings.sampler()  # refuses draws that contradict the objective
    with usable_settings(settings.encoder):
        files = find_model(settings.encoder, settings.load)
    sources = [(source, _read(source, settings.passages)) for source in settings.sources]
    tokenizer = load_tokenizer(files.layout.network, files.profile)
    rows = _of_good_length([row for _, each in sources for row in each], files, tokenizer, settings.too_long)
    ready = Prepared(files, tokenizer, sources, rows)
    log.info(f"{len(rows)} rows, {ready.triples} triples")
    return ready


def _check_folder(settings: TrainSettings, output: Path) -> Path:
    """Refuse a folder that is an input, or that holds a training which is not to be replaced or resumed."""
    check_writable(output / PROFILE_FILE)
    for name, source in _inputs(settings):
        if is_name(source) and Path(source).resolve() == output.resolve():
            raise InputError(f"`output` {output} is also the input `{name}`: name another folder")
    earlier = next((each for each in (CHECKPOINTS, PROFILE_FILE) if (output / each).exists()), None)
    if earlier and not settings.resume and not settings.overwrite:
        raise InputError(
            f"{output} holds an earlier training ({earlier}): go on with `resume`, replace it with `overwrite`, or "
            f"name another `output`"
        )
    return output


def _inputs(settings: TrainSettings) -> list[tuple[str, Any]]:
    names = ("encoder", "corpus", "index", "evaluate_run", "evaluate_topics", "evaluate_qrels", "evaluate_constraints")
    return [(name, getattr(settings, name)) for name in names] + [("data", source) for source in settings.sources]


def _read(source: Any, passages: Any) -> list[Row]:
    if not is_name(source):
        return as_rows(source)
    if not Path(source).is_dir():
        return read_rows(source)
    if passages is None:
        raise InputError(f"{source} names passages by docid: give their texts with `corpus` or `index`")
    return constraint_rows(source, open_passages(passages).lookup)


def _of_good_length(rows: list[Row], files: ModelFiles, tokenizer: TextTokenizer, policy: str) -> list[Row]:
    long, passages = too_long(rows, files.profile, tokenizer)
    if passages:
        log.warning(f"{passages} passages are truncated to {files.profile.max_passage_length} tokens")
    if not long:
        return rows
    names = listed([row.name for row in long])
    what = f"{len(long)} rows have a query and instruction of over {files.profile.max_query_length} tokens: {names}"
    if policy == "error":
        raise InputError(f"{what}; raise `max_query_length`, or set `too_long` to skip or truncate")
    log.warning(f"{what}; {'left out' if policy == 'skip' else 'truncated'}")
    if policy == "truncate":
        return rows
    left_out = set(long)
    kept = [row for row in rows if row not in left_out]
    if not kept:
        raise InputError("no row is left")
    return kept


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
        log.info(f"{output}: {state.global_step} steps")
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
    # whatever an earlier training left in the folder was refused or given up before this one began
    with staged(output, dict(_inputs(settings)), overwrite=True) as staging:
        save_trained(model, ready.files, staging, card)


@contextmanager
def _library_warnings_in_the_log() -> Iterator[None]:
    """Log the warnings that libraries print, for --verbose: no user of `train` can do anything about them."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, category, *_, **__: log.debug(f"{category.__name__}: {message}")
        yield
