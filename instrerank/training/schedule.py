"""How long and how fast to train, and what of a run does not decide the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from instrerank.errors import InputError


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        rows_per_batch: rows in a batch on each device.
        epochs: passes over the rows.
        max_steps: ends earlier or later than `epochs` says; None: `epochs` decides.
        learning_rate: at its highest; it falls linearly to 0.
        warmup_steps: in which it rises.
        weight_decay: of AdamW.
        seed: of the order of rows, of draws, dropout and new weights.
        precision: "float32", or "bfloat16" for the network's own computation.
    """

    rows_per_batch: int = 4
    epochs: float = 2.0
    max_steps: int | None = None
    learning_rate: float = 5e-5
    warmup_steps: int = 0
    weight_decay: float = 0.0
    seed: int = 42
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if self.rows_per_batch < 1 or self.epochs <= 0 or (self.max_steps or 1) < 1 or self.learning_rate <= 0:
            raise InputError(
                f"{self.rows_per_batch} rows a batch, {self.epochs:g} epochs, {self.max_steps} steps, learning rate "
                f"{self.learning_rate:g}: all must be above 0"
            )


@dataclass(frozen=True)
class Habits:
    """What does not decide the weights.

    Attributes:
        device: "auto" or "cpu".
        save_steps: steps between checkpoints, each with an evaluation where one is given; the last two are kept, and
            the best.
        log_steps: steps between lines of the log.
        patience: evaluations without a better one after which training ends; None: never.
        tensorboard: write its files too.
        progress: show a progress bar.
    """

    device: str = "auto"
    save_steps: int = 500
    log_steps: int = 10
    patience: int | None = None
    tensorboard: bool = False
    progress: bool = False
