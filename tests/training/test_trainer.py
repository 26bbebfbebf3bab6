"""The training loop on a tiny network: it learns, resumes exactly, and stops where it should."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from instrerank.encoders import load_encoder
from instrerank.encoders.loading import find_model
from instrerank.errors import InputError, InstrerankError
from instrerank.training import trainer as trainer_module
from instrerank.training.models import Lora, load_trainable, save_trained
from instrerank.training.objectives import Objective
from instrerank.training.sampling import Sampler
from instrerank.training.schedule import Habits, Schedule
from instrerank.training.trainer import train

HABITS = Habits(device="cpu", save_steps=3, log_steps=1)
SAMPLER = Sampler(Objective(), 3)
TEXTS = ["why does bread rise 3", "tides"]


@pytest.fixture
def files(models):
    return find_model(models("bert", "some-model"), pooling="mean")


def run(files, rows, output, *, lora=None, schedule=None, habits=HABITS, sampler=SAMPLER, model=None, **settings):
    passages = [triple.passage for row in rows for triple in row.triples]
    model = model or load_trainable(files, lora=lora, passages=passages, device="cpu")
    schedule = schedule or Schedule(batch_size=3, max_steps=6, learning_rate=3e-3)
    train(model, files, rows, sampler, schedule, output, habits=habits, **settings)
    return model


def logged(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def weights(model):
    return torch.cat([value.detach().flatten() for value in model.parameters() if value.requires_grad])


@pytest.mark.parametrize("lora", [None, Lora(rank=4), Lora(rank=4, side="query")])
def test_the_loss_falls_and_encodings_are_counted(files, rows, tmp_path, lora):
    run(files, rows, tmp_path, lora=lora, schedule=Schedule(batch_size=3, max_steps=30, learning_rate=1e-2))
    steps = [entry for entry in logged(tmp_path) if "loss" in entry]
    assert np.mean([entry["loss"] for entry in steps[-5:]]) < 0.7 * np.mean([entry["loss"] for entry in steps[:5]])
    assert all(9 < entry["query_encodings"] <= 9 + 9 * 2 for entry in steps)


@pytest.mark.parametrize("lora", [None, Lora(rank=4, dropout=0.1)])
def test_resuming_is_exact(files, rows, tmp_path, lora, monkeypatch):
    whole = run(files, rows, tmp_path / "whole", lora=lora)
    again = run(files, rows, tmp_path / "again", lora=lora)
    torch.testing.assert_close(weights(again), weights(whole), rtol=0, atol=0)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "checkpoint-6")
    resumed = run(files, rows, tmp_path / "cut", lora=lora, resume=True)
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert logged(tmp_path / "cut")[-2]["step"] == 6


def test_resuming_what_is_complete_changes_nothing(files, rows, tmp_path):
    whole = run(files, rows, tmp_path)
    lines = len(logged(tmp_path))
    torch.testing.assert_close(weights(run(files, rows, tmp_path, resume=True)), weights(whole), rtol=0, atol=0)
    assert len(logged(tmp_path)) == lines


def test_checkpoints_hold_no_pickled_arguments_and_no_frozen_weights(files, rows, tmp_path):
    run(files, rows, tmp_path, lora=Lora(rank=2))
    found = {path.name for path in (tmp_path / "checkpoints" / "checkpoint-6").iterdir()}
    assert found == {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}
    assert (tmp_path / "checkpoints" / "checkpoint-6" / "model.safetensors").stat().st_size < 40_000


def test_an_incomplete_checkpoint_is_passed_over(files, rows, tmp_path):
    whole = run(files, rows, tmp_path)
    (tmp_path / "checkpoints" / "checkpoint-6" / "trainer_state.json").unlink()
    torch.testing.assert_close(weights(run(files, rows, tmp_path, resume=True)), weights(whole), rtol=0, atol=0)


def test_another_configuration_is_refused(files, rows, tmp_path):
    run(files, rows, tmp_path)
    with pytest.raises(InputError, match="contains checkpoints: continue with `resume`"):
        run(files, rows, tmp_path)
    other = Schedule(batch_size=3, max_steps=6, learning_rate=1e-3)
    with pytest.raises(InputError, match="another configuration.*schedule: .*0.003.* before, .*0.001.* now"):
        run(files, rows, tmp_path, schedule=other, resume=True)
    with pytest.raises(InputError, match="rows: "):
        run(files, rows[:-1], tmp_path, resume=True)


def test_a_loss_that_is_not_finite_stops_and_names_the_rows(files, rows, tmp_path, monkeypatch):
    seen = []

    def loss(*arguments):
        seen.append(arguments[1].rows)
        return real(*arguments) * (1 if len(seen) < 5 else torch.nan)

    real = trainer_module.batch_loss
    monkeypatch.setattr(trainer_module, "batch_loss", loss)
    with pytest.raises(InstrerankError, match=r"nan at step 5, rows rows:\d+, rows:\d+, rows:\d+\. .*checkpoints"):
        run(files, rows, tmp_path)
    assert (tmp_path / "checkpoints" / "checkpoint-3" / "trainer_state.json").is_file()


@pytest.mark.parametrize(
    ("module", "name", "error"), [(torch, "save", OSError), (trainer_module, "save_file", SafetensorError)]
)
def test_a_full_disk_leaves_the_checkpoint_before(files, rows, tmp_path, monkeypatch, module, name, error):
    real = getattr(module, name)

    def save(value, path, *arguments):
        if "checkpoint-6" in str(path):
            raise error("No space left on device")
        real(value, path, *arguments)

    monkeypatch.setattr(module, name, save)
    with pytest.raises(InputError, match="No space left on device.*`resume`"):
        run(files, rows, tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")] == ["checkpoint-3"]


class Falling:
    """An evaluation whose second value is the best."""

    metric = "ndcg_cut_10"

    def __init__(self):
        self.values = [0.3, 0.5, 0.4, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]
        self.found = []

    def __call__(self, encoder):
        self.found.append(encoder.encode_queries(TEXTS).vectors)
        return {"ndcg_cut_10": self.values[len(self.found) - 1]}


@pytest.mark.parametrize("lora", [None, Lora(rank=4, side="query")])
def test_early_stopping_ends_with_the_best_weights(files, rows, tmp_path, lora):
    evaluation = Falling()
    schedule = Schedule(batch_size=3, max_steps=30, learning_rate=3e-3)
    habits = Habits(device="cpu", save_steps=3, log_steps=1, patience=2)
    model = run(files, rows, tmp_path, lora=lora, schedule=schedule, habits=habits, evaluate=evaluation)
    assert len(evaluation.found) == 4
    save_trained(model, files, tmp_path / "best", "")
    np.testing.assert_allclose(
        load_encoder(tmp_path / "best").encode_queries(TEXTS).vectors, evaluation.found[1], atol=1e-5
    )


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Schedule(batch_size=13), "12 rows do not fill a batch of 13"),
        (SimpleNamespace(batch_size=1), "3 instructions per query, but a batch of 1 rows has at most 2"),
    ],
)
def test_batches_that_cannot_be_are_refused(files, rows, tmp_path, schedule, message):
    with pytest.raises(InputError, match=message):
        run(files, rows, tmp_path, schedule=schedule)


def test_wrong_schedules_are_refused():
    with pytest.raises(InputError, match="`learning_rate` must be above 0"):
        Schedule(learning_rate=0)
