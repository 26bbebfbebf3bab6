"""The training loop: transformers' Trainer with our batches and loss, and checkpoints of trained weights only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from instrerank.encoders import Encoder
from instrerank.encoders.loading import ModelFiles
from instrerank.encoders.locate import read_json
from instrerank.errors import InputError, InstrerankError
from instrerank.files import check_writable, remove_abandoned, whole_file
from instrerank.training.models import current_encoder
from instrerank.training.network import TrainableEncoder
from instrerank.training.rows import Row
from instrerank.training.sampling import Batch, Sampler
from instrerank.training.schedule import CHECKPOINTS, Habits, Schedule
from instrerank.training.step import batch_loss

CONFIGURATION = "configuration.json"
LOG = "log.jsonl"
STATE = "trainer_state.json"
"""The file of a checkpoint that is written last, which marks it as complete."""


class Evaluation(Protocol):
    """Evaluates an encoder during training."""

    @property
    def metric(self) -> str:
        """The measure that determines the best checkpoint; higher is better."""
        ...

    def __call__(self, encoder: Encoder) -> dict[str, float]:
        """Return the measures by name, including `metric`."""
        ...


class InstructionTrainer(transformers.Trainer):  # type: ignore[misc]
    """transformers' Trainer over whole rows."""

    control: Any

    def __init__(
        self,
        model: TrainableEncoder,
        files: ModelFiles,
        rows: Sequence[Row],
        sampler: Sampler,
        arguments: transformers.TrainingArguments,
        evaluate: Evaluation | None = None,
        callbacks: Sequence[transformers.TrainerCallback] = (),
    ):
        """Set up training of a model on rows."""
        super().__init__(
            model,
            arguments,
            data_collator=lambda rows: {"batch": sampler(rows)},
            train_dataset=list(rows),
            eval_dataset=[] if evaluate else None,  # asked for by the base class, looked at by nobody
            callbacks=list(callbacks),
        )
        self._objective, self._files, self._measure = sampler.objective, files, evaluate
        self._query_encodings: list[int] = []
        self.remove_callback(transformers.PrinterCallback)
        if self.pop_callback(transformers.trainer_callback.ProgressCallback) is not None:
            self.add_callback(_Bar)

    def compute_loss(self, model: torch.nn.Module, inputs: Mapping[str, Batch], *_: Any, **__: Any) -> torch.Tensor:
        """Return one batch's loss.

        Raises:
            InstrerankError: the loss is not finite.
        """
        batch = inputs["batch"]
        self._query_encodings.append(len(batch.pairs))
        loss = batch_loss(self._objective, batch, *model(batch.pairs, batch.passages))
        if not torch.isfinite(loss):
            raise InstrerankError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}, rows {', '.join(batch.rows)}. The "
                f"checkpoints in {self.args.output_dir} are older: inspect these rows, lower `learning_rate`, "
                "or set `dtype` to float32"
            )
        return loss

    def log(self, logs: dict[str, float], *arguments: Any) -> None:
        """Add the number of query-side texts encoded per step."""
        if "loss" in logs and self._query_encodings:
            logs["query_encodings"] = sum(self._query_encodings) / len(self._query_encodings)
            self._query_encodings.clear()
        super().log(logs, *arguments)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Evaluate the current encoder."""
        assert self._measure is not None
        self.model.eval()
        found = self._measure(current_encoder(self.model, self._files))
        measures = {f"eval_{name}": value for name, value in found.items()}
        self.log(dict(measures))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, measures)
        return measures

    def _save(self, output_dir: str | None = None, state_dict: Mapping[str, torch.Tensor] | None = None) -> None:
        """Save the trained weights only, without pickling."""
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        trained = {name: value.detach().cpu() for name, value in _trained(self.model)}
        save_file(trained, folder / "model.safetensors")

    def _load_from_checkpoint(self, checkpoint: str, model: torch.nn.Module | None = None) -> None:
        weights = load_file(Path(checkpoint) / "model.safetensors")
        if weights.keys() != {name for name, _ in _trained(self.model)}:
            raise InputError(f"{checkpoint} belongs to another model: resume with the model it was created with")
        self.model.load_state_dict(weights, strict=False)

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)

    def _save_checkpoint(self, *arguments: Any) -> None:
        try:
            super()._save_checkpoint(*arguments)
        except (OSError, RuntimeError, SafetensorError) as error:  # a full disk, in the words of three libraries
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            shutil.rmtree(folder, ignore_errors=True)
            raise InputError(
                f"cannot write {folder}: {error}. Free disk space and continue from the last checkpoint with `resume`"
            ) from error


def _trained(model: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, value) for name, value in model.named_parameters() if value.requires_grad]


class _Bar(transformers.trainer_callback.ProgressCallback):  # type: ignore[misc]
    """The progress bar, without log dictionaries between its lines."""

    def on_log(self, arguments: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Show the loss at the end of the bar."""
        if self.training_bar is not None and "loss" in (logs or {}):
            self.training_bar.set_postfix(loss=f"{float(logs['loss']):.4f}")


class _JsonLog(transformers.TrainerCallback):  # type: ignore[misc]
    """Appends every log entry to a file, one JSON object per line."""

    def __init__(self, path: Path):
        self._path = path

    def on_log(self, arguments: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if state.is_world_process_zero:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **logs}) + "\n")


def train(
    model: TrainableEncoder,
    files: ModelFiles,
    rows: Sequence[Row],
    sampler: Sampler,
    schedule: Schedule,
    output: Path,
    *,
    habits: Habits | None = None,
    configuration: Mapping[str, Any] | None = None,
    evaluate: Evaluation | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> InstructionTrainer:
    """Train a model, which has the last weights afterwards, or the best ones if `evaluate` is given.

    Args:
        model: model from `load_trainable`.
        files: files of the base model.
        rows: training data.
        sampler: makes batches from the rows.
        schedule: training schedule.
        output: folder for checkpoints (in `checkpoints`) and the log (`log.jsonl`).
        habits: settings that do not affect the weights.
        configuration: other settings that affect the weights: saved with the checkpoints, and compared on resuming.
        evaluate: evaluates the encoder during training.
        resume: continue from the last checkpoint.
        overwrite: remove earlier checkpoints and their log.

    Raises:
        InputError: too few rows for a batch, existing checkpoints without `resume` or `overwrite` or with another
            configuration, a folder that cannot be written to.
            InstrerankError: the loss is not finite.
    """
    habits = habits or Habits()
    sampler.check(rows, schedule.batch_size)
    if len(rows) < schedule.batch_size:
        raise InputError(f"{len(rows)} rows do not fill a batch of {schedule.batch_size}: decrease `batch_size`")
    folder = output / CHECKPOINTS
    settings = {
        **(configuration or {}),
        "base": files.name,
        "profile": asdict(model.profile),
        "rows": hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest(),
        "sampler": asdict(sampler),
        "schedule": asdict(schedule),
    }
    first = os.environ.get("RANK", "0") == "0"
    if overwrite and first:
        shutil.rmtree(folder, ignore_errors=True)
        (output / LOG).unlink(missing_ok=True)
    # where the first process removes checkpoints, the others do not look for any
    checkpoint = None if overwrite and not first else _settle(folder, json.loads(json.dumps(settings)), resume)
    callbacks: list[Any] = [_JsonLog(check_writable(output / LOG))]
    if evaluate and habits.patience:
        callbacks.append(transformers.EarlyStoppingCallback(habits.patience))
    transformers.set_seed(schedule.seed)
    trainer = InstructionTrainer(
        model, files, rows, sampler, _arguments(folder, schedule, habits, evaluate), evaluate, callbacks
    )
    state = None if checkpoint is None else transformers.TrainerState.load_from_json(checkpoint / STATE)
    if state is not None and state.global_step >= state.max_steps:
        # the base class would make one step more
        trainer.state = state
        trainer._load_from_checkpoint(state.best_model_checkpoint or str(checkpoint))
    else:
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    model.eval()
    return trainer


def _settle(folder: Path, settings: dict[str, Any], resume: bool) -> Path | None:
    """Return the checkpoint to continue from, or None to start from scratch, and record the configuration.

    Raises:
        InputError: see `train`.
    """
    remove_abandoned(folder)
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    if checkpoints and not resume:
        raise InputError(
            f"{folder} contains checkpoints: continue with `resume`, replace them with `overwrite`, or choose another "
            "`output`"
        )
    if checkpoints:
        recorded = read_json(folder / CONFIGURATION)
        differing = sorted(
            f"{part}: {recorded.get(part)} before, {settings.get(part)} now"
            for part in recorded.keys() | settings.keys()
            if recorded.get(part) != settings.get(part)
        )
        if differing:
            raise InputError(
                f"{folder} was created with another configuration and cannot be resumed with this one. "
                + "; ".join(differing)
            )
    with whole_file(folder / CONFIGURATION) as file:
        json.dump(settings, file, indent=1)
    complete = [path for path in checkpoints if (path / STATE).is_file()]
    return complete[-1] if complete else None


def _arguments(
    folder: Path, schedule: Schedule, habits: Habits, evaluate: Evaluation | None
) -> transformers.TrainingArguments:
    every = "no" if evaluate is None else "steps"
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=schedule.batch_size,
        num_train_epochs=schedule.epochs,
        max_steps=schedule.max_steps or -1,
        learning_rate=schedule.learning_rate,
        warmup_steps=schedule.warmup_steps,
        weight_decay=schedule.weight_decay,
        seed=schedule.seed,
        bf16=schedule.dtype == "bfloat16",
        use_cpu=habits.device == "cpu",
        logging_steps=habits.log_steps,
        save_steps=habits.save_steps,
        save_total_limit=2,
        eval_strategy=every,
        eval_steps=habits.save_steps,
        load_best_model_at_end=evaluate is not None,
        metric_for_best_model=None if evaluate is None else f"eval_{evaluate.metric}",
        greater_is_better=None if evaluate is None else True,
        restore_callback_states_from_checkpoint=habits.patience is not None,
        report_to="tensorboard" if habits.tensorboard else "none",
        disable_tqdm=not habits.progress,
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
    )
    # several GPUs of one process would each get a part of the texts; torchrun starts a process for each
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments
