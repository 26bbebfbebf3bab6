"""Training schedule, and settings of a run that do not affect the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from instrerank.errors import InputError

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints, inside that of the trained model."""

PRESETS: dict[str, dict[str, Any]] = {
    "inf-embed": {
        "query_template": "{q} {i}",
        "passage_template": "{d}",
        "max_query_length": 256,
        "max_passage_length": 512,
        "dtype": "bfloat16",
    }
}
"""Settings that differ from the defaults, by preset; the defaults are those of InF-Embed's code (docs/train.md)."""


@dataclass(frozen=True)
class Schedule:
    """The training schedule.

    Attributes:
        batch_size: number of rows per batch and device.
        epochs: number of passes over the rows.
        max_steps: number of steps, instead of `epochs`; None: determined by `epochs`.
        learning_rate: peak learning rate; it decays linearly to 0.
        warmup_steps: number of steps in which the learning rate increases from 0.
        weight_decay: weight decay of AdamW.
        seed: seed for the order of rows, draws, dropout and new weights.
        dtype: "float32", or "bfloat16" for the network's computation; weights stay in float32.
    """

    batch_size: int = 4
    epochs: float = 2.0
    max_steps: int | None = None
    learning_rate: float = 5e-5
    warmup_steps: int = 0
    weight_decay: float = 0.0
    seed: int = 42
    dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        """Reject values out of range.

        Raises:
            InputError: names the parameter, its value and what is allowed.
        """
        for name in ("batch_size", "epochs", "max_steps", "learning_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InputError(f"`{name}` must be above 0, got {value:g}")
        for name in ("warmup_steps", "weight_decay", "seed"):
            if getattr(self, name) < 0:
                raise InputError(f"`{name}` must be at least 0, got {getattr(self, name):g}")
        if self.dtype not in ("float32", "bfloat16"):
            raise InputError(f"unknown `dtype` {self.dtype!r}. Available: float32, bfloat16")


@dataclass(frozen=True)
class Habits:
    """Settings that do not affect the weights.

    Attributes:
        device: "auto" or "cpu".
        save_steps: number of steps between checkpoints, each with an evaluation if one is given; the last two and the
            best one are kept.
            log_steps: number of steps between log entries.
            patience: stop after this many evaluations without improvement; None: do not stop early.
            tensorboard: also write TensorBoard files.
        progress: show a progress bar.
    """

    device: str = "auto"
    save_steps: int = 500
    log_steps: int = 10
    patience: int | None = None
    tensorboard: bool = False
    progress: bool = False
